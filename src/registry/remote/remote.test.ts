import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { digestText, manifestText, openTestRegistry, type TestRegistry } from "../test-registry.ts";
import { mediaTypes } from "../../model/oci.ts";
import { downloadBlob } from "./download.ts";
import { type FaultyProxy, openFaultyProxy } from "./faulty-proxy.fixture.ts";
import { openRemote, type RemoteRegistry } from "./remote.ts";
import { uploadBlob } from "./upload.ts";

interface Bench {
  readonly far: TestRegistry;
  readonly near: TestRegistry;
  readonly proxy: FaultyProxy;
  readonly remote: RemoteRegistry;
}

/** A registry that asks for a bearer token, with faults before it, and one of ours that talks to it. */
async function bench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const far = await openTestRegistry();
  const near = await openTestRegistry();
  const tokens = await serve((request, response) => {
    const name = Buffer.from((request.headers.authorization ?? "").slice(6), "base64")
      .toString()
      .split(":")[0];
    response.end(JSON.stringify({ token: name === "" ? "anonymous" : name, expires_in: 300 }));
  });
  const url = await far.app.listen({ host: "127.0.0.1", port: 0 });
  const proxy = await openFaultyProxy(url, { challenge: `Bearer realm="${tokens.url}/token",service="far"` });
  const remote = openRemote({
    url: proxy.url,
    credential: { username: "admin", secret: "s" },
    trustedHosts: [tokens.host],
    retryMs: 5,
    idleMs: 300,
  });
  try {
    await work({ far, near, proxy, remote });
  } finally {
    remote.close();
    await proxy.close();
    await tokens.close();
    await far.close();
    await near.close();
  }
}

async function serve(listener: RequestListener): Promise<{ url: string; host: string; close(): Promise<void> }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    host,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

test("a registry is read and written with tokens by scope", async () => {
  await bench(async ({ far, remote, proxy }) => {
    const image = await far.image("team/app", { tag: "1", layer: "hello" });
    await remote.ping();
    assert.deepEqual(await remote.repositories(10), ["team/app"]);
    assert.deepEqual(await remote.tags("team/app"), ["1"]);
    assert.equal(await remote.tags("team/none"), undefined);
    assert.equal((await remote.headManifest("team/app", "1"))?.digest, image.digest);
    assert.equal(await remote.headManifest("team/app", "none"), undefined);
    assert.equal((await remote.getManifest("team/app", image.digest))?.bytes.length, image.size);
    assert.equal(await remote.headBlob("team/app", digestText("hello")), 5);
    const asked = proxy.requests.length;
    await remote.headBlob("team/app", digestText("hello"));
    assert.equal(proxy.requests.length, asked + 1, "the token of a scope is kept");

    const bytes = Buffer.from(manifestText({ layers: [], subject: image, artifactType: "a/b" }));
    const put = { repository: "team/app", reference: digestText(bytes), mediaType: mediaTypes.manifest, bytes };
    assert.deepEqual(await remote.putManifest(put), { keepsReferrers: true });
    const found = await remote.referrers("team/app", image.digest);
    assert.equal(found.by, "api");
    assert.deepEqual(
      found.descriptors.map(({ digest }) => digest),
      [put.reference],
    );
    assert.equal(await remote.deleteManifest("team/app", "1"), true);
    assert.equal(await remote.deleteManifest("team/app", "1"), false);
    await assert.rejects(remote.putManifest({ ...put, reference: digestText("other") }), {
      code: "conflict",
      message: /answered 400 DIGEST_INVALID/,
    });
  });
});

