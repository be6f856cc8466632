import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { nowMs, shiftClock } from "../base/clock.ts";
import { insertUpload } from "../store/upload-records.ts";
import { dropAbandonedUploads } from "./collection/abandoned-uploads.ts";
import { digestText, openTestRegistry, type TestRegistry, type Told } from "./test-registry.ts";

describe("uploads", () => {
  let site: TestRegistry;
  before(async () => (site = await openTestRegistry()));
  after(async () => await site.close());

  const repository = "own/uploads";
  async function begin(query = "", as = "admin"): Promise<string> {
    const told = await site.ask({ method: "POST", path: `/v2/${repository}/blobs/uploads/${query}`, as });
    assert.equal(told.status, 202);
    assert.equal(told.headers["range"], "0-0");
    assert.ok(told.headers["docker-upload-uuid"]);
    assert.match(told.headers["location"]!, /^\/v2\//, "relative: who is behind a proxy knows its own way here");
    assert.equal(told.headers["oci-chunk-min-length"], undefined, "chunks may have any length");
    return told.headers["location"]!;
  }
  async function isThere(digest: string): Promise<boolean> {
    return (await site.ask({ method: "HEAD", path: `/v2/${repository}/blobs/${digest}` })).status === 200;
  }

  test("takes a blob in one POST", async () => {
    const digest = digestText("one post");
    const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
    const told = await site.ask({ method: "POST", path, body: "one post" });
    assert.equal(told.status, 201);
    assert.equal(told.headers["location"], `/v2/${repository}/blobs/${digest}`);
    assert.equal(told.headers["docker-content-digest"], digest);
    assert.ok(await isThere(digest));
    assert.equal((await site.ask({ method: "POST", path, body: "one post" })).status, 201, "again");
  });

  test("takes a blob by POST and PUT", async () => {
    const digest = digestText("post put");
    const told = await site.ask({ method: "PUT", path: `${await begin()}?digest=${digest}`, body: "post put" });
    assert.equal(told.status, 201);
    assert.ok(await isThere(digest));
  });

  test("takes docker's PATCH without length and range, then an empty PUT", async () => {
    const location = await begin();
    const told = await site.ask({ method: "PATCH", path: location, body: "docker" });
    assert.equal(told.status, 202);
    assert.equal(told.headers["range"], "0-5");
    const digest = digestText("docker");
    assert.equal((await site.ask({ method: "PUT", path: `${location}?digest=${digest}` })).status, 201);
    assert.ok(await isThere(digest));
    assert.equal((await site.ask({ method: "GET", path: location })).status, 404, "the upload has ended");
  });

  test("takes chunks with ranges, the last one in the PUT", async () => {
    const location = await begin();
    for (const [range, body] of [
      ["0-2", "abc"],
      ["3-5", "def"],
    ] as const) {
      const told = await site.ask({ method: "PATCH", path: location, body, headers: { "content-range": range } });
      assert.equal(told.status, 202);
      assert.equal(told.headers["range"], `0-${range.split("-")[1]}`);
    }
    const path = `${location}?digest=${digestText("abcdefghi")}`;
    assert.equal(
      (await site.ask({ method: "PUT", path, body: "ghi", headers: { "content-range": "6-8" } })).status,
      201,
    );
  });

  test("answers 416 to a chunk out of order, on PATCH and on PUT, and the upload lives on", async () => {
    const location = await begin();
    const chunk = { path: location, body: "abc", headers: { "content-range": "0-2" } };
    assert.equal((await site.ask({ method: "PATCH", ...chunk, headers: { "content-range": "1-3" } })).status, 416);
    assert.equal((await site.ask({ method: "PATCH", ...chunk })).status, 202);
    const again = await site.ask({ method: "PATCH", ...chunk });
    assert.equal(again.status, 416, "a chunk that was taken before");
    assert.equal(again.headers["range"], "0-2");
    assert.equal(again.headers["location"], location);
    const path = `${location}?digest=${digestText("abcdef")}`;
    const late = await site.ask({ method: "PUT", path, body: "ef", headers: { "content-range": "4-5" } });
    assert.equal(late.status, 416);
    const status = await site.ask({ method: "GET", path: location });
    assert.equal(status.status, 204);
    assert.equal(status.headers["range"], "0-2");
    assert.equal(status.headers["location"], location);
    assert.equal(
      (await site.ask({ method: "PUT", path, body: "def", headers: { "content-range": "3-5" } })).status,
      201,
    );
  });

  test("refuses a length that is not the range's, and takes none of it", async () => {
    const location = await begin();
    const told = await site.ask({ method: "PATCH", path: location, body: "abcd", headers: { "content-range": "0-2" } });
    assert.equal(told.status, 400);
    assert.equal(told.code(), "SIZE_INVALID");
    assert.equal((await site.ask({ method: "GET", path: location })).headers["range"], "0-0");
    const bad = await site.ask({ method: "PATCH", path: location, body: "abcd", headers: { "content-range": "x" } });
    assert.equal(bad.code(), "BLOB_UPLOAD_INVALID");
  });

  test("refuses a wrong, a missing and an unreadable digest", async () => {
    const wrong = digestText("something else");
    const monolithic = `/v2/${repository}/blobs/uploads/?digest=${wrong}`;
    const told = await site.ask({ method: "POST", path: monolithic, body: "bytes" });
    assert.equal(told.status, 400);
    assert.equal(told.code(), "DIGEST_INVALID");
    for (const digest of ["sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", ""])
      assert.equal(
        (await site.ask({ method: "POST", path: `/v2/${repository}/blobs/uploads/?digest=${digest}`, body: "x" }))
          .status,
        400,
      );
    const location = await begin();
    assert.equal((await site.ask({ method: "PUT", path: location, body: "bytes" })).code(), "DIGEST_INVALID");
    assert.equal((await site.ask({ method: "GET", path: location })).status, 204, "a PUT without digest ends nothing");
    assert.equal((await site.ask({ method: "PUT", path: `${location}?digest=${wrong}`, body: "bytes" })).status, 400);
    assert.equal((await site.ask({ method: "GET", path: location })).status, 404, "wrong bytes are dropped");
    assert.ok(!(await isThere(wrong)));
  });

  test("takes sha512, announced or not", async () => {
    const digest = `sha512:${createHash("sha512").update("long").digest("hex")}`;
    for (const query of ["", "?digest-algorithm=sha512"]) {
      const location = await begin(query);
      assert.equal((await site.ask({ method: "PATCH", path: location, body: "long" })).status, 202);
      assert.equal((await site.ask({ method: "PUT", path: `${location}?digest=${digest}` })).status, 201);
    }
    const told = await site.ask({ method: "GET", path: `/v2/${repository}/blobs/${digest}` });
    assert.equal(told.bytes.toString(), "long");
    const other = await site.ask({ method: "POST", path: `/v2/${repository}/blobs/uploads/?digest-algorithm=md5` });
    assert.equal(other.code(), "DIGEST_INVALID");
  });

  test("takes an empty blob", async () => {
    const digest = digestText("");
    assert.equal((await site.ask({ method: "PUT", path: `${await begin()}?digest=${digest}` })).status, 201);
    const head = await site.ask({ method: "HEAD", path: `/v2/${repository}/blobs/${digest}` });
    assert.equal(head.headers["content-length"], "0");
    const got = await site.ask({ method: "GET", path: `/v2/${repository}/blobs/${digest}` });
    assert.equal(got.status, 200);
    assert.equal(got.bytes.length, 0);
  });

  test("takes chunks of one byte", async () => {
    const location = await begin();
    for (const [at, body] of [...new TextEncoder().encode("tiny")].entries()) {
      const headers = { "content-range": `${at}-${at}` };
      const told = await site.ask({ method: "PATCH", path: location, body: Buffer.of(body), headers });
      assert.equal(told.status, 202);
      assert.equal(told.headers["range"], `0-${at}`);
    }
    const path = `${location}?digest=${digestText("tiny")}`;
    assert.equal((await site.ask({ method: "PUT", path })).status, 201);
  });

  test("ends one upload of two that bring the same blob at once, and the other too", async () => {
    const path = `?digest=${digestText("raced")}`;
    const locations = await Promise.all([begin(), begin(), begin()]);
    const told = await Promise.all(
      locations.map(async (location) => await site.ask({ method: "PUT", path: location + path, body: "raced" })),
    );
    assert.deepEqual(
      told.map(({ status }) => status),
      [201, 201, 201],
    );
    const got = await site.ask({ method: "GET", path: `/v2/${repository}/blobs/${digestText("raced")}` });
    assert.equal(got.bytes.toString(), "raced");
  });

  test("cancels", async () => {
    const location = await begin();
    assert.equal((await site.ask({ method: "DELETE", path: location })).status, 204);
    for (const method of ["GET", "PATCH", "PUT", "DELETE"] as const) {
      const told = await site.ask({ method, path: `${location}?digest=${digestText("x")}` });
      assert.equal(told.status, 404, method);
      assert.equal(told.code(), "BLOB_UPLOAD_UNKNOWN");
    }
    for (const id of ["..%2F..%2Fx", "x"])
      assert.equal((await site.ask({ method: "GET", path: `/v2/${repository}/blobs/uploads/${id}` })).status, 404);
  });

  test("belongs to its account and its repository", async () => {
    const location = await begin("", "pusher");
    assert.equal((await site.ask({ method: "GET", path: location })).status, 404, "another account");
    const elsewhere = location.replace("own/uploads", "own/other");
    assert.equal((await site.ask({ method: "GET", path: elsewhere, as: "pusher" })).status, 404, "another repository");
    assert.equal((await site.ask({ method: "GET", path: location, as: "pusher" })).status, 204);
  });

  test("bounds the open uploads of a repository, and drops abandoned ones", async () => {
    const path = "/v2/own/many/blobs/uploads/";
    const first = (await site.ask({ method: "POST", path })).headers["location"]!;
    await site.store.transaction(async (db) => {
      for (let at = 0; at < 999; at++) await insertUpload(db, { id: `x${at}`, repository: "own/many", account: "a" });
    });
    const told = await site.ask({ method: "POST", path });
    assert.equal(told.status, 429);
    assert.equal(told.code(), "TOOMANYREQUESTS");
    assert.equal((await dropAbandonedUploads(site.store, nowMs() - 1000)).count, 0, "fresh ones stay");
    shiftClock(60_000);
    try {
      assert.ok((await dropAbandonedUploads(site.store, nowMs() - 30_000)).count >= 999);
    } finally {
      shiftClock(-60_000);
    }
    assert.equal((await site.ask({ method: "GET", path: first })).status, 404);
    assert.equal((await site.ask({ method: "POST", path })).status, 202);
  });
});

describe("mounts", () => {
  let site: TestRegistry;
  before(async () => (site = await openTestRegistry()));
  after(async () => await site.close());

  async function mount(query: string, as: string, repository = "own/target"): Promise<number> {
    return (await site.ask({ method: "POST", path: `/v2/${repository}/blobs/uploads/?${query}`, as })).status;
  }

  test("links what the caller may pull at its source", async () => {
    const { digest } = await site.blob("open/source", "mounted");
    const path = `/v2/own/target/blobs/uploads/?mount=${digest}&from=open/source`;
    const told = await site.ask({ method: "POST", path, as: "pusher" });
    assert.equal(told.status, 201);
    assert.equal(told.headers["location"], `/v2/own/target/blobs/${digest}`);
    const got = await site.ask({ method: "GET", path: `/v2/own/target/blobs/${digest}`, as: "pusher" });
    assert.equal(got.bytes.toString(), "mounted");
  });

  test("begins an upload where source, blob or right is missing, and tells not which", async () => {
    const { digest: hidden } = await site.blob("secret/source", "hidden");
    const { digest: open } = await site.blob("open/source", "elsewhere");
    assert.equal(await mount(`mount=${hidden}&from=secret/source`, "pusher"), 202, "no right to pull there");
    assert.equal(await mount(`mount=${open}&from=open/other`, "pusher"), 202, "not in that repository");
    assert.equal(await mount(`mount=${digestText("nowhere")}&from=open/source`, "pusher"), 202, "nowhere");
    assert.equal(await mount(`mount=${open}&from=NOT/A/NAME`, "pusher"), 202, "no name");
    assert.equal(await mount(`mount=rubbish&from=open/source`, "pusher"), 400, "no digest");
    assert.equal((await site.ask({ method: "HEAD", path: `/v2/own/target/blobs/${hidden}` })).status, 404);
  });

  test("asks a token that is too narrow to be made wider, if the account may pull the source", async () => {
    const { digest } = await site.blob("open/narrow", "narrow");
    const { digest: hidden } = await site.blob("secret/narrow", "hidden narrow");
    const headers = { authorization: "Bearer pusher for own/target" };
    const ask = async (query: string): Promise<Told> =>
      await site.ask({ method: "POST", path: `/v2/own/target/blobs/uploads/?${query}`, as: null, headers });
    for (const query of [`mount=${digest}&from=open/narrow`, `mount=${digest}`]) {
      const told = await ask(query);
      assert.equal(told.status, 401, query);
      const scopes = "repository:own/target:pull,push repository:open/narrow:pull";
      assert.equal(
        told.headers["www-authenticate"],
        `Bearer realm="test",scope="${scopes}",error="insufficient_scope"`,
      );
    }
    for (const query of [
      `mount=${hidden}&from=secret/narrow`,
      `mount=${hidden}`,
      `mount=${digestText("nowhere")}&from=open/narrow`,
    ])
      assert.equal((await ask(query)).status, 202, `${query}: the account may not, or it is not there`);
  });

  test("finds a source by itself, among those that the caller may pull", async () => {
    const { digest: hidden } = await site.blob("secret/source", "anonymous hidden");
    const { digest: open } = await site.blob("open/deep/source", "anonymous open");
    assert.equal(await mount(`mount=${open}`, "pusher"), 201);
    assert.equal(await mount(`mount=${hidden}`, "pusher"), 202);
    assert.equal(await mount(`mount=${hidden}`, "admin"), 201);
  });
});
