import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as ask, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { Failure } from "./errors.ts";
import { outboundProxy } from "./outbound-proxy.ts";
import { openWire } from "./wire.ts";

const names = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/** Sets the variables for the time of some work. */
async function withProxies<T>(variables: Readonly<Record<string, string>>, work: () => T | Promise<T>): Promise<T> {
  const all = names.flatMap((name) => [name, name.toUpperCase()]);
  const old = all.map((name) => [name, process.env[name]] as const);
  for (const name of all) delete process.env[name];
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const [name, value] of old) {
      delete process.env[name];
      if (value !== undefined) process.env[name] = value;
    }
  }
}

describe("the outbound proxy", () => {
  /** A forward proxy that takes every name for the server. */
  let proxy: Server;
  let server: Server;
  const passed: string[] = [];
  const portOf = (of: Server): number => (of.address() as AddressInfo).port;
  before(async () => {
    server = createServer((_, response) => response.end("hello"));
    proxy = createServer((request: IncomingMessage, response: ServerResponse) => {
      passed.push(`${request.method} ${request.url}`);
      const path = new URL(request.url ?? "").pathname;
      ask({ host: "127.0.0.1", port: portOf(server), path }, (answer) => answer.pipe(response)).end();
    });
    proxy.on("connect", (request: IncomingMessage, socket: Socket) => {
      passed.push(`CONNECT ${request.url}`);
      const onward = connect(portOf(server), "127.0.0.1", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
      onward.pipe(socket).pipe(onward);
      onward.on("error", () => socket.destroy());
      socket.on("error", () => onward.destroy());
    });
    for (const one of [server, proxy]) {
      one.listen(0, "127.0.0.1");
      await once(one, "listening");
    }
  });
  after(() => {
    for (const one of [server, proxy]) one.close().closeAllConnections();
  });

  test("is what the environment says, and never stands before this machine itself", async () => {
    const found = await withProxies(
      {
        https_proxy: "http://proxy.example:3128",
        HTTP_PROXY: "proxy.example:8080",
        no_proxy: ".corp.example,one.example",
      },
      () =>
        [
          "https://far.example/",
          "http://far.example/",
          "https://git.corp.example/",
          "https://one.example/",
          "http://localhost:1/",
          "http://127.0.0.2/",
          "http://[::1]/",
        ].map((url) => outboundProxy(new URL(url))),
    );
    assert.deepEqual(found, ["http://proxy.example:3128", "http://proxy.example:8080", ...Array<undefined>(5)]);
  });

  test("carries requests to names that only it can resolve", async () => {
    const wire = openWire({ trustedHosts: new Set() });
    try {
      await withProxies({ http_proxy: `http://127.0.0.1:${portOf(proxy)}` }, async () => {
        const answer = await wire.send({ method: "GET", url: new URL("http://far.invalid/a"), headers: {} });
        assert.equal((await answer.read(100)).toString(), "hello");
      });
    } finally {
      wire.close();
    }
    assert.deepEqual(passed.splice(0), ["GET http://far.invalid/a"]);
  });

  test("is asked for a tunnel where the server speaks TLS", async () => {
    const wire = openWire({ trustedHosts: new Set() });
    try {
      await withProxies({ https_proxy: `http://127.0.0.1:${portOf(proxy)}` }, async () => {
        // The server behind it speaks none, which ends the handshake.
        await assert.rejects(wire.send({ method: "GET", url: new URL("https://far.invalid/a"), headers: {} }), Failure);
      });
    } finally {
      wire.close();
    }
    assert.deepEqual(passed.splice(0), ["CONNECT far.invalid:443"]);
  });

  test("is no way to private addresses that are written out", async () => {
    const wire = openWire({ trustedHosts: new Set() });
    try {
      await withProxies({ http_proxy: `http://127.0.0.1:${portOf(proxy)}` }, async () => {
        const asked = wire.send({ method: "GET", url: new URL("http://169.254.169.254/latest"), headers: {} });
        await assert.rejects(asked, (error) => error instanceof Failure && error.code === "forbidden");
      });
    } finally {
      wire.close();
    }
    assert.deepEqual(passed, []);
  });
});