describe("downloads", () => {
  const blob = randomBytes(3_000_000);
  const digest = digestText(blob);

  test("go on where the connection broke, and never send twice what came", async () => {
    await bench(async ({ far, near, remote, proxy }) => {
      await far.blob("team/app", Buffer.from(blob));
      proxy.fault({ match: /^GET .*\/blobs\//, cutAnswerAfterBytes: 1_000_000, times: 2 });
      const got = await downloadBlob(remote, { repository: "team/app", digest, blobs: near.store.blobs, retryMs: 1 });
      assert.equal(got?.sizeBytes, blob.length);
      assert.deepEqual(await near.store.blobs.read(digest), blob);
      const reads = proxy.headers
        .filter((_, at) => /^GET .*\/blobs\//.test(proxy.requests[at]!))
        .map(({ range }) => range);
      assert.deepEqual(
        reads.filter((range) => range !== undefined),
        ["bytes=1000000-", "bytes=2000000-"],
      );
    });
  });

  test("go on in another process from what the store has", async () => {
    await bench(async ({ far, near, remote, proxy }) => {
      await far.blob("team/app", Buffer.from(blob));
      let upload = "";
      proxy.fault({ match: /^GET .*\/blobs\//, cutAnswerAfterBytes: 1_500_000, times: 1 });
      proxy.fault({ match: /^GET .*\/blobs\//, cutAnswerAfterBytes: 0 });
      const off = proxy.fault({ match: /^GET .*\/blobs\//, cutAnswerAfterBytes: 1_500_000, times: 1 });
      const wish = { repository: "team/app", digest, blobs: near.store.blobs, retryMs: 1 };
      await assert.rejects(downloadBlob(remote, { ...wish, onUpload: (id) => void (upload = id) }), {
        code: "upstream_unreachable",
      });
      off();
      assert.equal(await near.store.blobs.uploads.sizeOf(upload), 1_500_000);
    });
  });

  test("are refused where the bytes are others, more, silent or not there", async () => {
    await bench(async ({ far, near, remote, proxy }) => {
      await far.blob("team/app", Buffer.from(blob));
      const wish = { repository: "team/app", digest, blobs: near.store.blobs, retryMs: 1 };
      const off = proxy.fault({ match: /^GET .*\/blobs\//, corrupt: true });
      await assert.rejects(downloadBlob(remote, wish), { code: "digest_mismatch" });
      off();
      await assert.rejects(downloadBlob(remote, { ...wish, sizeBytes: 10 }), { code: "digest_mismatch" });
      const silence = proxy.fault({ match: /^GET .*\/blobs\//, stallAfterBytes: 0 });
      await assert.rejects(downloadBlob(remote, wish), { code: "upstream_unreachable", message: /no answer for/ });
      silence();
      assert.equal(await downloadBlob(remote, { ...wish, digest: digestText("none") }), undefined);
      assert.equal(await near.store.blobs.stat(digest), undefined);
      // One part was wrong and the rest right: the whole is fetched again.
      proxy.fault({ match: /^GET .*\/blobs\//, corrupt: true, cutAnswerAfterBytes: 10, times: 1 });
      assert.equal((await downloadBlob(remote, wish))?.sizeBytes, blob.length);
    });
  });
});

describe("uploads", () => {
  const blob = randomBytes(3_000_000);
  const digest = digestText(blob);

  test("ask first, mount where they can, and go in chunks that survive a break", async () => {
    await bench(async ({ far, near, remote, proxy }) => {
      await near.store.blobs.put(blob);
      const wish = { digest, sizeBytes: blob.length, blobs: near.store.blobs, chunkBytes: 1_000_000, retryMs: 1 };
      proxy.fault({ match: /^PATCH /, cutRequestAfterBytes: 400_000, times: 1 });
      proxy.fault({ match: /^PUT .*\/uploads\//, cutRequestAfterBytes: 400_000, times: 1 });
      assert.equal(await uploadBlob(remote, { ...wish, repository: "team/app" }), "sent");
      assert.deepEqual(await far.store.blobs.read(digest), blob);
      assert.ok(
        proxy.requests.some((line) => line.startsWith("GET /v2/team/app/blobs/uploads/")),
        "it asked how far it came",
      );
      assert.ok(proxy.sent() < blob.length + 1_000_000, `sent ${proxy.sent()} of ${blob.length}`);
      assert.equal(await uploadBlob(remote, { ...wish, repository: "team/app" }), "present");
      const before = proxy.sent();
      assert.equal(await uploadBlob(remote, { ...wish, repository: "team/b", mountFrom: "team/app" }), "mounted");
      assert.equal(proxy.sent(), before);
    });
  });

  test("go whole where the peer takes no chunks, and wait where it is busy", async () => {
    await bench(async ({ near, remote, proxy }) => {
      await near.store.blobs.put(blob);
      const wish = { digest, sizeBytes: blob.length, blobs: near.store.blobs, chunkBytes: 1_000_000, retryMs: 1 };
      proxy.fault({ match: /^PATCH /, status: 405 });
      proxy.fault({ match: /^POST /, status: 429, headers: { "retry-after": "0" }, times: 2 });
      assert.equal(await uploadBlob(remote, { ...wish, repository: "team/app" }), "sent");
      proxy.fault({ match: /^POST /, status: 429, headers: { "retry-after": "3600" } });
      await assert.rejects(uploadBlob(remote, { ...wish, repository: "team/b" }), { code: "rate_limited" });
    });
  });
});

describe("where a peer may send us", () => {
  test("redirects of reads are followed without credentials, and not to private addresses", async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end("hello");
    });
    const peer = await serve((request, response) => {
      if (request.headers.authorization === undefined)
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
      else response.writeHead(307, { location: `${other.url}/blob?signature=secret` }).end();
    });
    const near = await openTestRegistry();
    const credential = { username: "ada", secret: "s" };
    const wish = { repository: "a", digest: digestText("hello"), blobs: near.store.blobs };
    const strict = openRemote({ url: peer.url, credential, retryMs: 1 });
    await assert.rejects(downloadBlob(strict, wish), { code: "forbidden", message: /private address/ });
    const open = openRemote({ url: peer.url, credential, retryMs: 1, trustedHosts: [other.host] });
    assert.equal((await downloadBlob(open, wish))?.sizeBytes, 5);
    assert.deepEqual(seen, [undefined]);
    for (const one of [strict, open]) one.close();
    for (const one of [peer, other, near]) await one.close();
  });

  test("credentials go to no token service that nobody configured, nor in the clear", async () => {
    const peer = await serve((_request, response) => {
      response.writeHead(401, { "www-authenticate": 'Bearer realm="http://169.254.169.254/token"' }).end();
    });
    const remote = openRemote({ url: peer.url, credential: { username: "ada", secret: "s" } });
    await assert.rejects(remote.ping(), { code: "forbidden" });
    remote.close();
    await peer.close();
  });

  test("an address with a path or credentials is none", () => {
    for (const url of ["ftp://a.example", "https://a.example/v2", "https://ada:secret@a.example", "a.example", ""])
      assert.throws(
        () => openRemote({ url }),
        (error: Error) => !error.message.includes("secret") && /Cannot use/.test(error.message),
      );
  });
});
