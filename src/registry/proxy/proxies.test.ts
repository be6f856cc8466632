import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { shiftClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { openSecretBox } from "../../base/secret-box.ts";
import { type Digest } from "../../model/digest.ts";
import { mediaTypes } from "../../model/oci.ts";
import { findBlobLink } from "../../store/blob-link-records.ts";
import { type FaultyProxy, openFaultyProxy } from "../remote/faulty-proxy.fixture.ts";
import { openPeers, type Peers } from "../remote/peers.ts";
import { digestText, manifestText, openTestRegistry, type TestRegistry } from "../test-registry.ts";
import { openProxies, type Proxies, type ProxyProject } from "./proxies.ts";

interface Bench {
  readonly far: TestRegistry;
  readonly near: TestRegistry;
  readonly faults: FaultyProxy;
  readonly proxies: Proxies;
  readonly peers: Peers;
  /** Requests that reached the peer since the last call, without their order. */
  asked(): string[];
}

const project: ProxyProject = {
  project: "hub",
  peer: "far",
  namespace: "open",
  allowed: [],
  freshSeconds: 60,
  missingSeconds: 60,
  mirroredHost: "far.example",
};

/** A registry whose project `hub` shows what is below `open/` of another one. */
async function bench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const far = await openTestRegistry();
  const faults = await openFaultyProxy(await far.app.listen({ host: "127.0.0.1", port: 0 }));
  let peers!: Peers;
  let proxies!: Proxies;
  const near = await openTestRegistry({
    async openUpstreams(store) {
      peers = openPeers(store, await openSecretBox(join(store.dataDir, "secrets.key")));
      proxies = await openProxies({ store, peers, log: silentLog });
      return proxies.upstreams;
    },
  });
  await peers.add({ name: "far", url: faults.url }, "test");
  await proxies.set(project, "test");
  let seen = 0;
  const asked = (): string[] => {
    const lines = faults.requests.slice(seen);
    seen = faults.requests.length;
    return lines;
  };
  try {
    await work({ far, near, faults, proxies, peers, asked });
  } finally {
    await proxies.close();
    peers.close();
    await near.app.close();
    await faults.close();
    await far.close();
    await near.close();
  }
}

const path = (reference: string): string => `/v2/hub/app/manifests/${reference}`;

test("an image comes through, is kept, and is asked for again only when it is not fresh any more", async () => {
  await bench(async ({ far, near, asked, proxies }) => {
    const image = await far.image("open/app", { tag: "1", layer: "hello" });
    const first = await near.ask({ method: "GET", path: path("1") });
    assert.equal(first.status, 200);
    assert.equal(first.headers["docker-content-digest"], image.digest);
    assert.equal(
      (await near.ask({ method: "GET", path: `/v2/hub/app/blobs/${digestText("hello")}` })).bytes.toString(),
      "hello",
    );
    assert.deepEqual(
      asked().map((line) => line.split(" ")[0]),
      ["HEAD", "GET", "GET"],
    );
    assert.ok(await findBlobLink(near.store.db, "hub/app", digestText("hello")));
    for (const method of ["GET", "HEAD"] as const)
      assert.equal((await near.ask({ method, path: path("1") })).status, 200);
    assert.equal((await near.ask({ method: "GET", path: `/v2/hub/app/blobs/${digestText("hello")}` })).status, 200);
    assert.deepEqual(asked(), []);
    shiftClock(61_000);
    try {
      assert.equal((await near.ask({ method: "GET", path: path("1") })).status, 200);
      assert.deepEqual(asked(), ["HEAD /v2/open/app/manifests/1"]);
      const other = await far.image("open/app", { tag: "1", layer: "other" });
      asked();
      assert.equal((await near.ask({ method: "GET", path: path("1") })).headers["docker-content-digest"], image.digest);
      shiftClock(61_000);
      assert.equal((await near.ask({ method: "GET", path: path("1") })).headers["docker-content-digest"], other.digest);
      assert.equal((await near.ask({ method: "GET", path: path(image.digest) })).status, 200, "the older one stays");
    } finally {
      shiftClock(-122_000);
    }
    assert.equal(proxies.counts().fetchedBytes, 5);
  });
});

