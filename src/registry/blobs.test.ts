import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { shiftClock } from "../base/clock.ts";
import { emptyDescriptor, mediaTypes } from "../model/oci.ts";
import { findBlobLink } from "../store/blob-link-records.ts";
import { digestText, manifestText, openTestRegistry, type TestRegistry } from "./test-registry.ts";

describe("blobs", () => {
  let site: TestRegistry;
  before(async () => (site = await openTestRegistry()));
  after(async () => await site.close());

  const content = Buffer.from(Array.from({ length: 2000 }, (_, at) => at % 251));

  test("gives the bytes, exact headers, and the same headers on HEAD", async () => {
    const { digest } = await site.blob("a", content);
    const path = `/v2/a/blobs/${digest}`;
    const got = await site.ask({ method: "GET", path });
    assert.equal(got.status, 200);
    assert.deepEqual(got.bytes, content);
    const head = await site.ask({ method: "HEAD", path });
    assert.equal(head.status, 200);
    assert.equal(head.bytes.length, 0);
    for (const { headers } of [got, head]) {
      assert.equal(headers["content-length"], "2000");
      assert.equal(headers["docker-content-digest"], digest);
      assert.equal(headers["content-type"], "application/octet-stream");
      assert.equal(headers["accept-ranges"], "bytes");
    }
    assert.equal((await site.ask({ method: "GET", path, headers: { "if-none-match": `"${digest}"` } })).status, 304);
  });

  test("gives single ranges, suffixes too, and answers 416 outside", async () => {
    const { digest } = await site.blob("a", content);
    const path = `/v2/a/blobs/${digest}`;
    for (const [range, start, end] of [
      ["bytes=500-1499", 500, 1499],
      ["bytes=500-", 500, 1999],
      ["bytes=-500", 1500, 1999],
      ["bytes=1500-5000", 1500, 1999],
    ] as const) {
      const got = await site.ask({ method: "GET", path, headers: { range } });
      assert.equal(got.status, 206, range);
      assert.deepEqual(got.bytes, content.subarray(start, end + 1));
      assert.equal(got.headers["content-range"], `bytes ${start}-${end}/2000`);
      assert.equal(got.headers["content-length"], String(end - start + 1));
    }
    for (const range of ["bytes=500-0", "bytes=5000-10000", "bytes=-0"]) {
      const told = await site.ask({ method: "GET", path, headers: { range } });
      assert.equal(told.status, 416, range);
      assert.equal(told.headers["content-range"], "bytes */2000");
    }
    const changed = { range: "bytes=0-1", "if-range": '"another"' };
    assert.equal((await site.ask({ method: "GET", path, headers: changed })).status, 200);
    assert.equal((await site.ask({ method: "GET", path, headers: { range: "bytes=0-1,4-5" } })).status, 200);
  });

  test("is readable only through a repository that has it", async () => {
    const { digest } = await site.blob("a", "mine");
    const told = await site.ask({ method: "GET", path: `/v2/b/blobs/${digest}` });
    assert.equal(told.status, 404);
    assert.equal(told.code(), "BLOB_UNKNOWN");
    assert.equal((await site.ask({ method: "HEAD", path: `/v2/b/blobs/${digest}` })).status, 404);
  });

  test("answers 400 to what is no digest, never 500", async () => {
    for (const text of ["sha256:xyz", "sha256:", "latest", `sha256:${"A".repeat(64)}`, "sha384:00"]) {
      const told = await site.ask({ method: "GET", path: `/v2/a/blobs/${text}` });
      assert.equal(told.status, 400, text);
      assert.equal(told.code(), "DIGEST_INVALID");
    }
  });

  test("leaves a repository, but not while a manifest names it", async () => {
    const { digest } = await site.blob("c", "loose");
    const path = `/v2/c/blobs/${digest}`;
    await site.blob("d", "loose");
    assert.equal((await site.ask({ method: "DELETE", path })).status, 202);
    assert.equal((await site.ask({ method: "HEAD", path })).status, 404);
    assert.equal((await site.ask({ method: "DELETE", path })).status, 404);
    assert.equal((await site.ask({ method: "HEAD", path: `/v2/d/blobs/${digest}` })).status, 200);
    const image = await site.image("c", { layer: "needed" });
    const used = `/v2/c/blobs/${digestText("needed")}`;
    const told = await site.ask({ method: "DELETE", path: used });
    assert.equal(told.status, 405);
    assert.equal(told.code(), "DENIED");
    assert.equal((await site.ask({ method: "DELETE", path: `/v2/c/manifests/${image.digest}` })).status, 202);
    assert.equal((await site.ask({ method: "DELETE", path: used })).status, 202);
  });

  test("writes down that a client saw it, but not each time", async () => {
    const { digest } = await site.blob("e", "seen");
    const touchedAt = async (): Promise<number> => (await findBlobLink(site.store.db, "e", digest))!.touchedAt;
    const pushed = await touchedAt();
    await site.ask({ method: "HEAD", path: `/v2/e/blobs/${digest}` });
    assert.equal(await touchedAt(), pushed);
    shiftClock(3_600_000);
    try {
      await site.ask({ method: "HEAD", path: `/v2/e/blobs/${digest}` });
    } finally {
      shiftClock(-3_600_000);
    }
    assert.ok((await touchedAt()) > pushed);
  });

  test("is one copy when two push it at once", async () => {
    const layers = await Promise.all(["f", "f", "g"].map(async (repository) => await site.blob(repository, "both")));
    assert.equal(new Set(layers.map(({ digest }) => digest)).size, 1);
    const bytes = manifestText({ config: emptyDescriptor, layers: [layers[0]] });
    await site.blob("f", "{}");
    const told = await site.ask({
      method: "PUT",
      path: "/v2/f/manifests/x",
      body: bytes,
      headers: { "content-type": mediaTypes.manifest },
    });
    assert.equal(told.status, 201);
  });
});
