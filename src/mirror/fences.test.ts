import assert from "node:assert/strict";
import { readdir, readlink } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Failure } from "../base/errors.ts";
import { go } from "./go/go.ts";
import { type MirrorWrite } from "./contract.ts";
import { type MirrorOptions, type NewMirrorRepository } from "./mirror.ts";
import { pypi } from "./pypi/pypi.ts";
import { receiveBody } from "./received-body.ts";
import { tiny } from "./test-format.ts";
import { openTestMirror, startUpstream, type TestMirror, type TestUpstream } from "./test-mirror.ts";

interface Ground {
  readonly upstream: TestUpstream;
  readonly site: TestMirror;
  create(repository: NewMirrorRepository): Promise<void>;
}

async function withGround(
  work: (ground: Ground) => Promise<void>,
  options: Partial<MirrorOptions> = {},
): Promise<void> {
  const upstream = await startUpstream();
  const site = await openTestMirror([tiny, pypi, go], { idleMs: 400, ...options });
  try {
    await work({ upstream, site, create: async (one) => void (await site.mirror.create(one, "admin")) });
  } finally {
    await site.close();
    await upstream.close();
  }
}

test("encoded characters that mean something in an address are not passed on", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "go", format: "go", kind: "proxy", upstream: `${upstream.url}below/` });
    await create({ name: "py", format: "pypi", kind: "proxy", upstream: `${upstream.url}below/simple/` });
    const paths = ["sumdb/%252e%252e/latest", "sumdb/a%23b/latest", "sumdb/a%3fb/latest", "sumdb/%2e%2e/latest"];
    for (const path of [
      ...paths,
      "a.example/%5c..%5c../@v/list",
      "a.example/x%00/@v/list",
      "a.example%2f..%2fb/@v/list",
    ])
      assert.ok([400, 404].includes((await site.get("go", path)).status), path);
    for (const path of ["pypi/a/%252e%252e/json", "pypi/a/1%3f2/json", "pypi/a/1%23/json", "simple/%2e%2e%2fsecret/"])
      assert.ok([400, 404].includes((await site.get("py", path)).status), path);
    assert.deepEqual(upstream.requests, []);
  });
});

test("what no question was asked for is no answer: not changed, or a part", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    for (const status of [304, 206]) {
      for (const path of [`mutable/${status}`, `pkg/${status}.json`]) {
        upstream.routes.set(`/${path}`, (_request, response) => void response.writeHead(status).end());
        const { status: told, text } = await site.get("p", path);
        assert.equal(told, 502, path);
        assert.match(text, new RegExp(`answered ${status} unasked`), path);
      }
    }
  });
});

test("an upstream cannot send us to addresses of the machine or of the cloud", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    const hosts = [
      "169.254.169.254",
      "[::1]",
      "[::ffff:169.254.169.254]",
      "[64:ff9b::a9fe:a9fe]",
      "[2002:a9fe:a9fe::1]",
    ];
    for (const [index, host] of [...hosts, "2852039166", "0x7f.1", "[fd00:ec2::254]", "[fec0::1]"].entries()) {
      upstream.routes.set(`/mutable/${index}`, (_request, response) => {
        response.writeHead(302, { location: `http://${host}/latest/meta-data` }).end();
      });
      const { status, text } = await site.get("p", `mutable/${index}`);
      assert.equal(status, 502, host);
      assert.match(text, /private address/, host);
    }
    // A document of the upstream may name addresses too.
    upstream.routes.set(
      "/pkg/a.json",
      JSON.stringify({ name: "a", versions: { "1": { url: "http://169.254.169.254/" } } }),
    );
    assert.match((await site.get("p", "file/a/1")).text, /private address/);
  });
});

test("a path that a document names relative to the upstream stays below it", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: `${upstream.url}below/` });
    for (const [index, url] of ["../secret", "//127.0.0.1:1/secret", "/secret", "..\\secret"].entries()) {
      upstream.routes.set(
        `/below/pkg/a${index}.json`,
        JSON.stringify({ name: `a${index}`, versions: { "1": { url } } }),
      );
      assert.equal((await site.get("p", `file/a${index}/1`)).status, 502, url);
    }
    assert.ok(upstream.requests.every((one) => one.startsWith("GET /below/pkg/")));
  });
});

test("credentials go to the upstream alone", async () => {
  await withGround(async ({ upstream, site, create }) => {
    const other = await startUpstream();
    try {
      const address = upstream.url.replace("//", "//robot:secret@");
      await create({ name: "p", format: "raw", kind: "proxy", upstream: address, allowPrivate: true });
      upstream.routes.set("/mutable/x", (_request, response) => {
        response.writeHead(302, { location: `${other.url}x` }).end();
      });
      other.routes.set("/x", "x");
      assert.equal((await site.get("p", "mutable/x")).text, "x");
      assert.match(upstream.headers[0]?.authorization ?? "", /^Basic /);
      assert.equal(other.headers[0]?.authorization, undefined);
    } finally {
      await other.close();
    }
  });
});

