import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { loadRecipe } from "../build/build.ts";
import { loadConfig } from "../config/config.ts";
import type { Lock } from "../model/lock.ts";
import { mediaTypes } from "../model/oci.ts";
import { openRegistry } from "../registry/registry.ts";
import { openStore } from "../store/store.ts";
import { recipeGraph, recipesOnMovedBases } from "./variants-due.ts";

const recipe = "name: test/app\ntitle: App\ncontainerfile: Containerfile\narchitectures: [amd64, arm64]\n";

describe("what is due", () => {
  let folder = "";
  let site = "";
  let count = 0;
  before(async () => void (folder = await mkdtemp(join(tmpdir(), "mintmark-due-"))));
  beforeEach(async () => {
    site = join(folder, String((count += 1)));
    await mkdir(join(site, "recipes/app"), { recursive: true });
    await writeFile(join(site, "recipes/app/image.yaml"), recipe);
    await writeFile(join(site, "recipes/app/Containerfile"), "FROM test/base:1\nRUN true\n");
  });
  after(async () => await rm(folder, { recursive: true, force: true }));

  const config = async (): ReturnType<typeof loadConfig> =>
    await loadConfig({ flags: { data: join(site, "data"), recipes: join(site, "recipes") }, environment: {} });
  const due = async (): Promise<string | undefined> => (await recipeGraph(await config())).recipes[0]?.due;

  /** A lock as a sealed build for an architecture leaves it. */
  async function lock(architecture: string, base = `sha256:${"0".repeat(64)}`): Promise<void> {
    const path = join(site, "recipes/app");
    const { sha256 } = await loadRecipe(path, architecture);
    const text = JSON.stringify({
      schemaVersion: 1,
      kind: "containerfile",
      recipe: { name: "test/app", sha256 },
      containerfile: { path: "Containerfile", sha256 },
      context: { sha256, fileCount: 1 },
      architecture,
      args: {},
      epochSeconds: 0,
      bases: [{ reference: "test/base:1", digest: base }],
      upstreams: [],
      requests: [],
    });
    await writeFile(join(path, `lock.containerfile-${architecture}.json`), text);
  }

  /** Publishes an index as the base and returns its digest. */
  async function publishBase(word: string): Promise<string> {
    const store = await openStore({ dataDir: join(site, "data") });
    try {
      const mediaType = mediaTypes.index;
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: [], annotations: { word } }));
      const input = { repository: "test/base", reference: "1", mediaType, bytes, actor: "test" };
      return (await openRegistry(store).putManifest(input)).digest;
    } finally {
      await store.close();
    }
  }

  test("a lock is looked for, and looked at, for every architecture of a recipe", async () => {
    assert.equal(await due(), "amd64: it has no lock");
    await lock("amd64");
    assert.equal(await due(), "arm64: it has no lock");
    await lock("arm64");
    assert.equal(await due(), "it was never built");
    const path = join(site, "recipes/app/lock.containerfile-arm64.json");
    await writeFile(path, (await readFile(path, "utf8")).replace(/"sha256":"..../, '"sha256":"0000'));
    assert.equal(await due(), "arm64: the recipe changed since its lock");
  });

  test("a base that moved for one architecture makes the whole due", async () => {
    const first = await publishBase("first");
    await lock("amd64", first);
    await lock("arm64", first);
    assert.equal(await due(), "it was never built");
    const folders = [join(site, "recipes/app")];
    assert.deepEqual(await recipesOnMovedBases(await config(), folders), new Set());
    const second = await publishBase("second");
    await lock("amd64", second);
    assert.equal(await due(), 'arm64: its base "test/base:1" has moved');
    assert.deepEqual(await recipesOnMovedBases(await config(), folders), new Set(folders));
  });

  test("of several distributions one lock that fits the recipe is enough", async () => {
    const path = join(site, "recipes/app");
    await writeFile(
      join(path, "image.yaml"),
      "name: test/app\ntitle: App\ndistribution: [debian:12, debian:13]\npackages: [apt]\n",
    );
    const { sha256 } = await loadRecipe(path);
    const hex = "0".repeat(64);
    const lockOf = async (version: string, recipeSha256: string): Promise<void> => {
      const suite = { suite: "stable", codename: "stable", origin: "test", label: "test", inReleaseSha256: hex };
      const versions = { version: "1", sourceVersion: "1" };
      const lock: Lock = {
        schemaVersion: 1,
        recipe: { name: "test/app", sha256: recipeSha256 },
        distribution: { id: "debian", version, codename: "stable" },
        architecture: "amd64",
        epochSeconds: 0,
        resolver: { name: "apt", version: "2" },
        indexes: [{ ...suite, signedBy: ["A"], dateSeconds: 0, lists: [] }],
        packages: [
          {
            ...versions,
            name: "apt",
            architecture: "amd64",
            source: "apt",
            path: "pool/apt.deb",
            sizeBytes: 1,
            sha256: hex,
            index: 0,
            requested: true,
            essential: false,
            layer: 0,
          },
        ],
      };
      await writeFile(join(path, `lock.debian-${version}-amd64.json`), JSON.stringify(lock));
    };
    await lockOf("12", hex);
    await lockOf("13", sha256);
    assert.equal(await due(), "it was never built");
    await lockOf("13", hex);
    assert.equal(await due(), "the recipe changed since its lock");
  });
});
