import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { nowMs } from "../../base/clock.ts";
import { type Digest } from "../../model/digest.ts";
import { type Descriptor, mediaTypes } from "../../model/oci.ts";
import { insertHold } from "../../store/hold-records.ts";
import { putImageRecord } from "../../store/images-records.ts";
import { digestText, manifestText } from "../test-registry.ts";
import { openTestCollection, type TestCollection } from "./test-collection.ts";

describe("a collection", () => {
  let test1: TestCollection;
  let site: TestCollection["site"];
  before(async () => {
    test1 = await openTestCollection();
    site = test1.site;
  });
  after(async () => await test1.close());

  const status = async (path: string, method: "GET" | "HEAD" | "DELETE" = "GET"): Promise<number> =>
    (await site.ask({ method, path })).status;
  const has = async (repository: string, digest: Digest): Promise<boolean> =>
    (await status(`/v2/${repository}/manifests/${digest}`)) === 200;
  const put = async (repository: string, reference: string, body: string): Promise<Digest> => {
    const type = body.includes('"manifests"') ? mediaTypes.index : mediaTypes.manifest;
    const path = `/v2/${repository}/manifests/${reference}`;
    const told = await site.ask({ method: "PUT", path, body, headers: { "content-type": type } });
    assert.equal(told.status, 201, told.bytes.toString());
    return digestText(body);
  };
  const index = (children: readonly Descriptor[], more: object = {}): string =>
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: children, ...more });

  test("moves a blob that no manifest names into the trash; HEAD, not GET, brings it back without a byte", async () => {
    const { digest } = await site.blob("a/one", "alone");
    const path = `/v2/a/one/blobs/${digest}`;
    const report = await test1.collect();
    assert.ok(report.trashedBlobs >= 1);
    assert.equal(await status(path), 404);
    assert.ok((await test1.collection.trash()).blobs.some((blob) => blob.digest === digest));
    assert.equal(await status(path, "HEAD"), 200);
    assert.equal((await site.ask({ method: "GET", path })).bytes.toString(), "alone");
    assert.ok((await test1.collect()).removedBlobs === 0, "the trash keeps its bytes");
  });

  test("frees the bytes once the time in the trash is over, and only then", async () => {
    const { digest } = await site.blob("a/two", "freed bytes");
    await test1.collect();
    assert.ok((await site.store.blobs.stat(digest)) !== undefined);
    const report = await test1.collect({ trashMs: 0 });
    assert.ok(report.removedBlobs >= 1 && report.freedBytes >= "freed bytes".length);
    assert.equal(await site.store.blobs.stat(digest), undefined);
    assert.equal(await status(`/v2/a/two/blobs/${digest}`, "HEAD"), 404);
    assert.equal((await site.blob("a/two", "freed bytes")).digest, digest, "it can be pushed again");
  });

  test("leaves alone what somebody touched within the grace, and what is named", async () => {
    const { digest: fresh } = await site.blob("b", "fresh");
    const image = await site.image("b", { tag: "v1", layer: "named" });
    await test1.collect({ graceMs: 60_000, trashMs: 0 });
    assert.equal(await status(`/v2/b/blobs/${fresh}`), 200);
    await test1.collect({ trashMs: 0 });
    assert.equal(await status(`/v2/b/blobs/${fresh}`), 404);
    assert.equal(await status(`/v2/b/blobs/${digestText("named")}`), 200);
    assert.ok(await has("b", image.digest));
  });

  test("goes on past a file that is gone and an image whose layer is", async () => {
    const { digest: gone } = await site.blob("broken/one", "its file is removed by hand");
    const { digest: layer } = await site.blob("broken/two", "a layer that is removed by hand");
    await site.image("broken/two", { tag: "v1", layer: "a layer that is removed by hand" });
    const { digest: garbage } = await site.blob("whole", "garbage of a whole repository");
    for (const digest of [gone, layer]) await site.store.blobs.delete(digest);
    await test1.collect({ trashMs: 0 });
    assert.equal(await site.store.blobs.stat(garbage), undefined);
    assert.equal(await status("/v2/broken/two/manifests/v1"), 200);
    assert.equal(await status(`/v2/broken/one/blobs/${gone}`, "HEAD"), 404);
  });

  test("keeps a blob's file for as long as any repository has it", async () => {
    const { digest } = await site.blob("c/one", "shared by two");
    await site.image("c/two", { tag: "v1", layer: "shared by two" });
    await test1.collect({ trashMs: 0 });
    assert.equal(await status(`/v2/c/one/blobs/${digest}`), 404);
    assert.equal(await status(`/v2/c/two/blobs/${digest}`), 200);
  });

  test("reaches children of indexes, referrers at any depth, and what attachment tags hold", async () => {
    const child = await site.image("d", { layer: "d1" });
    const top = await put("d", "multi", index([child]));
    const sbom = await site.image("d", { subject: child, artifactType: "x/sbom" });
    const signature = await site.image("d", { subject: sbom, artifactType: "x/sig" });
    const cosign = await site.image("d", { tag: `${child.digest.replace(":", "-")}.sig`, layer: "cosign" });
    await test1.collect({ trashMs: 0 });
    for (const digest of [child.digest, top, sbom.digest, signature.digest, cosign.digest])
      assert.ok(await has("d", digest), digest);
    const { places } = await test1.collection.explain(digestText("cosign"));
    assert.equal(places[0]?.stays, true);
    assert.equal(places[0].path[0], 'the tag "multi" points to it');
    assert.deepEqual(
      places[0].path.filter((line) => line.startsWith("sha256:")),
      [top, child.digest, cosign.digest, digestText("cosign")],
    );
  });

  test("takes an image that lost its tag with all that belongs to it, and gives it back whole", async () => {
    const image = await site.image("e", { tag: "old", layer: "e1" });
    const sbom = await site.image("e", { subject: image, artifactType: "x/sbom" });
    const sigTag = `${image.digest.replace(":", "-")}.sig`;
    const cosign = await site.image("e", { tag: sigTag, layer: "e-sig" });
    await site.image("e", { tag: "old", layer: "e2" });
    assert.equal((await test1.collect({ untaggedMs: 60_000 })).trashedManifests, 0, "it lost its tag a moment ago");
    assert.equal((await test1.collect({ deleteUntagged: false })).trashedManifests, 0);
    const report = await test1.collect();
    assert.equal(report.trashedManifests, 3);
    assert.equal(report.trashedBlobs, 3, "its layers go to the trash with it");
    for (const { digest } of [image, sbom, cosign]) assert.equal(await has("e", digest), false);
    assert.equal(await status(`/v2/e/manifests/${sigTag}`), 404);
    await test1.collect();
    const restored = await test1.collection.restore({ digest: image.digest, actor: "test" });
    assert.equal(restored.digests.length, 3);
    assert.deepEqual(restored.tags, [sigTag]);
    for (const { digest } of [image, sbom, cosign]) assert.ok(await has("e", digest));
    assert.equal(await status(`/v2/e/blobs/${digestText("e1")}`), 200);
    assert.equal((await test1.collect({ untaggedMs: 60_000 })).trashedManifests, 0, "it is not to go again at once");
  });

  test("gives back what a client deleted, with its tags, unless they point elsewhere", async () => {
    const image = await site.image("f", { tag: "one", layer: "f1" });
    await put("f", "two", manifestText({ layers: [await site.blob("f", "f1")] }));
    assert.equal(await status(`/v2/f/manifests/${image.digest}`, "DELETE"), 202);
    assert.equal(await status(`/v2/f/blobs/${digestText("f1")}`, "DELETE"), 202);
    assert.equal(await status(`/v2/f/blobs/${digestText("f1")}`, "HEAD"), 404, "deleted means deleted");
    await site.image("f", { tag: "two", layer: "other" });
    await test1.collect();
    const restored = await test1.collection.restore({ digest: image.digest, repository: "f", actor: "test" });
    assert.deepEqual([restored.tags, restored.takenTags], [["one"], ["two"]]);
    assert.equal(await status("/v2/f/manifests/one"), 200);
    assert.equal(await status(`/v2/f/blobs/${digestText("f1")}`), 200);
    await assert.rejects(test1.collection.restore({ digest: image.digest, actor: "test" }), { code: "not_found" });
  });

  test("takes children back when an index names them, and blobs when a manifest does", async () => {
    const child = await site.image("g", { layer: "g1" });
    const layer = await site.blob("g", "g2");
    await test1.collect();
    assert.equal(await has("g", child.digest), false);
    await put("g", "multi", index([child]));
    await put("g", "plain", manifestText({ layers: [layer] }));
    await test1.collect({ trashMs: 0 });
    for (const text of ["g1", "g2"]) assert.equal(await status(`/v2/g/blobs/${digestText(text)}`), 200);
    assert.ok(await has("g", child.digest));
  });

  test("mounts out of the trash, of the same and of another repository", async () => {
    const { digest } = await site.blob("h/one", "mounted");
    await test1.collect();
    const path = `/v2/h/two/blobs/uploads/?mount=${digest}&from=h/one`;
    assert.equal((await site.ask({ method: "POST", path })).status, 201);
    await test1.collect();
    const again = `/v2/h/two/blobs/uploads/?mount=${digest}&from=nowhere`;
    assert.equal((await site.ask({ method: "POST", path: again })).status, 201);
    assert.equal(await status(`/v2/h/two/blobs/${digest}`), 200);
  });

  test("keeps what is held, what is on record as minted, and what the factory needs", async () => {
    const held = await site.image("i", { layer: "i1" });
    const minted = await site.image("i", { layer: "i2" });
    const { digest: archive } = await site.store.blobs.put(Buffer.from("an archive"));
    const { digest: orphan } = await site.store.blobs.put(Buffer.from("an orphan"));
    test1.held.set(archive, "it is named by a lock");
    await site.store.transaction(async (db) => {
      const until = { untilAt: nowMs() + 60_000, author: "auditor", reason: "case 7" };
      await insertHold(db, { repository: "i", digest: held.digest, ...until });
    });
    const record = { repository: "i", recipe: "i", lockDigest: archive, summary: '{"evidence":[]}', builtAtMs: 1 };
    await putImageRecord(site.store.db, { digest: minted.digest, ...record });
    const report = await test1.collect({ trashMs: 0 });
    assert.ok((await has("i", held.digest)) && (await has("i", minted.digest)));
    assert.ok((await site.store.blobs.stat(archive)) !== undefined);
    assert.equal(await site.store.blobs.stat(orphan), undefined, "what nobody names is no file for ever");
    assert.equal(report.stays.held, 1);
    assert.match((await test1.collection.explain(held.digest)).places[0]!.path[0]!, /held by auditor: case 7/);
    assert.match((await test1.collection.explain(archive)).places[0]!.path[0]!, /named by a lock/);
  });

  test("ends with circles of subjects, and takes a circle that nothing reaches", async () => {
    const one = await site.image("j", { layer: "j1" });
    const two = await site.image("j", { subject: one, annotations: { n: "2" } });
    await put("j", `${one.digest.replace(":", "-")}.att`, manifestText({ subject: two, annotations: { n: "3" } }));
    const report = await test1.collect();
    assert.equal(report.trashedManifests, 3);
  });

  test("takes abandoned uploads, with their bytes", async () => {
    const { headers } = await site.ask({ method: "POST", path: "/v2/k/blobs/uploads/" });
    await site.ask({ method: "PATCH", path: headers["location"]!, body: "begun" });
    assert.equal((await test1.collect()).uploads, 0);
    const planned = await test1.collect({ uploadMs: 0, dryRun: true });
    assert.equal(planned.uploads, 1);
    const report = await test1.collect({ uploadMs: 0 });
    assert.deepEqual([report.uploads, report.freedBytes], [1, 5]);
    assert.equal(await status(headers["location"]!), 404);
  });
});

