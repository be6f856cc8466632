import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { type ServerResponse } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { shiftClock } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { mirroredBlobs } from "../store/mirror-blob-records.ts";
import { isBlobNamed } from "../store/collection-records.ts";
import { searchEvents } from "../store/event-search-records.ts";
import { findMirrorEntry } from "../store/mirror-entry-records.ts";
import { type Mirror, type MirrorPolicy, type NewMirrorRepository } from "./mirror.ts";
import { tiny } from "./test-format.ts";
import { openTestMirror, startUpstream, type TestMirror, type TestUpstream } from "./test-mirror.ts";

const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");

interface Ground {
  readonly upstream: TestUpstream;
  readonly site: TestMirror;
  /** Makes a proxy "p" of the upstream. */
  proxy(settings?: Partial<NewMirrorRepository>): Promise<void>;
  /** Puts a package with one version onto the upstream. */
  offer(name: string, version: string, bytes: Buffer | string): void;
}

async function withGround(work: (ground: Ground) => Promise<void>, options: Parameters<typeof openTestMirror>[1] = {}) {
  const upstream = await startUpstream();
  const site = await openTestMirror([tiny], { idleMs: 400, ...options });
  try {
    await work({
      upstream,
      site,
      proxy: async (settings = {}) => {
        await site.mirror.create(
          { name: "p", format: "raw", kind: "proxy", upstream: upstream.url, ...settings },
          "admin",
        );
      },
      offer(name, version, bytes) {
        upstream.routes.set(`/pkg/${name}.json`, listing(name, { [version]: bytes }));
        upstream.routes.set(`/file/${name}/${version}`, bytes);
      },
    });
  } finally {
    await site.close();
    await upstream.close();
  }
}

function listing(name: string, versions: Readonly<Record<string, Buffer | string>>): string {
  const known = Object.entries(versions).map(([version, bytes]) => [version, { sha256: sha256(bytes) }]);
  return JSON.stringify({ name, versions: Object.fromEntries(known) as unknown });
}

function asked(upstream: TestUpstream, path: string): number {
  return upstream.requests.filter((one) => one.endsWith(` ${path}`)).length;
}

async function publish(mirror: Mirror, repository: string, [name, version, text]: readonly [string, string, string]) {
  const answer = await mirror.write({
    method: "PUT",
    repository,
    path: `file/${name}/${version}`,
    query: new URLSearchParams(),
    headers: {},
    body: Readable.from([Buffer.from(text)]),
    base: `http://mirror.test/mirror/${repository}`,
    actor: "admin",
  });
  return answer.status;
}

async function countEvents({ store }: TestMirror, action: string): Promise<number> {
  return (await searchEvents(store.db, { action }, { newestFirst: true, limit: 100 })).events.length;
}

/** Turns the clock while `work` runs. */
async function later(seconds: number, work: () => Promise<void>): Promise<void> {
  shiftClock(seconds * 1000);
  try {
    await work();
  } finally {
    shiftClock(-seconds * 1000);
  }
}

test("a file is fetched once however many ask, and a hit asks nobody", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    const bytes = randomBytes(3_000_000);
    offer("a", "1", bytes);
    upstream.routes.set("/file/a/1", (_request, response) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 1_000_000));
      setTimeout(() => response.end(bytes.subarray(1_000_000)), 30);
    });
    await proxy();
    const all = await Promise.all(Array.from({ length: 100 }, async () => await site.get("p", "file/a/1")));
    for (const got of all) assert.ok(got.status === 200 && got.bytes.equals(bytes));
    assert.equal(asked(upstream, "/file/a/1"), 1);
    assert.equal(asked(upstream, "/pkg/a.json"), 1);
    const { exchange } = all[0]!;
    assert.deepEqual(exchange, {
      repository: "p",
      format: "raw",
      key: "file/a/1",
      status: 200,
      outcome: "fetched",
      digest: `sha256:${sha256(bytes)}`,
      sizeBytes: bytes.length,
      mediaType: "application/octet-stream",
      url: `${upstream.url}file/a/1`,
      claim: { algorithm: "sha256", value: sha256(bytes), state: "verified" },
      subject: { name: "a", version: "1" },
      purl: "pkg:generic/a@1",
    });
    const before = upstream.requests.length;
    const hit = await site.get("p", "file/a/1");
    assert.deepEqual(hit.exchange, { ...exchange, outcome: "hit" });
    assert.equal(upstream.requests.length, before);
    assert.equal(hit.headers["cache-control"], "private, max-age=31536000, immutable");
  });
});

