import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../../base/errors.ts";
import { chooseDistribution, machineSources, parseDeb822, parseDistribution, type AptSource } from "./sources.ts";

function source(suite: string): AptSource {
  return { uri: "http://archive.example/debian", suite, components: ["main"], signedBy: "/keys.gpg" };
}

test("parseDistribution knows releases by number and by name", () => {
  assert.deepEqual(parseDistribution("debian:12"), { id: "debian", version: "12", codename: "bookworm" });
  assert.deepEqual(parseDistribution("ubuntu:noble"), { id: "ubuntu", version: "24.04", codename: "noble" });
  assert.equal(parseDistribution("debian:99"), undefined);
});

test("machineSources reads both formats and leaves out what is disabled or source only", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-"));
  try {
    await mkdir(join(folder, "sources.list.d"));
    await writeFile(
      join(folder, "sources.list"),
      "# old\ndeb [arch=amd64 signed-by=/k.gpg] http://archive.example/ubuntu noble main universe # x\ndeb-src http://archive.example/ubuntu noble main\n",
    );
    await writeFile(
      join(folder, "sources.list.d/a.sources"),
      "Types: deb deb-src\nURIs: http://archive.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nEnabled: no\nURIs: http://off.example\nSuites: x\nComponents: y\n",
    );
    const found = await machineSources(folder);
    assert.deepEqual(
      found.map(({ suite, signedBy }) => [suite, signedBy]),
      [
        ["noble", "/k.gpg"],
        ["bookworm", "/k.gpg"],
        ["bookworm-updates", "/k.gpg"],
      ],
    );
    assert.deepEqual(found[0]!.components, ["main", "universe"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("parseDeb822 takes a key that stands in the file itself", () => {
  const [found] = parseDeb822(
    "Types: deb\nURIs: http://a.example\nSuites: s\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n",
  );
  assert.equal(found!.signedBy, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n");
});

test("chooseDistribution takes the first that is offered, with its updates and security suites", () => {
  const sources = ["bookworm", "bookworm-updates", "bookworm-security", "bookworm-backports", "nodistro"].map(source);
  const chosen = chooseDistribution(["ubuntu:24.04", "debian:12"], sources);
  assert.equal(chosen.distribution.codename, "bookworm");
  assert.deepEqual(
    chosen.sources.map(({ suite }) => suite),
    ["bookworm", "bookworm-updates", "bookworm-security"],
  );
});

test("chooseDistribution reads a sole wish from the archive of a sibling, but never guesses in a list", () => {
  const sources = ["bookworm", "bookworm-security"].map(source);
  assert.deepEqual(
    chooseDistribution(["debian:13"], sources).sources.map(({ suite }) => suite),
    ["trixie", "trixie-security"],
  );
  assert.throws(
    () => chooseDistribution(["ubuntu:24.04", "ubuntu:22.04"], sources),
    (error) => error instanceof Failure && error.code === "upstream_unreachable",
  );
  assert.throws(
    () => chooseDistribution(["debian:1"], sources),
    (error) => error instanceof Failure && error.code === "recipe_invalid",
  );
});
