import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Failure } from "./errors.ts";
import { fetchLimited, fetchToFile } from "./http.ts";

async function withServer(listener: RequestListener, work: (address: string) => Promise<void>): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("a body is fetched whole or not at all", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-http-"));
  const listener: RequestListener = (request, response) => {
    if (request.url === "/long") {
      response.write("12345");
      response.end("67890");
    } else if (request.url === "/stall") response.write("12");
    else if (request.url === "/cut") {
      response.writeHead(200, { "content-length": "100" });
      response.write("12");
      setTimeout(() => response.destroy(), 20);
    } else response.writeHead(request.url === "/gone" ? 410 : 503).end("no");
  };
  await withServer(listener, async (address) => {
    assert.equal((await fetchLimited(`${address}/long`, { limitBytes: 10 })).toString(), "1234567890");
    await fetchToFile(`${address}/long`, join(folder, "a"), { limitBytes: 10 });
    assert.equal(await readFile(join(folder, "a"), "utf8"), "1234567890");
    await assert.rejects(fetchToFile(`${address}/long`, join(folder, "b"), { limitBytes: 9 }), { code: "too_large" });
    await assert.rejects(fetchToFile(`${address}/cut`, join(folder, "b"), { limitBytes: 1000 }), {
      code: "upstream_unreachable",
    });
    await assert.rejects(fetchLimited(`${address}/cut`, { limitBytes: 9 }), { code: "too_large" });
    await assert.rejects(fetchLimited(`${address}/stall`, { limitBytes: 9, idleMs: 40 }), {
      code: "upstream_unreachable",
      message: /no answer for/,
    });
    await assert.rejects(fetchLimited(`${address}/stall`, { limitBytes: 9, signal: AbortSignal.timeout(40) }), {
      code: "cancelled",
    });
    await assert.rejects(fetchLimited(`${address}/gone`, { limitBytes: 9 }), { code: "not_found" });
    await assert.rejects(fetchLimited(`${address}/busy`, { limitBytes: 9 }), {
      code: "upstream_unreachable",
      message: /answered 503/,
    });
    assert.deepEqual(await readdir(folder), ["a"]);
  });
  await rm(folder, { recursive: true });
});

test("credentials that cannot be read are told, and not shown", async () => {
  await assert.rejects(fetchLimited("http://user:se%zzcret@127.0.0.1:9/x", { limitBytes: 9 }), (error) => {
    const { code, message, hint } = error as Failure;
    assert.deepEqual([code, message.includes("cret")], ["usage", false]);
    return /%25/.test(hint ?? "");
  });
});

test("redirects are followed only to where a stranger may send us", async () => {
  let port = "";
  const listener: RequestListener = (request, response) => {
    const targets: Record<string, string> = {
      "/local": `http://localhost:${port}/end`,
      "/self": "/self",
      "/file": "file:///etc/passwd",
      "/metadata": "http://169.254.169.254/",
      "/six": "http://[::ffff:127.0.0.1]/",
    };
    const target = targets[request.url ?? ""];
    if (target === undefined) response.end("end");
    else response.writeHead(302, { location: target }).end();
  };
  await withServer(listener, async (address) => {
    port = new URL(address).port;
    for (const path of ["/local", "/metadata", "/six"])
      await assert.rejects(fetchLimited(`${address}${path}`, { limitBytes: 9 }), { code: "forbidden" }, path);
    await assert.rejects(fetchLimited(`${address}/file`, { limitBytes: 9, allowPrivate: true }), { code: "usage" });
    await assert.rejects(fetchLimited(`${address}/self`, { limitBytes: 9, allowPrivate: true }), {
      code: "upstream_unreachable",
      message: /redirects/,
    });
  });
});

test("headers and credentials stay with the origin they were meant for, and messages keep secrets out", async () => {
  const seen: (string | undefined)[] = [];
  const answer: RequestListener = (request, response) => {
    seen.push(request.headers["x-token"] as string | undefined, request.headers.authorization);
    response.end("end");
  };
  await withServer(answer, async (other) => {
    await withServer(
      (request, response) => {
        seen.push(request.headers["x-token"] as string | undefined, request.headers.authorization);
        response.writeHead(307, { location: `${other}/x` }).end();
      },
      async (address) => {
        await fetchLimited(address.replace("//", "//ada:s%20ecret@"), {
          limitBytes: 9,
          allowPrivate: true,
          headers: { "x-token": "t" },
        });
      },
    );
  });
  assert.deepEqual(seen, ["t", `Basic ${Buffer.from("ada:s ecret").toString("base64")}`, undefined, undefined]);
  await assert.rejects(
    fetchLimited("http://user:secret@127.0.0.1:1/a?key=secret", { limitBytes: 9 }),
    (error: Error) => !error.message.includes("secret"),
  );
  for (const address of ["file:///etc/passwd", "ftp://x.example", "nonsense"])
    await assert.rejects(fetchLimited(address, { limitBytes: 9 }), { code: "usage" });
});