test("documents are fetched and rendered once, compressed once, with ETags of our own", async () => {
  await withGround(async ({ upstream, site, proxy }) => {
    const versions = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`1.${index}`, "x"]));
    upstream.routes.set(
      "/pkg/a.json",
      (_request, response) =>
        void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(listing("a", versions))),
    );
    await proxy();
    const all = await Promise.all(Array.from({ length: 50 }, async () => await site.get("p", "pkg/a.json")));
    assert.equal(asked(upstream, "/pkg/a.json"), 1);
    assert.equal(site.mirror.counts().renderings, 1);
    const { text, headers } = all[49]!;
    assert.equal((JSON.parse(text) as { base: string }).base, "http://mirror.test/mirror/p");
    const packed = await site.get("p", "pkg/a.json", { headers: { "accept-encoding": "br;q=1, gzip" } });
    assert.equal(packed.headers["content-encoding"], "gzip");
    assert.equal(gunzipSync(packed.bytes).toString(), text);
    assert.notEqual(packed.headers["etag"], headers["etag"]);
    const same = await site.get("p", "pkg/a.json", { headers: { "if-none-match": headers["etag"]! } });
    assert.deepEqual([same.status, same.bytes.length], [304, 0]);
    const head = await site.get("p", "pkg/a.json", { method: "HEAD" });
    assert.deepEqual([head.status, head.headers["content-length"], head.bytes.length], [200, String(text.length), 0]);
    const part = await site.get("p", "pkg/a.json", { headers: { range: "bytes=2-5", "accept-encoding": "gzip" } });
    assert.deepEqual(
      [part.status, part.text, part.headers["content-range"]],
      [206, text.slice(2, 6), `bytes 2-5/${text.length}`],
    );
    const beyond = await site.get("p", "pkg/a.json", { headers: { range: "bytes=9999999-" } });
    assert.equal(beyond.status, 416);
    const other = await site.get("p", "pkg/a.json", { base: "http://other/mirror/p" });
    assert.equal((JSON.parse(other.text) as { base: string }).base, "http://other/mirror/p");
    assert.equal(site.mirror.counts().renderings, 2);
    assert.equal(asked(upstream, "/pkg/a.json"), 1);
  });
});

test("bytes that are not what was promised never arrive whole and are never kept", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    offer("small", "1", "right");
    upstream.routes.set("/file/small/1", "wrong");
    const large = randomBytes(2_000_000);
    offer("large", "1", large);
    const poisoned = Buffer.from(large);
    poisoned[1_999_999]! ^= 1;
    upstream.routes.set("/file/large/1", poisoned);
    await proxy();
    const small = await site.get("p", "file/small/1");
    assert.equal(small.status, 502);
    assert.match(small.text, new RegExp(`${sha256("wrong")}.*${sha256("right")}.*digest_mismatch`));
    const got = await site.get("p", "file/large/1");
    assert.ok(got.status === 502 || (got.broken !== undefined && got.bytes.length < large.length));
    assert.equal(got.exchange.outcome, "failed");
    for (const bytes of ["wrong", poisoned])
      assert.equal(await site.store.blobs.stat(`sha256:${sha256(bytes)}`), undefined);
    assert.deepEqual(await readdir(join(site.folder, "blobs", "uploads")), []);
    assert.equal(await countEvents(site, "mirror.mismatch"), 2);
    offer("small", "1", "right");
    assert.equal((await site.get("p", "file/small/1")).text, "right");
  });
});

test("a body that breaks off is taken up again, or nothing of it is kept", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    const bytes = randomBytes(1_000_000);
    offer("a", "1", bytes);
    upstream.routes.set("/file/a/1", (request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(from === 0 ? 200 : 206, {
        "content-length": bytes.length - from,
        ...(from === 0 ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
      });
      if (from > 0) return void response.end(bytes.subarray(from));
      response.write(bytes.subarray(0, 400_000), () => setTimeout(() => response.destroy(), 20));
    });
    upstream.routes.set("/mutable/b", (_request, response) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write("x".repeat(400), () => setTimeout(() => response.destroy(), 20));
    });
    await proxy();
    assert.ok((await site.get("p", "file/a/1")).bytes.equals(bytes));
    assert.equal(asked(upstream, "/file/a/1"), 2);
    const broken = await site.get("p", "mutable/b");
    assert.equal(broken.status, 502);
    assert.deepEqual(await readdir(join(site.folder, "blobs", "uploads")), []);
  });
});