test("an index brings its children when they are asked for, and a signature its tag and referrer", async () => {
  await bench(async ({ far, near, asked }) => {
    const child = await far.image("open/app", { layer: "child" });
    const bytes = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [child] });
    const headers = { "content-type": mediaTypes.index };
    await far.ask({ method: "PUT", path: "/v2/open/app/manifests/multi", body: bytes, headers });
    const referrer = manifestText({ layers: [], subject: child, artifactType: "a/b" });
    await far.ask({
      method: "PUT",
      path: `/v2/open/app/manifests/${digestText(referrer)}`,
      body: referrer,
      headers: { "content-type": mediaTypes.manifest },
    });
    const index = await near.ask({ method: "GET", path: path("multi") });
    assert.equal(index.headers["content-type"], mediaTypes.index);
    assert.equal(index.bytes.toString(), bytes);
    assert.equal((await near.ask({ method: "GET", path: path(child.digest) })).status, 200);
    const listed = (await near.ask({ method: "GET", path: `/v2/hub/app/referrers/${child.digest}` })).json() as {
      manifests: { digest: string }[];
    };
    assert.deepEqual(
      listed.manifests.map(({ digest }) => digest),
      [digestText(referrer)],
    );
    assert.equal((await near.ask({ method: "GET", path: path(digestText(referrer)) })).bytes.toString(), referrer);
    assert.deepEqual((await near.ask({ method: "GET", path: "/v2/hub/app/tags/list" })).json(), {
      name: "hub/app",
      tags: ["multi"],
    });
    asked();
    await near.ask({ method: "GET", path: `/v2/hub/app/referrers/${child.digest}` });
    assert.deepEqual(asked(), []);
  });
});

describe("when the upstream fails", () => {
  test("what is there is served as stale, what is not is 502, and nobody waits twice", async () => {
    await bench(async ({ far, near, faults, asked }) => {
      const image = await far.image("open/app", { tag: "1" });
      await near.ask({ method: "GET", path: path("1") });
      shiftClock(120_000);
      try {
        const off = faults.fault({ match: /./, status: 503 });
        const stale = await near.ask({ method: "GET", path: path("1") });
        assert.equal(stale.status, 200);
        assert.equal(stale.headers["docker-content-digest"], image.digest);
        assert.match(stale.headers["warning"] ?? "", /^110 /);
        assert.equal(stale.headers["age"], "120");
        asked();
        const bad = await near.ask({ method: "GET", path: path("2") });
        assert.equal(bad.status, 502);
        assert.ok(bad.headers["retry-after"]);
        assert.deepEqual(asked(), [], "the peer failed a moment ago");
        off();
        shiftClock(6000);
        assert.equal((await near.ask({ method: "GET", path: path("2") })).status, 404);
        shiftClock(-6000);
      } finally {
        shiftClock(-120_000);
      }
    });
  });

  test("too many requests are told on, and the peer is left alone as long as it wants", async () => {
    await bench(async ({ far, near, faults, asked }) => {
      await far.image("open/app", { tag: "1" });
      const off = faults.fault({ match: /./, status: 429, headers: { "retry-after": "600" } });
      const told = await near.ask({ method: "GET", path: path("1") });
      assert.equal(told.status, 429);
      assert.equal(told.headers["retry-after"], "600");
      off();
      asked();
      assert.equal((await near.ask({ method: "GET", path: path("1") })).status, 429);
      assert.deepEqual(asked(), []);
    });
  });

  test("what it does not have or hides is 404, remembered for a while, and a tag that is gone goes here too", async () => {
    await bench(async ({ far, near, faults, asked }) => {
      await far.image("open/app", { tag: "1" });
      for (let count = 0; count < 3; count++) {
        const told = await near.ask({ method: "GET", path: path("none") });
        assert.deepEqual([told.status, told.code()], [404, "MANIFEST_UNKNOWN"]);
      }
      assert.deepEqual(asked(), ["HEAD /v2/open/app/manifests/none"]);
      const off = faults.fault({ match: /manifests\/hidden/, status: 401 });
      assert.equal((await near.ask({ method: "GET", path: path("hidden") })).status, 404);
      off();
      assert.equal((await near.ask({ method: "GET", path: path("1") })).status, 200);
      await far.ask({ method: "DELETE", path: "/v2/open/app/manifests/1" });
      shiftClock(61_000);
      try {
        assert.equal((await near.ask({ method: "GET", path: path("1") })).status, 404);
      } finally {
        shiftClock(-61_000);
      }
      const digest = digestText("nowhere");
      asked();
      for (let count = 0; count < 2; count++)
        assert.equal((await near.ask({ method: "GET", path: `/v2/hub/app/blobs/${digest}` })).code(), "BLOB_UNKNOWN");
      assert.deepEqual(asked(), [`GET /v2/open/app/blobs/${digest}`]);
    });
  });
});

