import assert from "node:assert/strict";
import { test } from "node:test";
import { shiftClock } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { findMirrorEntry } from "../store/mirror-entry-records.ts";
import { cargo } from "./cargo/cargo.ts";
import { type MirrorWrite } from "./contract.ts";
import { type NewMirrorRepository } from "./mirror.ts";
import { pypi } from "./pypi/pypi.ts";
import { tiny } from "./test-format.ts";
import { openTestMirror, startUpstream, type TestMirror, type TestUpstream } from "./test-mirror.ts";

interface Ground {
  readonly upstream: TestUpstream;
  readonly site: TestMirror;
  create(repository: NewMirrorRepository): Promise<void>;
}

const hourMs = 60 * 60 * 1000;

async function withGround(work: (ground: Ground) => Promise<void>): Promise<void> {
  const upstream = await startUpstream();
  const site = await openTestMirror([tiny, pypi, cargo], { idleMs: 400 });
  try {
    const create = async (repository: NewMirrorRepository): Promise<void> =>
      void (await site.mirror.create(repository, "admin"));
    await work({ upstream, site, create });
  } finally {
    await site.close();
    await upstream.close();
  }
}

test("a path cannot climb, change the server or end early, however it is written", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: `${upstream.url}below/` });
    upstream.routes.set("/secret", "secret");
    upstream.routes.set("/below/mutable/x", "x");
    for (const path of ["mutable/..\\..\\secret", "mutable/x#y", "mutable\\x", "mutable/.\\..\\..\\secret"]) {
      const { status } = await site.get("p", path);
      assert.equal(status, 400, path);
    }
    assert.deepEqual(upstream.requests, []);
  });
});

test("a clock that went back does not keep what came from its future", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    upstream.routes.set("/mutable/x", "old");
    upstream.routes.set("/pkg/a.json", JSON.stringify({ name: "a", versions: { "1": {} } }));
    shiftClock(1000 * hourMs);
    try {
      assert.equal((await site.get("p", "mutable/x")).text, "old");
      assert.match((await site.get("p", "pkg/a.json")).text, /"1"/);
      assert.equal((await site.get("p", "mutable/none")).status, 404);
    } finally {
      shiftClock(-1000 * hourMs);
    }
    upstream.routes.set("/mutable/x", "new");
    upstream.routes.set("/mutable/none", "some");
    upstream.routes.set("/pkg/a.json", JSON.stringify({ name: "a", versions: { "2": {} } }));
    assert.equal((await site.get("p", "mutable/x")).text, "new");
    assert.equal((await site.get("p", "mutable/none")).text, "some");
    assert.match((await site.get("p", "pkg/a.json")).text, /"2"/);
  });
});

test("an upstream that was down before the clock went back is asked again", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    upstream.routes.set("/mutable/x", (request) => void request.socket.destroy());
    shiftClock(1000 * hourMs);
    try {
      assert.equal((await site.get("p", "mutable/x")).status, 502);
    } finally {
      shiftClock(-1000 * hourMs);
    }
    upstream.routes.set("/mutable/x", "x");
    assert.equal((await site.get("p", "mutable/x")).text, "x");
  });
});

test("one redirect to a dead server does not make the upstream rest", async () => {
  await withGround(async ({ upstream, site, create }) => {
    const gone = await startUpstream();
    await gone.close();
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url, allowPrivate: true });
    upstream.routes.set("/mutable/away", (_request, response) => {
      response.writeHead(302, { location: `${gone.url}x` }).end();
    });
    upstream.routes.set("/mutable/x", "x");
    assert.equal((await site.get("p", "mutable/away")).status, 502);
    assert.equal((await site.get("p", "mutable/x")).text, "x");
    assert.equal((await site.get("p", "mutable/away")).status, 503);
  });
});

test("a public group has public members only, now and later", async () => {
  await withGround(async ({ site, create }) => {
    await create({ name: "secret", format: "raw", kind: "hosted" });
    await create({ name: "inner", format: "raw", kind: "group", members: ["secret"] });
    const refused = (error: unknown): boolean => error instanceof Failure && error.code === "usage";
    await assert.rejects(
      create({ name: "g", format: "raw", kind: "group", members: ["inner"], isPublic: true }),
      refused,
    );
    await assert.rejects(site.mirror.change("inner", { isPublic: true }, "admin"), refused);
    await site.mirror.change("secret", { isPublic: true }, "admin");
    await site.mirror.change("inner", { isPublic: true }, "admin");
    await create({ name: "g", format: "raw", kind: "group", members: ["inner"], isPublic: true });
    await assert.rejects(site.mirror.change("secret", { isPublic: false }, "admin"), refused);
    await assert.rejects(site.mirror.change("inner", { isPublic: false }, "admin"), refused);
  });
});

test("a reserved name is not asked for in whatever case or form it is written", async () => {
  await withGround(async ({ upstream, site, create }) => {
    const proxy = { kind: "proxy", upstream: `${upstream.url}simple/` } as const;
    await create({ ...proxy, name: "py", format: "pypi", reserved: ["Corp_*", "my.tool"] });
    await create({ ...proxy, name: "rust", format: "cargo", reserved: ["Corp_*"] });
    await create({ ...proxy, name: "raw", format: "raw", reserved: ["Corp*"] });
    for (const path of ["simple/corp-secret/", "simple/CORP.secret/", "simple/my_tool/", "simple/My-Tool/"])
      assert.equal((await site.get("py", path)).status, 404, path);
    for (const path of ["co/rp/corp-secret", "co/rp/corp_secret"])
      assert.equal((await site.get("rust", path)).status, 404, path);
    for (const path of ["pkg/corp.json", "file/CORP/1", "pkg/coRp2.json"])
      assert.equal((await site.get("raw", path)).status, 404, path);
    assert.deepEqual(upstream.requests, []);
  });
});