test("an upstream that falls silent ends in an answer, and one that is slow in what is here", async () => {
  await withGround(
    async ({ upstream, site, proxy }) => {
      upstream.routes.set(
        "/mutable/silent",
        (_request, response) => void response.writeHead(200, { "content-length": 9 }).write("x"),
      );
      await proxy({ metadataSeconds: 0 });
      assert.equal((await site.get("p", "mutable/silent")).status, 502);
      await later(60, async () => {
        upstream.routes.set("/mutable/slow", "first");
        assert.equal((await site.get("p", "mutable/slow")).text, "first");
        upstream.routes.set(
          "/mutable/slow",
          (_request, response) => void setTimeout(() => response.end("second"), 250),
        );
        const stale = await site.get("p", "mutable/slow");
        assert.deepEqual([stale.text, stale.exchange.outcome], ["first", "stale"]);
        await new Promise((resolve) => setTimeout(resolve, 350));
        upstream.routes.set("/mutable/slow", (_request, response) => void response.writeHead(500).end());
        assert.equal((await site.get("p", "mutable/slow")).text, "second");
      });
    },
    { patienceMs: 60 },
  );
});

test("only 404 and 410 are remembered as a no, and not for long", async () => {
  await withGround(async ({ upstream, site, proxy }) => {
    await proxy();
    for (const path of ["file/none/1", "mutable/none", "pkg/none.json"]) {
      assert.equal((await site.get("p", path)).status, 404, path);
      const before = upstream.requests.length;
      const again = await site.get("p", path);
      assert.deepEqual([again.status, again.exchange.outcome], [404, "missing"]);
      assert.equal(upstream.requests.length, before, path);
    }
    upstream.routes.set("/mutable/none", "here now");
    await later(61, async () => assert.equal((await site.get("p", "mutable/none")).text, "here now"));
    upstream.routes.set("/mutable/denied", (_request, response) => void response.writeHead(403).end());
    assert.equal((await site.get("p", "mutable/denied")).status, 502);
    upstream.routes.set("/mutable/denied", "open");
    assert.equal((await site.get("p", "mutable/denied")).text, "open");
  });
});

test("what may change is asked for anew with the upstream's validators", async () => {
  await withGround(async ({ upstream, site, proxy }) => {
    let body = listing("a", { "1": "x" });
    const route = (request: { headers: Record<string, unknown> }, response: ServerResponse): void => {
      const etag = `"${sha256(body)}"`;
      if (request.headers["if-none-match"] === etag) response.writeHead(304).end();
      else response.writeHead(200, { etag }).end(body);
    };
    upstream.routes.set("/pkg/a.json", route as never);
    upstream.routes.set("/mutable/m", route as never);
    await proxy();
    const first = await site.get("p", "pkg/a.json");
    await site.get("p", "mutable/m");
    await later(301, async () => {
      const second = await site.get("p", "pkg/a.json");
      assert.equal(second.headers["etag"], first.headers["etag"]);
      assert.equal(second.exchange.outcome, "hit");
      assert.equal((await site.get("p", "mutable/m")).exchange.outcome, "hit");
      assert.equal(upstream.headers.at(-1)!["if-none-match"], `"${sha256(body)}"`);
      assert.equal(site.mirror.counts().renderings, 1);
    });
    body = listing("a", { "1": "x", "2": "y" });
    await later(700, async () => {
      assert.match((await site.get("p", "pkg/a.json")).text, /"2"/);
      assert.equal((await site.get("p", "mutable/m")).text, body);
      assert.equal(site.mirror.counts().renderings, 2);
    });
  });
});

test("while the upstream fails what is here is given out, with a warning and within its time", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    offer("a", "1", "x");
    upstream.routes.set("/mutable/m", "m");
    await proxy({ staleSeconds: 3600 });
    await site.get("p", "pkg/a.json");
    await site.get("p", "mutable/m");
    upstream.routes.set("/pkg/a.json", (_request, response) => void response.writeHead(500).end());
    upstream.routes.set("/mutable/m", (_request, response) => void response.writeHead(500).end());
    await later(400, async () => {
      for (const path of ["pkg/a.json", "mutable/m"]) {
        const stale = await site.get("p", path);
        assert.deepEqual([stale.status, stale.exchange.outcome], [200, "stale"], path);
        assert.match(stale.headers["warning"]!, /^110 - "Response is stale/);
      }
    });
    await later(5000, async () => {
      for (const path of ["pkg/a.json", "mutable/m"])
        assert.ok([502, 503].includes((await site.get("p", path)).status), path);
    });
  });
});

