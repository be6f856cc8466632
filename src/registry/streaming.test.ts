import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { limits } from "../base/limits.ts";
import { mediaTypes } from "../model/oci.ts";
import { openTestRegistry, type TestRegistry } from "./test-registry.ts";

const mebibyte = 1024 * 1024;

describe("streams over real sockets", () => {
  let site: TestRegistry;
  let port: number;
  before(async () => {
    site = await openTestRegistry({ bodyIdleMs: 300 });
    port = Number(new URL(await site.app.listen({ host: "127.0.0.1", port: 0 })).port);
  });
  after(async () => await site.close());

  function open(method: string, path: string, headers: Record<string, string> = {}): ClientRequest {
    return httpRequest({ port, method, path, headers: { authorization: "Test admin", ...headers }, agent: false });
  }
  async function answerOf(request: ClientRequest): Promise<IncomingMessage> {
    return ((await once(request, "response")) as [IncomingMessage])[0];
  }
  async function beginUpload(repository: string): Promise<string> {
    const told = await site.ask({ method: "POST", path: `/v2/${repository}/blobs/uploads/` });
    return told.headers["location"]!;
  }
  async function textOf(answer: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }

  test("take a blob without a length in many pieces and give it back whole", async () => {
    const location = await beginUpload("s/chunked");
    const hash = createHash("sha256");
    const request = open("PATCH", location);
    for (let at = 0; at < 24; at++) {
      const piece = randomBytes(mebibyte / 2 + at);
      hash.update(piece);
      if (!request.write(piece)) await once(request, "drain");
    }
    request.end();
    assert.equal((await answerOf(request)).statusCode, 202);
    const digest = `sha256:${hash.digest("hex")}`;
    assert.equal((await site.ask({ method: "PUT", path: `${location}?digest=${digest}` })).status, 201);
    const got = open("GET", `/v2/s/chunked/blobs/${digest}`).end();
    const back = createHash("sha256");
    for await (const chunk of await answerOf(got)) back.update(chunk as Buffer);
    assert.equal(`sha256:${back.digest("hex")}`, digest);
  });

  test("hold a blob back for a reader that is slow, in bounded memory", async () => {
    const bytes = randomBytes(24 * mebibyte);
    const { digest } = await site.blob("s/slow", bytes);
    const answer = await answerOf(open("GET", `/v2/s/slow/blobs/${digest}`).end());
    const before = process.memoryUsage().arrayBuffers;
    answer.pause();
    await wait(200);
    assert.ok(process.memoryUsage().arrayBuffers - before < 12 * mebibyte);
    const hash = createHash("sha256");
    for await (const chunk of answer) hash.update(chunk as Buffer);
    assert.equal(`sha256:${hash.digest("hex")}`, digest);
  });

  test("cut off who stops sending, keep what came, and go on from there", async () => {
    const location = await beginUpload("s/stalled");
    const request = open("PATCH", location, { "content-length": "1000" });
    request.on("error", () => undefined);
    request.write("abc");
    const answer = await answerOf(request);
    assert.equal(answer.statusCode, 408);
    assert.equal(answer.headers.connection, "close");
    request.destroy();
    const status = await site.ask({ method: "GET", path: location });
    assert.equal(status.headers["range"], "0-2");
    const rest = await site.ask({ method: "PATCH", path: location, body: "def", headers: { "content-range": "3-5" } });
    assert.equal(rest.status, 202);
  });

  test("keep what came of a chunk whose client went away", async () => {
    const location = await beginUpload("s/gone");
    const request = open("PATCH", location, { "content-length": "1000", "content-range": "0-999" });
    request.on("error", () => undefined);
    request.write("abc");
    await wait(50);
    request.destroy();
    for (let status = 0; status !== 202; await wait(10)) {
      const told = await site.ask({
        method: "PATCH",
        path: location,
        body: "def",
        headers: { "content-range": "3-5" },
      });
      assert.ok(told.status === 202 || told.status === 409 || told.status === 416, String(told.status));
      status = told.status;
    }
    const path = `${location}?digest=sha256:${createHash("sha256").update("abcdef").digest("hex")}`;
    assert.equal((await site.ask({ method: "PUT", path })).status, 201);
  });

  test("let only one request at a time work on an upload", async () => {
    const location = await beginUpload("s/two");
    const first = open("PATCH", location, { "content-length": "6" });
    first.write("abc");
    await wait(50);
    const told = await site.ask({ method: "PATCH", path: location, body: "xyz" });
    assert.equal(told.status, 409);
    first.end("def");
    const answer = await answerOf(first);
    assert.equal(answer.statusCode, 202);
    assert.equal(answer.headers["range"], "0-5");
  });

  test("refuse a manifest that is too large with 413, announced or in chunks", async () => {
    for (const headers of [{ "content-length": String(limits.manifestBytes + 1) }, {}]) {
      const request = open("PUT", "/v2/s/large/manifests/x", { "content-type": mediaTypes.manifest, ...headers });
      request.on("error", () => undefined);
      request.write(Buffer.alloc(limits.manifestBytes));
      request.end("x");
      const answer = await answerOf(request);
      assert.equal(answer.statusCode, 413);
      assert.match(await textOf(answer), /SIZE_INVALID/);
    }
  });

  test("answer before the body has come, and keep the connection where little of it is left", async () => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const body = "x".repeat(1000);
    const put = `PUT /v2/s/early/manifests/-bad HTTP/1.1\r\nhost: x\r\nauthorization: Test nobody\r\ncontent-length: 1000\r\n\r\n${body}`;
    socket.write(put + "GET /v2/ HTTP/1.1\r\nhost: x\r\nauthorization: Test admin\r\nconnection: close\r\n\r\n");
    const text = await allOf(socket);
    assert.match(text, /^HTTP\/1\.1 401 /);
    assert.match(text, /\r\nHTTP\/1\.1 200 OK\r\n|}HTTP\/1\.1 200 OK\r\n/);
  });

  test("close the connection rather than read a huge body that nobody wants", async () => {
    const request = open("PUT", "/v2/s/early/manifests/x", {
      authorization: "Test nobody",
      "content-length": String(2 ** 40),
    });
    request.on("error", () => undefined);
    request.write("x");
    const answer = await answerOf(request);
    assert.equal(answer.statusCode, 401);
    assert.equal(answer.headers.connection, "close");
    request.destroy();
  });
});

async function allOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}
