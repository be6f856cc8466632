import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { sha256Hex } from "../base/hash.ts";
import { type Digest, sha256Digest } from "../model/digest.ts";
import { linkBlobRecord, unlinkBlobRecord } from "./blob-link-records.ts";
import { restoreUnit, trashManifests } from "./collection-trash-records.ts";
import { insertManifest } from "./manifest-records.ts";
import { findUsage, isStoredInProject } from "./quota-records.ts";
import { openStore, type Store } from "./store.ts";

interface Step {
  readonly repository: string;
  readonly blob: number;
  readonly action: "link" | "unlink" | "store" | "trash" | "restore";
}

describe("what projects use", () => {
  let folder = "";
  let store: Store;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-quota-"));
    store = await openStore({ dataDir: folder });
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  const digestOf = (blob: number): Digest => sha256Digest(sha256Hex(`blob ${blob}`));

  async function take({ repository, blob, action }: Step): Promise<void> {
    const digest = digestOf(blob);
    const sizeBytes = 10 ** blob;
    await store.transaction(async (db) => {
      if (action === "link") await linkBlobRecord(db, { repository, digest, sizeBytes });
      if (action === "unlink") await unlinkBlobRecord(db, repository, digest);
      if (action === "restore") await restoreUnit(db, { repository, digest, actor: "a" });
      if (action === "trash") {
        const members = new Map([[digest, []]]);
        await trashManifests(db, { repository, unit: digest, members, origin: "deleted", reason: "r" });
      }
      if (action === "store") {
        const none = { artifactType: undefined, annotations: undefined, edges: [] };
        const bytes = new Uint8Array(sizeBytes);
        await insertManifest(db, { repository, digest, mediaType: "x/y", bytes, ...none, actor: "a" });
      }
    });
  }

  /** The sum as it follows from the tables, slowly. */
  async function slowly(project: string): Promise<number> {
    const links = await store.db.selectFrom("blob_links").select(["repository", "digest", "size_bytes"]).execute();
    const manifests = await store.db
      .selectFrom("manifests")
      .innerJoin("manifest_contents", "manifest_contents.digest", "manifests.digest")
      .select(["repository", "manifests.digest", "size_bytes"])
      .execute();
    let total = 0;
    for (const rows of [links, manifests]) {
      const own = rows.filter(({ repository }) => repository === project || repository.startsWith(`${project}/`));
      for (const bytes of new Map(own.map((row) => [row.digest, row.size_bytes])).values()) total += bytes;
    }
    return total;
  }

  test("is the sum of what is stored, each digest once, after any changes by any path", async () => {
    const step: fc.Arbitrary<Step> = fc.record({
      repository: fc.constantFrom("sum", "sum/a", "sum/b/c", "sum-2/a", "sum0"),
      blob: fc.nat({ max: 4 }),
      action: fc.constantFrom("link", "unlink", "store", "trash", "restore"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        for (const one of steps) await take(one);
        for (const project of ["sum", "sum-2", "sum0"])
          assert.equal(await findUsage(store.db, project), await slowly(project), project);
      }),
      { numRuns: 40 },
    );
  });

  test("knows what is stored by repository name, not by its beginning", async () => {
    await take({ repository: "own-2/a", blob: 0, action: "link" });
    const stored = { table: "blob_links", digest: digestOf(0) } as const;
    assert.ok(await isStoredInProject(store.db, "own-2", stored));
    assert.ok(!(await isStoredInProject(store.db, "own", stored)));
  });
});