test("an upstream that is down rests for longer and longer, and is asked again by one request", async () => {
  await withGround(async ({ upstream, site, proxy }) => {
    await proxy();
    upstream.routes.set(
      "/mutable/busy",
      (_request, response) => void response.writeHead(429, { "retry-after": "30" }).end(),
    );
    assert.equal((await site.get("p", "mutable/busy")).status, 503);
    const before = upstream.requests.length;
    const resting = await site.get("p", "mutable/other");
    assert.equal(resting.status, 503);
    assert.ok(Number(resting.headers["retry-after"]) <= 30);
    assert.equal(upstream.requests.length, before);
    await later(31, async () => {
      upstream.routes.set("/mutable/other", (_request, response) => void setTimeout(() => response.end("back"), 50));
      const all = await Promise.all(
        ["mutable/other", "mutable/x", "mutable/y"].map(async (path) => await site.get("p", path)),
      );
      assert.deepEqual(
        all.map(({ status }) => status),
        [200, 503, 503],
      );
      assert.equal((await site.get("p", "mutable/x")).status, 404);
    });
  });
});

test("offline nothing is asked and everything here is given out, however old", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    offer("a", "1", "x");
    await proxy();
    await site.get("p", "pkg/a.json");
    await site.get("p", "file/a/1");
    await site.mirror.change("p", { isOffline: true }, "admin");
    const before = upstream.requests.length;
    await later(10_000_000, async () => {
      assert.equal((await site.get("p", "pkg/a.json")).status, 200);
      assert.equal((await site.get("p", "pkg/a.json", { base: "http://new/mirror/p" })).status, 200);
      assert.equal((await site.get("p", "file/a/1")).text, "x");
      const missing = await site.get("p", "file/a/2");
      assert.equal(missing.status, 404);
      assert.match(missing.text, /offline/);
    });
    assert.equal(upstream.requests.length, before);
    await site.mirror.change("p", { isOffline: false }, "admin");
    const reopened = await site.reopen({ isOffline: true });
    assert.equal((await reopened.get("p", "file/a/1")).text, "x");
    assert.equal(upstream.requests.length, before);
    await reopened.mirror.close();
  });
});

test("redirects are followed, but not to private addresses, and without credentials elsewhere", async () => {
  const other = await startUpstream();
  await withGround(async ({ upstream, site, proxy }) => {
    other.routes.set("/there", "elsewhere");
    const elsewhere = other.url.replace("127.0.0.1", "localhost");
    upstream.routes.set(
      "/mutable/away",
      (_request, response) => void response.writeHead(302, { location: `${elsewhere}there` }).end(),
    );
    upstream.routes.set(
      "/mutable/round",
      (_request, response) => void response.writeHead(302, { location: "/mutable/round" }).end(),
    );
    upstream.routes.set(
      "/mutable/moved",
      (_request, response) => void response.writeHead(301, { location: "/mutable/new" }).end(),
    );
    upstream.routes.set("/mutable/new", "new");
    await proxy({ upstream: upstream.url.replace("//", "//user:pass%20word@") });
    const refused = await site.get("p", "mutable/away");
    assert.equal(refused.status, 502);
    assert.match(refused.text, /private address/);
    assert.equal(other.requests.length, 0);
    assert.match((await site.get("p", "mutable/round")).text, /redirects/);
    const moved = await site.get("p", "mutable/moved");
    assert.equal(moved.text, "new");
    assert.equal(moved.exchange.url, `${upstream.url}mutable/new`);
    assert.equal(upstream.headers[0]!.authorization, `Basic ${Buffer.from("user:pass word").toString("base64")}`);
    assert.equal(upstream.headers[0]!["accept-encoding"], "identity");
    assert.deepEqual((await site.mirror.get("p"))!.upstream, upstream.url);
    await site.mirror.change("p", { allowPrivate: true }, "admin");
    assert.equal((await site.get("p", "mutable/away")).text, "elsewhere");
    assert.equal(other.headers[0]!.authorization, undefined);
    await site.get("p", "mutable/again");
    assert.notEqual(upstream.headers.at(-1)!.authorization, undefined);
    await site.mirror.change("p", { upstream: other.url }, "admin");
    await site.get("p", "mutable/again");
    assert.equal(other.headers.at(-1)!.authorization, undefined);
  });
  await other.close();
});

