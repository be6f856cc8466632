import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { type RunningMirror, runMirror } from "./running-mirror.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Files of no ecosystem, from hosts that rules name, and put here by hand. */
describe("raw files and the mirror", { timeout: 60_000 }, () => {
  let upstream: Server;
  let host = "";
  let content = "first";
  let requestCount = 0;
  let site: RunningMirror;

  before(async () => {
    upstream = createServer((request, response) => {
      requestCount += 1;
      if (request.url === "/moved/tool.zip") response.writeHead(302, { location: "/dist/tool.zip" }).end();
      else if (request.url === "/missing.zip") response.writeHead(404).end();
      else response.writeHead(200, { "content-type": "text/html" }).end(content);
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    host = `127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const format = "raw";
    const allowed = [
      { host, path: "/dist/*" },
      { host, path: "moved/**" },
      { host, path: "missing.zip" },
      { host, path: "right.zip", sha256: sha256("first") },
      { host, path: "wrong.zip", sha256: sha256("other") },
    ];
    site = await runMirror([
      { name: "files", format, kind: "proxy", upstream: `http://${host}`, allowed, isPublic: true, allowPrivate: true },
      { name: "copy", format, kind: "proxy", upstream: `http://${host}/dist`, isPublic: true },
      { name: "own", format, kind: "hosted", isPublic: true },
      { name: "all", format, kind: "group", members: ["files", "own"], isPublic: true },
    ]);
  });

  after(async () => {
    await site.close();
    upstream.closeAllConnections();
    upstream.close();
  });

  async function get(repository: string, path: string): Promise<{ status: number; text: string; type: string }> {
    const answer = await fetch(`${site.base(repository)}/${path}`);
    return { status: answer.status, text: await answer.text(), type: answer.headers.get("content-type") ?? "" };
  }

  test("the first fetch pins the bytes", async () => {
    content = "first";
    assert.deepEqual(await get("files", `${host}/dist/a.zip`), { status: 200, text: "first", type: "application/zip" });
    content = "second";
    assert.equal((await get("files", `${host}/dist/a.zip`)).text, "first");
    assert.equal((await get("all", `${host}/dist/a.zip`)).text, "first");
    assert.equal((await get("files", `${host}/moved/tool.zip`)).text, "second");
    assert.equal((await get("files", `${host}/missing.zip`)).status, 404);
    assert.equal((await get("copy", "a.zip")).text, "second");
    content = "first";
  });

  test("a rule's digest is held against the bytes", async () => {
    assert.equal((await get("files", `${host}/right.zip`)).text, "first");
    const wrong = await get("files", `${host}/wrong.zip`);
    assert.equal(wrong.status, 502);
    assert.match(wrong.text, new RegExp(`sha256 ${sha256("first")}, but ${sha256("other")} was promised`));
  });

  test("what no rule allows is refused, and nobody is asked", async () => {
    const before = requestCount;
    for (const path of ["far.example/dist/a.zip", `${host}/secret`, `${host}/dist/b/c.zip`]) {
      const refused = await get("files", path);
      assert.equal(refused.status, 403);
      assert.match(refused.text, /No rule of this raw repository allows ".*": they allow .*\/dist\/\*/);
    }
    assert.equal((await get("files", `${host}/dist/%252e%252e`)).status, 200, "twice encoded it is a name");
    assert.equal((await get("files", `${host}/dist/a%2fb`)).status, 400);
    assert.equal((await get("files", `${host}/dist/a.zip?x=1`)).status, 400);
    assert.notEqual((await get("all", "far.example/dist/a.zip")).status, 200);
    assert.equal(requestCount, before + 1);
  });

  test("files are put, read through the group, and dropped by who may", async () => {
    const send = async (method: string, body: string | null, authorization = site.administrator): Promise<number> => {
      const headers = authorization === "" ? {} : { authorization };
      return (await fetch(`${site.base("own")}/tools/install.html`, { method, body, headers })).status;
    };
    assert.equal(await send("PUT", "one", ""), 401);
    assert.equal(await send("PUT", "one"), 201);
    assert.equal(await send("PUT", "one"), 200);
    assert.equal(await send("PUT", "two"), 409);
    const found = await get("all", "tools/install.html");
    assert.deepEqual(found, { status: 200, text: "one", type: "application/octet-stream" });
    assert.equal(await send("DELETE", null), 204);
    assert.equal((await get("own", "tools/install.html")).status, 404);
  });
});