test("names that clients make up for us fill neither the table nor the disk", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    upstream.routes.set("/pkg/a.json", JSON.stringify({ name: "a", versions: { "1": {} } }));
    const { text } = await site.get("p", "pkg/a.json", { base: "http://first" });
    for (let count = 0; count < 50; count++) {
      const got = await site.get("p", "pkg/a.json", { base: `http://made-up-${count}` });
      assert.match(got.text, new RegExp(`"http://made-up-${count}"`));
      const [part, same] = await Promise.all([
        site.get("p", "pkg/a.json", { base: `http://made-up-${count}`, headers: { range: "bytes=2-5" } }),
        site.get("p", "pkg/a.json", {
          base: `http://made-up-${count}`,
          headers: { "if-none-match": got.headers["etag"]! },
        }),
      ]);
      assert.deepEqual([part.status, part.text, same.status], [206, "base", 304]);
    }
    const blobs: string[] = [];
    for await (const digest of site.store.blobs.list()) blobs.push(digest);
    assert.ok(blobs.length <= 10, String(blobs.length));
    assert.equal((await site.get("p", "pkg/a.json", { base: "http://first" })).text, text);
  });
});

test("a download from an upstream that was given up is not taken for the new one's", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    const next = await startUpstream();
    const begun = Promise.withResolvers<void>();
    const going = Promise.withResolvers<void>();
    upstream.routes.set("/file/a/1", async (_request, response) => {
      response.writeHead(200).write("ol");
      begun.resolve();
      await going.promise;
      response.end("d");
    });
    next.routes.set("/file/a/1", "new");
    try {
      const old = site.get("p", "file/a/1");
      await begun.promise;
      await site.mirror.change("p", { upstream: next.url }, "admin");
      assert.equal((await site.get("p", "file/a/1")).text, "new");
      going.resolve();
      assert.equal((await old).text, "old");
      assert.equal((await site.get("p", "file/a/1")).text, "new");
    } finally {
      await next.close();
    }
  });
});

async function openFiles(folder: string): Promise<number> {
  const names = await readdir("/proc/self/fd");
  const paths = await Promise.all(names.map(async (name) => await readlink(`/proc/self/fd/${name}`).catch(() => "")));
  return paths.filter(
    (path) => path.startsWith(folder) && /uploads|sha256/.test(path) && !/\/(?:uploads|sha256)(?:\/..)?$/.test(path),
  ).length;
}

test("readers that go away in the middle leave no file open", async () => {
  await withGround(async ({ upstream, site, create }) => {
    await create({ name: "p", format: "raw", kind: "proxy", upstream: upstream.url });
    const going = Promise.withResolvers<void>();
    const bytes = Buffer.alloc(4 * 1024 * 1024, "x");
    upstream.routes.set("/mutable/x", async (_request, response) => {
      response.writeHead(200, { "content-length": 2 * bytes.length }).write(bytes);
      await going.promise;
      response.end(bytes);
    });
    const read = { method: "GET", repository: "p", path: "mutable/x", base: "http://mirror.test/mirror/p" } as const;
    const ask = async () =>
      await site.mirror.answer({ ...read, query: new URLSearchParams(), headers: {}, actor: "tester" });
    const answers = await Promise.all(Array.from({ length: 6 }, ask));
    for (const [index, { body }] of answers.entries()) {
      assert.ok(body !== undefined && !Buffer.isBuffer(body));
      if (index % 2 === 0) await body[Symbol.asyncIterator]().next();
      body.destroy();
    }
    going.resolve();
    assert.equal((await site.get("p", "mutable/x")).bytes.length, 2 * bytes.length);
    await Promise.all(answers.map(async ({ exchange }) => await exchange));
    const stored = await Promise.all([ask(), ask()]);
    assert.equal(await openFiles(site.folder), stored.length);
    for (const { body } of stored) {
      assert.ok(body !== undefined && !Buffer.isBuffer(body));
      body.destroy();
    }
    for (let tries = 0; (await openFiles(site.folder)) > 0 && tries < 100; tries++) await wait(20);
    assert.equal(await openFiles(site.folder), 0);
  });
});

function put(body: AsyncIterable<Uint8Array>): MirrorWrite {
  const base = "http://mirror.test/mirror/own";
  return {
    method: "PUT",
    repository: "own",
    path: "file/a/1",
    query: new URLSearchParams(),
    headers: {},
    body,
    base,
    actor: "admin",
  };
}

async function* pieces(count: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(1024 * 1024, index);
}

test("a publisher that stays silent is sent away, and a large package arrives whole", async () => {
  await withGround(
    async ({ site, create }) => {
      await create({ name: "own", format: "raw", kind: "hosted" });
      const silent = async function* (): AsyncGenerator<Uint8Array> {
        yield* pieces(6);
        await new Promise(() => undefined);
      };
      await assert.rejects(
        site.mirror.write(put(silent())),
        (error) => error instanceof Failure && error.code === "deadline_exceeded",
      );
      assert.equal((await site.mirror.write(put(pieces(9)))).status, 201);
      const { bytes } = await site.get("own", "file/a/1");
      assert.deepEqual([bytes.length, bytes[0], bytes.at(-1)], [9 * 1024 * 1024, 0, 8]);
      assert.deepEqual([...(await site.store.blobs.uploads.stale(Date.now() + 60_000)).keys()], []);
      await assert.rejects(receiveBody(pieces(9), { blobs: site.store.blobs, limitBytes: 5 * 1024 * 1024 }), {
        code: "too_large",
      });
    },
    { bodyIdleMs: 300 },
  );
});

test("a path that cannot be read is not published either", async () => {
  await withGround(async ({ site, create }) => {
    await create({ name: "own", format: "raw", kind: "hosted" });
    for (const path of ["file/../1", "file/a\\b/1", "file//1", "file/%2e%2e/1", "file/a%00/1"])
      assert.equal((await site.mirror.write({ ...put(pieces(1)), path })).status, 400, path);
  });
});