test("HEAD and ranges of what is not here", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    const bytes = randomBytes(300_000);
    offer("a", "1", bytes);
    await proxy();
    const head = await site.get("p", "file/a/1", { method: "HEAD" });
    assert.deepEqual([head.status, head.headers["content-length"]], [200, "300000"]);
    assert.equal(upstream.requests.at(-1), "HEAD /file/a/1");
    assert.equal((await site.get("p", "file/none/1", { method: "HEAD" })).status, 404);
    const part = await site.get("p", "file/a/1", { headers: { range: "bytes=-100" } });
    assert.equal(part.status, 206);
    assert.ok(part.bytes.equals(bytes.subarray(-100)));
    const { etag } = (await site.get("p", "file/a/1")).headers;
    const other = await site.get("p", "file/a/1", { headers: { range: "bytes=0-9", "if-range": '"other"' } });
    assert.deepEqual([other.status, other.bytes.length], [200, 300_000]);
    assert.equal((await site.get("p", "file/a/1", { headers: { "if-none-match": `W/${etag}, "x"` } })).status, 304);
    assert.equal((await site.get("p", "file/a/1", { method: "HEAD" })).headers["content-length"], "300000");
  });
});

test("the upstream's date is kept, for clients that know no other validator", async () => {
  await withGround(async ({ upstream, site, proxy }) => {
    const modified = "Tue, 01 Jul 2025 10:00:00 GMT";
    upstream.routes.set(
      "/mutable/m",
      (_request, response) => void response.writeHead(200, { "last-modified": modified }).end("dated"),
    );
    await proxy();
    await site.get("p", "mutable/m");
    const got = await site.get("p", "mutable/m");
    assert.equal(got.headers["last-modified"], modified);
    assert.equal((await site.get("p", "mutable/m", { headers: { "if-modified-since": modified } })).status, 304);
    const later = { "if-modified-since": "Wed, 02 Jul 2025 10:00:00 GMT" };
    assert.equal((await site.get("p", "mutable/m", { headers: later })).status, 200);
    const part = await site.get("p", "mutable/m", { headers: { range: "bytes=1-2", "if-range": modified } });
    assert.deepEqual([part.status, part.text], [206, "at"]);
  });
});

test("what a document vouches for is fetched anew when the document says so", async () => {
  await withGround(async ({ upstream, site, proxy }) => {
    const say = (text: string): void => {
      upstream.routes.set("/sums.json", JSON.stringify({ "vouched/v": sha256(text) }));
      upstream.routes.set("/vouched/v", text);
    };
    say("one");
    await proxy();
    assert.equal((await site.get("p", "vouched/v")).text, "one");
    const before = upstream.requests.length;
    assert.equal((await site.get("p", "vouched/v")).exchange.outcome, "hit");
    assert.equal(upstream.requests.length, before);
    say("two");
    await later(400, async () => assert.equal((await site.get("p", "vouched/v")).text, "two"));
  });
});

