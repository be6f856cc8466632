import assert from "node:assert/strict";
import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Digest } from "../../model/digest.ts";
import { listAuditEvents } from "../../store/event-records.ts";
import { digestText, openTestRegistry } from "../test-registry.ts";
import { openTestCollection, type TestCollection } from "./test-collection.ts";

async function damage({ site }: TestCollection, digest: Digest): Promise<void> {
  const path = await site.store.blobs.localPath(digest);
  await chmod(path, 0o644);
  await writeFile(path, "x".repeat((await site.store.blobs.stat(digest))!.sizeBytes));
}

describe("a scrub", () => {
  test("puts a damaged blob aside, so that HEAD tells the truth and the next push brings it back", async () => {
    const test1 = await openTestCollection();
    const { site } = test1;
    try {
      await site.image("a/app", { tag: "v1", layer: "precious" });
      await site.blob("a/fork", "precious");
      await site.blob("a/app", "whole");
      const digest = digestText("precious");
      const path = `/v2/a/app/blobs/${digest}`;
      assert.deepEqual((await test1.scrub()).damaged, []);
      await damage(test1, digest);
      const report = await test1.scrub();
      assert.deepEqual([report.damaged, report.lost, report.repaired], [[digest], [digest], []]);
      assert.equal((await site.ask({ method: "HEAD", path })).status, 404);
      assert.equal((await readdir(join(site.store.dataDir, "blobs/quarantine"))).length, 1);
      await assert.rejects(test1.collection.restore({ digest, repository: "a/app", actor: "x" }), { code: "conflict" });
      await test1.collect({ trashMs: 0 });
      await site.blob("a/app", "precious");
      assert.equal((await site.ask({ method: "GET", path })).bytes.toString(), "precious");
      const events = await listAuditEvents(site.store.db, { limit: 1000 });
      assert.ok(
        events.some(({ action, details }) => action === "scrub.ran" && JSON.stringify(details).includes(digest)),
      );
    } finally {
      await test1.close();
    }
  });

  test("finds what is missing, and gives every repository its link back once the bytes are back", async () => {
    const test1 = await openTestCollection();
    const { site } = test1;
    try {
      await site.image("b/one", { tag: "v1", layer: "missing" });
      await site.image("b/two", { tag: "v1", layer: "missing" });
      const digest = digestText("missing");
      await site.store.blobs.delete(digest);
      assert.deepEqual((await test1.scrub()).missing, [digest]);
      await site.blob("b/one", "missing");
      const report = await test1.scrub();
      assert.deepEqual([report.missing, report.repaired], [[], [digest]]);
      const told = await site.ask({ method: "GET", path: `/v2/b/two/blobs/${digest}` });
      assert.equal(told.bytes.toString(), "missing");
    } finally {
      await test1.close();
    }
  });

  test("repairs from another registry, and believes only bytes that have the digest", async () => {
    const test1 = await openTestCollection();
    const { site } = test1;
    const peer = await openTestRegistry();
    try {
      for (const one of [site, peer]) {
        await one.image("open/app", { tag: "v1", layer: "repaired" });
        await one.blob("open/app", "forged");
      }
      await peer.store.blobs.delete(digestText("forged"));
      const url = await peer.app.listen({ host: "127.0.0.1", port: 0 });
      const [repaired, forged] = [digestText("repaired"), digestText("forged")];
      for (const digest of [repaired, forged]) await damage(test1, digest);
      const report = await test1.scrub(url);
      assert.deepEqual(report.damaged.toSorted(), [repaired, forged].toSorted());
      assert.deepEqual([report.repaired, report.lost], [[repaired], [forged]]);
      const told = await site.ask({ method: "GET", path: `/v2/open/app/blobs/${repaired}` });
      assert.equal(told.bytes.toString(), "repaired");
    } finally {
      await peer.close();
      await test1.close();
    }
  });
});
