import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import type { Digest } from "../../src/model/digest.ts";
import { type RunningMirror, runMirror } from "./running-mirror.ts";

const sha256 = (text: string): Digest => `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** A request target as it is: fetch would tidy it up. */
async function rawGet(url: string, target: string): Promise<{ readonly status: number; readonly body: string }> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    request({ hostname, port, path: target, method: "GET" }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => void (body += chunk.toString("utf8")));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on("error", reject)
      .end();
  });
}

/** Who may read and write, and how paths and headers come through. */
describe("the routes of the mirror", { timeout: 60_000 }, () => {
  const upstreamPaths: string[] = [];
  const upstream = createServer((incoming, response) => {
    upstreamPaths.push(incoming.url ?? "");
    const body = JSON.stringify({ name: "@scope/name", "dist-tags": {}, versions: {}, time: {} });
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  });
  let site: RunningMirror;

  before(async () => {
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`;
    site = await runMirror(
      [
        { name: "npm", format: "npm", kind: "proxy", upstream: address, isPublic: true },
        { name: "open", format: "raw", kind: "hosted", isPublic: true },
        { name: "closed", format: "raw", kind: "hosted" },
      ],
      { MINTMARK_ANONYMOUS_READ: "false", MINTMARK_GC_GRACE_HOURS: "0", MINTMARK_GC_TRASH_HOURS: "0" },
    );
  });
  after(async () => {
    await site.close();
    upstream.closeAllConnections();
    upstream.close();
  });

  const put = async (path: string, body: string, headers: Record<string, string>): Promise<Response> =>
    await fetch(`${site.url}/mirror/${path}`, { method: "PUT", body, headers });

  test("only who may publish does, in whatever way clients show their secret", async () => {
    const { administrator } = site;
    const nobody = await put("open/a.txt", "x", {});
    assert.equal(nobody.status, 401);
    assert.match(nobody.headers.get("www-authenticate") ?? "", /^Basic /);
    assert.equal((await put("open/a.txt", "x", { authorization: `Basic ${btoa("admin:wrong")}` })).status, 401);
    assert.equal((await put("open/a.txt", "x", { authorization: administrator })).status, 201);
    const api = async (path: string, body: unknown): Promise<Response> =>
      await fetch(`${site.url}/api/v1${path}`, {
        method: "POST",
        headers: { authorization: administrator, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    assert.equal((await api("/accounts", { name: "anna", password: "a long enough password 1" })).status, 201);
    const anna = `Basic ${btoa("anna:a long enough password 1")}`;
    assert.equal((await put("open/b.txt", "x", { authorization: anna })).status, 403);
    assert.equal((await fetch(`${site.base("closed")}/none`, { headers: { authorization: anna } })).status, 404);
    const made = await api("/tokens", {
      label: "ci",
      administrates: true,
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    });
    const text = await made.text();
    assert.equal(made.status, 201, text);
    const { secret } = JSON.parse(text) as { readonly secret: string };
    const ways: Record<string, string>[] = [
      { authorization: `Bearer ${secret}` },
      { authorization: secret },
      { "x-nuget-apikey": secret },
      { authorization: `Basic ${btoa(`admin:${secret}`)}` },
    ];
    for (const [index, headers] of ways.entries())
      assert.equal((await put(`open/way-${index}.txt`, "x", headers)).status, 201, Object.keys(headers).join());
    assert.equal((await put("open/no.txt", "x", { authorization: `${secret}x` })).status, 401);
  });

  test("what is public is read by all, the rest with an account, and nobody learns what there is", async () => {
    const { administrator } = site;
    await put("closed/s.txt", "secret", { authorization: administrator });
    await put("open/p.txt", "public", { authorization: administrator });
    assert.equal(await (await fetch(`${site.base("open")}/p.txt`)).text(), "public");
    assert.equal(await (await fetch(`${site.url}/repository/open/p.txt`)).text(), "public");
    for (const name of ["closed", "never-made"]) assert.equal((await fetch(`${site.base(name)}/s.txt`)).status, 401);
    const told = await fetch(`${site.base("closed")}/s.txt`, { headers: { authorization: administrator } });
    assert.equal(await told.text(), "secret");
    assert.match(told.headers.get("cache-control") ?? "", /^private/);
    const unknown = await fetch(`${site.base("never-made")}/s.txt`, { headers: { authorization: administrator } });
    assert.equal(unknown.status, 404);
    assert.equal((await fetch(`${site.base("open")}/p.txt`, { headers: { authorization: "Basic bm8=" } })).status, 401);
  });

  test("paths come as they were sent, and parts, conditions and HEAD are answered", async () => {
    assert.equal((await rawGet(site.url, "/mirror/npm/@scope%2fname")).status, 200);
    assert.ok(
      upstreamPaths.some((path) => /^\/@scope%2fname$/i.test(path)),
      upstreamPaths.join(" "),
    );
    for (const target of [
      "/mirror/npm/../../etc/passwd",
      "/mirror/npm/%2e%2e/x",
      "/mirror/npm//x",
      "/mirror/open/a%00b",
    ])
      assert.ok([400, 404].includes((await rawGet(site.url, target)).status), target);
    const url = `${site.base("open")}/p.txt`;
    const part = await fetch(url, { headers: { range: "bytes=1-3" } });
    assert.deepEqual([part.status, await part.text(), part.headers.get("content-range")], [206, "ubl", "bytes 1-3/6"]);
    const etag = part.headers.get("etag") ?? "";
    assert.equal((await fetch(url, { headers: { "if-none-match": etag } })).status, 304);
    const head = await fetch(url, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length"), head.headers.get("etag")], [200, "6", etag]);
  });

  test("a collection leaves what the mirror names, and frees what it named", async () => {
    const { factory } = site.server;
    const { collection, store, queue } = factory;
    const digest = sha256("public");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await collection.start({ actor: "test" });
    await queue.drain();
    assert.notEqual(await store.blobs.stat(digest), undefined);
    assert.equal(await (await fetch(`${site.base("open")}/p.txt`)).text(), "public");
    const { places } = await collection.explain(digest);
    assert.deepEqual(
      places.map(({ repository, kind }) => [repository, kind]),
      [["open", "held"]],
    );
    const gone = await fetch(`${site.base("open")}/p.txt`, {
      method: "DELETE",
      headers: { authorization: site.administrator },
    });
    assert.equal(gone.status, 204);
    await collection.start({ actor: "test" });
    await queue.drain();
    assert.equal(await store.blobs.stat(digest), undefined);
  });
});