test("a publication shows whole, in its repository and in groups, and names that are ours are never asked for", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    const { mirror } = site;
    await proxy();
    await mirror.create({ name: "h", format: "raw", kind: "hosted" }, "admin");
    await mirror.create(
      { name: "g", format: "raw", kind: "group", members: ["p", "h"], reserved: ["acme-*"] },
      "admin",
    );
    offer("common", "1", "from upstream");
    assert.match((await site.get("g", "pkg/common.json")).text, /"1"/);
    assert.equal((await site.get("g", "file/common/1")).text, "from upstream");
    assert.equal(await publish(mirror, "h", ["ours", "1", "mine"]), 201);
    assert.equal(await publish(mirror, "h", ["ours", "1", "other"]), 409);
    assert.equal(await publish(mirror, "p", ["ours", "1", "mine"]), 405);
    const before = upstream.requests.length;
    for (const repository of ["h", "g"]) {
      assert.match((await site.get(repository, "pkg/ours.json")).text, /"1"/);
      const got = await site.get(repository, "file/ours/1");
      assert.deepEqual([got.text, got.exchange.url], ["mine", undefined]);
      assert.equal((await site.get(repository, "file/ours/2")).status, 404);
    }
    for (const repository of ["g", "p"])
      for (const path of ["file/ours/9", "pkg/acme-secret.json", "file/acme-secret/1"])
        assert.equal((await site.get(repository, path)).status, 404);
    assert.equal((await site.get("p", "pkg/ours.json")).status, 404);
    assert.equal(upstream.requests.length, before);
    // What was the upstream's until now becomes ours with the first publication.
    assert.equal(await publish(mirror, "h", ["common", "7", "taken over"]), 201);
    assert.deepEqual(
      Object.keys((JSON.parse((await site.get("g", "pkg/common.json")).text) as { versions: object }).versions),
      ["7"],
    );
    await mirror.change("g", { shared: ["common"] }, "admin");
    assert.deepEqual(
      Object.keys((JSON.parse((await site.get("g", "pkg/common.json")).text) as { versions: object }).versions).sort(),
      ["1", "7"],
    );
    const parallel = await Promise.all(
      Array.from({ length: 10 }, async (_, n) => await publish(mirror, "h", ["many", `${n}`, `${n}`])),
    );
    assert.deepEqual(new Set(parallel), new Set([201]));
    assert.equal(
      Object.keys((JSON.parse((await site.get("g", "pkg/many.json")).text) as { versions: object }).versions).length,
      10,
    );
    assert.equal(await countEvents(site, "mirror.published"), 12);
  });
});

test("versions that policy keeps back are not there, in documents and as files that are here already", async () => {
  let generation = "";
  const policy: MirrorPolicy = {
    generation: () => generation,
    judge: async ({ facts, name }) => ({
      withheld: new Map(
        name === "bad"
          ? [["*", "known to be bad"]]
          : (facts?.versions ?? []).slice(1).map(({ version }) => [version, "too new"]),
      ),
      until: undefined,
      generation,
    }),
  };
  await withGround(
    async ({ upstream, site, proxy, offer }) => {
      upstream.routes.set("/pkg/a.json", listing("a", { "1": "x", "2": "y" }));
      upstream.routes.set("/file/a/1", "x");
      upstream.routes.set("/file/a/2", "y");
      offer("bad", "1", "z");
      await proxy();
      assert.match((await site.get("p", "pkg/a.json")).text, /"2"/);
      assert.equal((await site.get("p", "file/a/2")).status, 200);
      generation = "strict";
      assert.doesNotMatch((await site.get("p", "pkg/a.json")).text, /"2"/);
      const denied = await site.get("p", "file/a/2");
      assert.deepEqual([denied.status, denied.text, denied.exchange.outcome], [403, "too new", "denied"]);
      assert.equal((await site.get("p", "file/a/1")).text, "x");
      for (const path of ["pkg/bad.json", "file/bad/1"]) assert.equal((await site.get("p", path)).status, 403);
      assert.equal(asked(upstream, "/file/bad/1"), 0);
      generation = "";
      assert.match((await site.get("p", "pkg/a.json")).text, /"2"/);
    },
    { policy },
  );
});

test("a name of another package is no excuse: unreadable metadata is an answer, and old metadata stays", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    upstream.routes.set("/pkg/bad.json", "<html>");
    await proxy();
    assert.equal((await site.get("p", "pkg/bad.json")).status, 502);
    assert.equal((await site.get("p", "../x")).status, 400);
    assert.equal((await site.get("p", "a//b")).status, 400);
    assert.equal((await site.get("p", "%2e%2E/b")).status, 400);
    assert.equal((await site.get("p", "what")).status, 404);
    assert.equal((await site.get("p", "ping")).text, "at http://mirror.test/mirror/p");
    offer("a", "1", "x");
    await site.get("p", "pkg/a.json");
    await site.mirror.change("p", { metadataSeconds: 0 }, "admin");
  });
});