test("a crate that is ours is not asked for by its twin with the other hyphen", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "far", format: "cargo", kind: "proxy", upstream: upstream.url });
    await create({ name: "own", format: "cargo", kind: "hosted" });
    await create({ name: "all", format: "cargo", kind: "group", members: ["far", "own"] });
    const at = Date.UTC(2026, 0);
    const { putMirrorEntry } = await import("../store/mirror-entry-records.ts");
    const { digest, sizeBytes } = await site.store.blobs.put(Buffer.from("{}"));
    await putMirrorEntry(site.store.db, {
      repository: "own",
      kind: "document",
      key: "my/-c/my-crate",
      digest,
      sizeBytes,
      mediaType: "text/plain",
      lifetime: "immutable",
      url: undefined,
      etag: undefined,
      modified: undefined,
      claim: undefined,
      subject: "my-crate",
      version: undefined,
      publishedAt: at,
      fetchedAt: at,
      checkedAt: at,
    });
    assert.equal((await site.get("all", "my/_c/my_crate")).status, 404);
    assert.equal((await site.get("far", "my/_c/my_crate")).status, 404);
    assert.deepEqual(upstream.requests, []);
  });
});

test("a download that outlives its repository leaves nothing for the next one of the name", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    const going = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    for (const path of ["/mutable/x", "/pkg/a.json"])
      upstream.routes.set(path, async (_request, response) => {
        response.writeHead(200).write('{"name":"a",');
        if (upstream.requests.length === 2) begun.resolve();
        await going.promise;
        response.end('"versions":{}}');
      });
    const reads = [site.get("p", "mutable/x"), site.get("p", "pkg/a.json")];
    await begun.promise;
    await site.mirror.remove("p", "admin");
    const next = await startUpstream();
    try {
      await create({ name: "p", format: "raw", kind: "proxy", upstream: next.url });
      going.resolve();
      await Promise.allSettled(reads);
      const { db } = site.store;
      assert.equal(await findMirrorEntry(db, { repository: "p", kind: "file", key: "mutable/x" }), undefined);
      assert.equal(await findMirrorEntry(db, { repository: "p", kind: "document", key: "pkg/a.json" }), undefined);
      assert.equal((await site.get("p", "pkg/a.json")).status, 404);
    } finally {
      await next.close();
    }
  });
});

function put(path: string, body: AsyncIterable<Uint8Array>): MirrorWrite {
  return {
    method: "PUT",
    repository: "own",
    path,
    query: new URLSearchParams(),
    headers: {},
    body,
    base: "http://mirror.test/mirror/own",
    actor: "admin",
  };
}

test("a client that falls silent while it publishes keeps nobody else from it", async () => {
  await withGround(async ({ site, create }) => {
    await create({ name: "own", format: "raw", kind: "hosted" });
    const end = Promise.withResolvers<void>();
    const silent = site.mirror.write(
      put(
        "file/a/1",
        (async function* () {
          yield Buffer.from("half");
          await end.promise;
        })(),
      ),
    );
    const other = await site.mirror.write(
      put(
        "file/b/1",
        (async function* () {
          yield Buffer.from("whole");
        })(),
      ),
    );
    assert.equal(other.status, 201);
    assert.equal((await site.get("own", "file/b/1")).text, "whole");
    end.resolve();
    assert.equal((await silent).status, 201);
    assert.equal((await site.get("own", "file/a/1")).text, "half");
  });
});

test("on a full disk what is here is given out all the same", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    upstream.routes.set("/mutable/x", "old");
    upstream.routes.set("/pkg/a.json", JSON.stringify({ name: "a", versions: { "1": {} } }));
    assert.equal((await site.get("p", "mutable/x")).text, "old");
    assert.match((await site.get("p", "pkg/a.json")).text, /"1"/);
    upstream.routes.set("/mutable/x", "new");
    upstream.routes.set("/pkg/a.json", JSON.stringify({ name: "a", versions: { "2": {} } }));
    const full = async (): Promise<never> => {
      throw new Failure("disk_full", "Cannot write: the disk is full");
    };
    const { put: blobPut } = site.store.blobs;
    const { create: uploadCreate } = site.store.blobs.uploads;
    shiftClock(hourMs);
    try {
      Object.assign(site.store.blobs, { put: full });
      Object.assign(site.store.blobs.uploads, { create: full });
      const file = await site.get("p", "mutable/x");
      assert.deepEqual([file.text, file.exchange.outcome], ["old", "stale"]);
      const page = await site.get("p", "pkg/a.json");
      assert.match(page.text, /"1"/);
      assert.equal(page.exchange.outcome, "stale");
      for (const path of ["mutable/y", "pkg/b.json"]) {
        upstream.routes.set(`/${path}`, "{}");
        await assert.rejects(site.get("p", path), (error) => error instanceof Failure && error.status === 507, path);
      }
    } finally {
      Object.assign(site.store.blobs, { put: blobPut });
      Object.assign(site.store.blobs.uploads, { create: uploadCreate });
      shiftClock(-hourMs);
    }
  });
});
