import assert from "node:assert/strict";
import { test } from "node:test";
import { planWaves, type UnpackedPackage } from "./waves.ts";

const unpacked = (name: string, essential: boolean, control = ""): UnpackedPackage => ({
  locked: {
    name,
    version: "1",
    architecture: "amd64",
    source: name,
    sourceVersion: "1",
    path: `pool/${name}.deb`,
    sizeBytes: 1,
    sha256: "0".repeat(64),
    index: 0,
    requested: !essential,
    essential,
    layer: 0,
  },
  control: `Package: ${name}\n${control}`,
  tree: `/trees/${name}`,
});

const names = (packages: readonly UnpackedPackage[]): string[][] =>
  planWaves(packages).map((wave) => wave.packages.map(({ name }) => name));

test("the essential set comes first, then what others pre-depend on, then the rest", () => {
  assert.deepEqual(
    names([
      unpacked("dpkg", true),
      unpacked("tool", false, "Pre-Depends: helper\n"),
      unpacked("helper", false, "Depends: library\n"),
      unpacked("library", false),
      unpacked("other", false),
    ]),
    [["dpkg"], ["helper", "library"], ["tool", "other"]],
  );
});

test("an alternative that a recipe chose comes with the essential package that needs it, and no other does", () => {
  const init = unpacked("init", true, "Depends: merge | is-merged, shell\n");
  const shell = unpacked("dash", true, "Provides: shell\n");
  assert.deepEqual(
    names([init, shell, unpacked("is-merged", false, "Depends: deeper\n"), unpacked("deeper", false)])[0],
    ["init", "dash", "is-merged", "deeper"],
  );
  assert.deepEqual(names([init, shell, unpacked("merge", true), unpacked("is-merged", false)]), [
    ["init", "dash", "merge"],
    ["is-merged"],
  ]);
});