test("what the mirror names is kept, what it lost is fetched again, and a quota is kept to", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    offer("a", "1", "x");
    offer("b", "1", "y".repeat(5000));
    await proxy({ quotaBytes: 1000 });
    await site.get("p", "file/a/1");
    const { digest } = (await site.get("p", "pkg/a.json")).exchange;
    const file = `sha256:${sha256("x")}` as const;
    for (const one of [digest!, file]) assert.equal(await isBlobNamed(site.store.db, one), true);
    assert.equal((await mirroredBlobs(site.store.db, [digest!, file])).length, 2);
    await site.store.blobs.delete(file);
    await site.store.blobs.delete(digest!);
    assert.equal((await site.get("p", "file/a/1")).text, "x");
    assert.equal((await site.get("p", "pkg/a.json")).status, 200);
    assert.equal((await site.get("p", "file/b/1")).bytes.length, 5000);
    assert.equal((await site.get("p", "file/b/1")).bytes.length, 5000);
    assert.equal(asked(upstream, "/file/b/1"), 2);
    assert.equal(await site.mirror.remove("p", "admin"), true);
    assert.equal(await isBlobNamed(site.store.db, file), false);
    await assert.rejects(site.get("p", "ping"), (error) => error instanceof Failure && error.code === "not_found");
  });
});

test("repositories are checked, survive a restart, and an address finds its repository", async () => {
  await withGround(async ({ site, proxy, upstream }) => {
    const { mirror } = site;
    await proxy();
    const bad: NewMirrorRepository[] = [
      { name: "P", format: "raw", kind: "hosted" },
      { name: "x", format: "raw", kind: "proxy" },
      { name: "x", format: "raw", kind: "proxy", upstream: "ftp://example.test/" },
      { name: "x", format: "raw", kind: "group", members: ["none"] },
      { name: "x", format: "raw", kind: "group", members: ["x"] },
      { name: "x", format: "raw", kind: "hosted", members: ["p"] },
      { name: "x", format: "raw", kind: "hosted", reserved: ["[a"] },
    ];
    for (const one of bad)
      await assert.rejects(mirror.create(one, "admin"), (error) => error instanceof Failure && error.code === "usage");
    await assert.rejects(proxy(), (error) => error instanceof Failure && error.code === "conflict");
    for (const upstream of ["http://us%er:secret@far.test/", "http://user:se%zzcret@far.test/"]) {
      const isClear = (error: unknown): boolean =>
        error instanceof Failure &&
        error.code === "usage" &&
        /a % in them is no escape/.test(error.message) &&
        /%25/.test(error.hint ?? "") &&
        !/cret/.test(error.message + error.hint);
      await assert.rejects(mirror.create({ name: "x", format: "raw", kind: "proxy", upstream }, "admin"), isClear);
      await assert.rejects(mirror.change("p", { upstream }, "admin"), isClear);
    }
    await mirror.create({ name: "deep", format: "raw", kind: "proxy", upstream: `${upstream.url}deep/er` }, "admin");
    assert.deepEqual(await mirror.repositoryFor(`${upstream.url}pkg/a.json?x=1`), {
      repository: "p",
      path: "pkg/a.json?x=1",
    });
    assert.deepEqual(await mirror.repositoryFor(`${upstream.url}deep/er/a`), { repository: "deep", path: "a" });
    assert.equal(await mirror.repositoryFor("http://elsewhere.test/a"), undefined);
    const reopened = await site.reopen();
    assert.deepEqual(
      (await reopened.mirror.list()).map(({ name }) => name),
      ["deep", "p"],
    );
    await reopened.mirror.close();
  });
});

test("uses are gathered and written down at the end", async () => {
  await withGround(async ({ site, proxy, offer }) => {
    offer("a", "1", "x");
    await proxy();
    for (let count = 0; count < 3; count++) await site.get("p", "file/a/1");
    await site.mirror.close();
    const entry = await findMirrorEntry(site.store.db, { repository: "p", kind: "file", key: "file/a/1" });
    assert.equal(entry?.useCount, 3);
    assert.ok(entry.usedAt >= entry.fetchedAt);
  });
});

test("a client that goes away stops nothing", async () => {
  await withGround(async ({ upstream, site, proxy, offer }) => {
    const bytes = randomBytes(1_500_000);
    offer("a", "1", bytes);
    upstream.routes.set("/file/a/1", (_request, response) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 1_000_000));
      setTimeout(() => response.end(bytes.subarray(1_000_000)), 60);
    });
    await proxy();
    const answer = await site.mirror.answer({
      method: "GET",
      repository: "p",
      path: "file/a/1",
      query: new URLSearchParams(),
      headers: {},
      base: "http://x/mirror/p",
      actor: "x",
    });
    assert.ok(answer.body instanceof Readable);
    answer.body.once("data", () => (answer.body as Readable).destroy());
    await answer.exchange;
    assert.ok((await site.get("p", "file/a/1")).bytes.equals(bytes));
    assert.equal(asked(upstream, "/file/a/1"), 1);
  });
});