describe("blobs flow through", () => {
  const blob = randomBytes(4_000_000);
  const digest = digestText(blob);
  const blobPath = `/v2/hub/app/blobs/${digest}`;

  test("with one download for however many clients, who get the first bytes before the last have come", async () => {
    await bench(async ({ far, near, faults, asked }) => {
      await far.blob("open/app", Buffer.from(blob));
      faults.fault({ match: /^GET .*\/blobs\//, cutAnswerAfterBytes: 3_000_000, times: 1 });
      const all = await Promise.all(Array.from({ length: 8 }, () => near.ask({ method: "GET", path: blobPath })));
      for (const told of all) assert.ok(told.bytes.equals(blob));
      assert.equal(asked().filter((line) => line.startsWith("GET")).length, 2, "one download, taken up once");
      assert.equal(faults.received(), blob.length);
      const part = await near.ask({ method: "GET", path: blobPath, headers: { range: "bytes=10-19" } });
      assert.deepEqual([part.status, part.bytes.equals(blob.subarray(10, 20))], [206, true]);
    });
  });

  test("a part or a look before the whole is there", async () => {
    await bench(async ({ far, near, asked }) => {
      await far.blob("open/app", Buffer.from(blob));
      const look = await near.ask({ method: "HEAD", path: blobPath });
      assert.deepEqual([look.status, look.headers["content-length"]], [200, String(blob.length)]);
      assert.deepEqual(asked(), [`HEAD /v2/open/app/blobs/${digest}`]);
      const part = await near.ask({ method: "GET", path: blobPath, headers: { range: "bytes=-5" } });
      assert.deepEqual([part.status, part.bytes.equals(blob.subarray(-5))], [206, true]);
    });
  });

  test("a client that goes away stops nothing", async () => {
    await bench(async ({ far, near }) => {
      await far.blob("open/app", Buffer.from(blob));
      const url = await near.app.listen({ host: "127.0.0.1", port: 0 });
      const leaving = new AbortController();
      const answer = await fetch(url + blobPath, { headers: { authorization: "Test admin" }, signal: leaving.signal });
      await answer.body?.getReader().read();
      leaving.abort();
      for (let tries = 0; (await near.store.blobs.stat(digest)) === undefined; tries++) {
        assert.ok(tries < 100, "the download ends without its client");
        await wait(20);
      }
    });
  });

  test("wrong bytes never arrive whole and are not kept", async () => {
    await bench(async ({ far, near, faults }) => {
      await far.blob("open/app", Buffer.from(blob));
      const url = await near.app.listen({ host: "127.0.0.1", port: 0 });
      faults.fault({ match: /^GET .*\/blobs\//, corrupt: true });
      const answer = await fetch(url + blobPath, { headers: { authorization: "Test admin" } });
      await assert.rejects(async () => {
        if (answer.status !== 200) throw new Error(`status ${answer.status}`);
        return await answer.arrayBuffer();
      });
      assert.equal(await near.store.blobs.stat(digest), undefined);
      assert.equal(await findBlobLink(near.store.db, "hub/app", digest), undefined);
    });
  });

  test("what others have in the store is not opened by its digest alone", async () => {
    await bench(async ({ near }) => {
      await near.blob("own/secret", Buffer.from(blob));
      assert.equal((await near.ask({ method: "GET", path: blobPath })).status, 404);
      assert.equal((await near.ask({ method: "HEAD", path: `/v2/hub/other/blobs/${digest}` })).status, 404);
    });
  });
});

describe("a blob of a private project that a manifest from elsewhere names", () => {
  const secret = "what only the private project may read";
  const digest = digestText(secret);
  const blobPath = `/v2/hub/app/blobs/${digest}`;

  /** The far image names a layer that is in the store of the near registry, where `hub` has no right to it. */
  async function named(work: (bench: Bench, imageDigest: Digest) => Promise<void>): Promise<void> {
    await bench(async (all) => {
      const image = await all.far.image("open/app", { tag: "1", layer: secret });
      await all.near.blob("own/secret", secret);
      assert.equal((await all.near.ask({ method: "GET", path: path("1") })).status, 200);
      await work(all, image.digest as Digest);
    });
  }

  for (const [title, fault] of [
    ["but its registry does not have", { status: 404 }],
    ["but its registry refuses", { status: 403 }],
    ["while its registry is down", { status: 503 }],
  ] as const)
    test(`${title} is neither given out nor linked`, async () => {
      await named(async ({ near, faults, proxies }, imageDigest) => {
        faults.fault({ match: /\/blobs\//, ...fault });
        for (const method of ["HEAD", "GET"] as const) {
          const told = await near.ask({ method, path: blobPath });
          assert.ok([404, 502].includes(told.status), String(told.status));
          assert.ok(!told.bytes.includes(secret));
        }
        // A registry that is down is asked again for a while.
        if (fault.status !== 503) await assert.rejects(proxies.fetchWhole("hub/app", imageDigest));
        assert.equal(await findBlobLink(near.store.db, "hub/app", digest), undefined);
      });
    });

  test("is linked without its bytes once its registry says that it has it, in the same size", async () => {
    await named(async ({ near, faults, asked }) => {
      asked();
      const off = faults.fault({ match: /^HEAD .*\/blobs\//, status: 200, headers: { "content-length": "7" } });
      assert.equal((await near.ask({ method: "HEAD", path: blobPath })).headers["content-length"], "7");
      assert.equal(await findBlobLink(near.store.db, "hub/app", digest), undefined);
      off();
      asked();
      assert.equal((await near.ask({ method: "GET", path: blobPath })).bytes.toString(), secret);
      assert.deepEqual(asked(), [`HEAD /v2/open/app/blobs/${digest}`]);
    });
  });
});

test("nothing is pushed into a proxy cache; what is not allowed does not come through; a mirror is found by its host", async () => {
  await bench(async ({ far, near, proxies, peers }) => {
    const image = await far.image("open/app", { tag: "1" });
    const push = await near.ask({ method: "POST", path: "/v2/hub/app/blobs/uploads/" });
    assert.deepEqual([push.status, push.code()], [405, "UNSUPPORTED"]);
    const mirrored = await near.ask({ method: "GET", path: "/v2/open/app/manifests/1?ns=far.example" });
    assert.equal(mirrored.headers["docker-content-digest"], image.digest);
    assert.equal(mirrored.headers["oci-namespace"], "far.example");
    await mirroredWithoutChoice({ near, proxies, peers });
    await proxies.set({ ...project, allowed: ["open/base/**"] }, "test");
    assert.equal((await near.ask({ method: "GET", path: path("1") })).code(), "DENIED");
    await assert.rejects(peers.remove("far", "test"), { code: "conflict" });
    await assert.rejects(proxies.set({ ...project, peer: "none" }, "test"), { code: "not_found" });
    await assert.rejects(proxies.set({ ...project, allowed: ["{"] }, "test"), { code: "usage" });
    assert.equal(await proxies.remove("hub", "test"), true);
    assert.equal((await near.ask({ method: "GET", path: path("1") })).status, 200, "what was fetched stays");
    assert.equal((await near.ask({ method: "POST", path: "/v2/hub/app/blobs/uploads/" })).status, 202);
  });
});

/** A project without a chosen host stands for that of its peer; whoever names it in the path gets what is there. */
async function mirroredWithoutChoice({
  near,
  proxies,
  peers,
}: Pick<Bench, "near" | "proxies" | "peers">): Promise<void> {
  const ask = async (name: string, host: string): Promise<number> =>
    (await near.ask({ method: "GET", path: `/v2/${name}/manifests/1?ns=${host}` })).status;
  const host = new URL((await peers.get("far")).url).host;
  await proxies.set({ ...project, mirroredHost: undefined }, "test");
  assert.equal(await ask("open/app", host), 200);
  assert.equal(await ask("hub/app", host), 200);
  assert.equal(await ask("open/app", "other.example"), 404);
  assert.equal(await ask("app", host), 404, "another namespace is not ours to answer for");
  await proxies.set({ ...project, project: "whole", namespace: "", mirroredHost: undefined }, "test");
  assert.equal(await ask("open/app", host), 200);
  await proxies.remove("whole", "test");
}

test("an image is fetched whole for those who have to look into it", async () => {
  await bench(async ({ far, near, proxies }) => {
    const image = await far.image("open/app", { tag: "1", layer: "hello" });
    await proxies.fetchWhole("hub/app", image.digest);
    assert.ok(await findBlobLink(near.store.db, "hub/app", digestText("hello")));
    await assert.rejects(proxies.fetchWhole("hub/app", digestText("none")), { code: "not_found" });
    await proxies.fetchWhole("own/app", digestText("none"));
  });
});