describe("a dry run", () => {
  test("says exactly what the real run then does, with and without a trash", async () => {
    const test1 = await openTestCollection();
    const { site } = test1;
    try {
      for (const trashMs of [3_600_000, 0, 3_600_000, 0]) {
        const round = String(nowMs());
        const child = await site.image("x/app", { layer: `child ${round}` });
        await site.image("x/app", { subject: child, artifactType: "x/sbom" });
        await site.image("x/app", { tag: "latest", layer: `kept ${round}` });
        await site.blob("x/app", `alone ${round}`);
        await site.blob("x/other", `child ${round}`);
        await site.store.blobs.put(Buffer.from(`orphan ${round}`));
        const told = await site.image("x/app", { tag: "gone", layer: `gone ${round}` });
        await site.ask({ method: "DELETE", path: `/v2/x/app/manifests/${told.digest}` });
        const plan = await test1.collect({ dryRun: true, trashMs });
        const marks = await test1.collection.plan();
        assert.equal(marks.filter(({ kind }) => kind === "blob").length, plan.removedBlobs);
        const report = await test1.collect({ trashMs });
        assert.deepEqual({ ...report, dryRun: true }, plan);
        for (const { kind, digest } of marks)
          if (kind === "blob") assert.equal(await site.store.blobs.stat(digest), undefined);
        assert.equal(await site.store.blobs.usedBytes(), report.storedBytes);
      }
    } finally {
      await test1.close();
    }
  });
});
