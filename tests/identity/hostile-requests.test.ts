/** Requests that no client sends: from other sites' pages, through proxies, malformed, endless. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { digestOf, manifestOf, push, serve, type Served } from "./served.ts";

const layer = "the layer";

describe("hostile requests", () => {
  let folder = "";
  let served: Served;
  let robot = "";

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-hostile-"));
    served = await serve(folder, { anonymousRead: true });
    for (const name of ["a", "open"]) await served.own("POST", "/projects", { name, isPublic: name === "open" });
    const made = await served.own<{ name: string; secret: string }>("POST", "/robots", {
      name: "ci",
      permissions: ["a/**", "open/**"].map((repository) => ({ repository, actions: ["pull", "push"] })),
      expiresAt: "2999-01-01T00:00:00Z",
    });
    robot = `${made.name}:${made.secret}`;
    for (const project of ["a", "open"]) await push(served, robot, { repository: `${project}/app`, tag: "1", layer });
  });
  after(async () => {
    await served.close();
    await rm(folder, { recursive: true });
  });

  /** Sends bytes as they are; gives all that comes back until the server closes, or falls silent. */
  async function raw(text: string): Promise<string> {
    const socket = connect(Number(new URL(served.url).port), "127.0.0.1");
    let told = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => (told += chunk));
    socket.setTimeout(1500, () => socket.destroy());
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on("error", () => undefined).on("close", () => resolve());
    socket.write(text);
    await promise;
    return told;
  }

  async function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<[number, string]> {
    const all = { host: new URL(served.url).host, ...headers, connection: "close" };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const told = await raw(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    return [Number(told.slice(9, 12)), told];
  }

  const elsewhere: readonly Readonly<Record<string, string>>[] = [
    { host: "evil.example" },
    { host: "evil.example:80" },
    { "x-forwarded-for": "203.0.113.9" },
    { forwarded: "for=203.0.113.9" },
    { "x-real-ip": "203.0.113.9" },
    { via: "1.1 proxy" },
  ];

  test("without an account only this machine reads what is private, by name, token or catalog", async () => {
    const manifest = "/v2/a/app/manifests/1";
    assert.equal((await get(manifest))[0], 200);
    const scope = "service=mintmark&scope=repository:a/app:pull&scope=registry:catalog:*";
    const [, own] = await get(`/v2/_token?${scope}`);
    const authorization = `Bearer ${tokenIn(own)}`;
    assert.equal((await get(manifest, { authorization }))[0], 200);
    for (const headers of elsewhere) {
      const told = JSON.stringify(headers);
      assert.equal((await get(manifest, headers))[0], 401, told);
      assert.equal((await get(manifest, { ...headers, authorization }))[0], 401, `${told} with a token from here`);
      assert.equal((await get(`/v2/a/app/blobs/${digestOf(layer)}`, headers))[0], 401, told);
      assert.equal((await get("/v2/open/app/manifests/1", headers))[0], 200, told);
      const [, catalog] = await get("/v2/_catalog", { ...headers, authorization });
      assert.ok(catalog.includes("open/app") && !catalog.includes("a/app"), catalog);
      const [, issued] = await get(`/v2/_token?${scope}`, headers);
      assert.equal((await get(manifest, { authorization: `Bearer ${tokenIn(issued)}`, ...headers }))[0], 401, told);
      assert.equal((await get("/images", { ...headers }))[0], 200, "what is public");
      assert.equal((await get("/jobs", headers))[0], 401);
    }
  });

  test("two lengths, two hosts and broken lines are refused, and smuggle nothing in", async () => {
    const authorization = `Basic ${Buffer.from(robot).toString("base64")}`;
    const inner = "GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n";
    const start = `POST /v2/a/app/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n`;
    for (const headers of [
      `Content-Length: ${inner.length}\r\nTransfer-Encoding: chunked\r\n`,
      `Transfer-Encoding: chunked\r\nContent-Length: 0\r\n`,
      "Content-Length: 0\r\nContent-Length: 5\r\n",
      "Transfer-Encoding: chunked, identity\r\n",
      "Transfer-Encoding: xchunked\r\n",
      "Content-Length: +5\r\n",
      "Content-Length : 5\r\n",
      "X: a\rContent-Length: 5\r\n",
    ]) {
      const told = await raw(`${start}${headers}\r\n0\r\n\r\n${inner}`);
      assert.match(told, /^HTTP\/1\.1 400 /, headers);
      assert.equal(told.match(/HTTP\/1\.1 /g)?.length, 1, told);
    }
  });

  test("no name, tag or type writes a header or leaves its folder", async () => {
    for (const path of [
      "/v2/a%0d%0ax-evil:1/app/manifests/1",
      "/v2/a/app/manifests/1%0d%0ax-evil:%201",
      "/v2/a/app/tags/list?n=1&last=%0d%0ax-evil:1",
      `/v2/a/app/referrers/${digestOf("x")}?artifactType=%0d%0ax-evil:1`,
      "/v2/_catalog?n=1&last=%0d%0ax-evil:1",
      "/v2/_token?scope=%0d%0ax-evil:1&service=%0d%0ax-evil:1",
      "/v2/..%2f..%2fkeys/manifests/1",
      "/v2/a/app/blobs/uploads/..%2f..%2f..%2fadmin-password",
      "/v2/a/app/blobs/sha256:..%2f..%2fadmin-password",
      "/v2/\u00e9/manifests/1",
      "/v2/%c3%a9/manifests/1",
      "/v2/\uff41/app/manifests/1",
      "/v2/%00/manifests/1",
      "/v2/%ff/manifests/1",
    ]) {
      const authorization = `Basic ${Buffer.from(robot).toString("base64")}`;
      const [status, told] = await get(path, { authorization });
      assert.ok(status >= 200 && status < 500, `${path}: ${told}`);
      assert.ok(!/^x-evil/im.test(told.split("\r\n\r\n")[0]!), told);
      assert.ok(!told.includes("root:"), told);
    }
  });

  test("long and deep inputs are answered at once", async () => {
    const long = (part: string, count: number): string => part.repeat(count);
    const paths = [
      `/v2/${long("a-", 3000)}/manifests/1`,
      `/v2/${long("a/", 3000)}manifests/1`,
      `/v2/${long("a__", 2000)}!/tags/list`,
      `/v2/a/app/manifests/${long("a", 7000)}`,
      `/v2/_token?scope=${long("repository:a/app:pull,", 300)}`,
      `/v2/_token?${long("scope=repository:a/app:pull&", 250)}`,
      `/images/${long("a/", 3000)}:x`,
      `/scans?after=${long("%20", 150)}`,
    ];
    for (const path of paths) {
      const start = process.hrtime.bigint();
      const [status, told] = await get(path, {
        range: `bytes=${long("0-1,", 500)}`,
        "if-none-match": long('"a",', 500),
      });
      const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
      assert.ok(status >= 200 && status < 500, `${path.slice(0, 60)}: ${told.slice(0, 200)}`);
      assert.ok(milliseconds < 1000, `${path.slice(0, 60)}: ${milliseconds} ms`);
    }
  });

  test("bodies with prototypes, double keys and depth change nothing and are no bug of ours", async () => {
    const manifest = manifestOf(layer);
    const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
    const put = async (body: string): Promise<number> =>
      (await served.ask({ method: "PUT", path: "/v2/a/app/manifests/x", as: robot, body, headers })).status;
    assert.equal(
      await put(manifest.replace("{", '{"__proto__":{"layers":[]},"constructor":{"prototype":{"a":1}},')),
      201,
    );
    assert.equal(await put(manifest.replace("{", '{"annotations":{"__proto__":"x","constructor":"y"},')), 201);
    for (const extra of ['"layers":[],', '"Layers":[],', '"CONFIG":{},'])
      assert.equal(await put(manifest.replace("{", `{${extra}`)), 400, extra);
    const depth = 200_000;
    const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    assert.ok((await put(manifest.replace("{", `{"x":${deep},`))) < 500);
    assert.equal(await put(deep), 400);
    assert.equal(Object.hasOwn(Object.prototype, "a"), false);
    const api = async (path: string, body: string): Promise<number> =>
      (await served.ask({ method: "POST", path, as: robot, body, headers: { "content-type": "application/json" } }))
        .status;
    const member = '"kind":"account","name":"x","role":"guest"';
    for (const body of [
      `{"__proto__":{"role":"projectAdmin"},${member}}`,
      `{"constructor":{"prototype":{"x":1}},${member}}`,
      deep,
      `{"x":${deep}}`,
      "null",
      "",
    ])
      assert.ok([400, 403, 413].includes(await api("/projects/a/members", body)), body.slice(0, 60));
  });

  test("an upload of another account, or of another repository, is not there", async () => {
    const made = await served.own<{ name: string; secret: string }>("POST", "/robots", {
      name: "other",
      permissions: [{ repository: "a/**", actions: ["pull", "push"] }],
      expiresAt: "2999-01-01T00:00:00Z",
    });
    const other = `${made.name}:${made.secret}`;
    const begun = await served.ask({ method: "POST", path: "/v2/a/app/blobs/uploads/", as: robot });
    const path = begun.headers.get("location")!;
    for (const [who, where] of [
      [other, path],
      [robot, path.replace("/a/app/", "/a/other/")],
      [robot, path.replace("/a/app/", "/open/app/")],
    ] as const)
      for (const method of ["PATCH", "PUT", "DELETE", "GET"] as const) {
        const told = await served.ask({
          method,
          path: method === "PUT" ? `${where}?digest=${digestOf("mine")}` : where,
          as: who,
          ...(method === "PATCH" || method === "PUT" ? { body: "mine" } : {}),
        });
        assert.equal(told.status, 404, `${method} ${where}`);
      }
    assert.equal((await served.ask({ method: "DELETE", path, as: robot })).status, 204, "still there for its owner");
  });

  test("a blob is not had by naming its digest over other bytes, or none", async () => {
    const secret = "what only open has";
    await push(served, robot, { repository: "open/secret", tag: "1", layer: secret });
    const digest = digestOf(secret);
    for (const body of ["", "other bytes"]) {
      const path = `/v2/a/app/blobs/uploads/?digest=${digest}`;
      const told = await served.ask({ method: "POST", path, as: robot, body });
      assert.equal(told.status, 400, told.text);
      const begun = await served.ask({ method: "POST", path: "/v2/a/app/blobs/uploads/", as: robot });
      const end = `${begun.headers.get("location")!}?digest=${digest}`;
      assert.equal((await served.ask({ method: "PUT", path: end, as: robot, body })).status, 400);
    }
    assert.equal((await served.ask({ method: "HEAD", path: `/v2/a/app/blobs/${digest}`, as: robot })).status, 404);
  });
});

function tokenIn(told: string): string {
  return /"token":"([^"]+)"/.exec(told)?.[1] ?? "";
}
