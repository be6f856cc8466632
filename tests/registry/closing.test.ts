/** A server that closes leaves nothing open behind: no connection to a receiver or a peer, nothing that waits. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runServer } from "./running-server.ts";

/** Well above what a close takes, well below every time limit of a request. */
const longestMs = 4000;

for (const isSilent of [false, true])
  test(`webhooks, peers and metrics do not keep a server open whose ${isSilent ? "receiver is silent" : "receiver answers"}`, async (context) => {
    const dataDir = await mkdtemp(join(tmpdir(), "mintmark-closing-"));
    context.after(async () => await rm(dataDir, { recursive: true, force: true }));
    const asked = Promise.withResolvers<void>();
    const elsewhere = createServer((request, response) => {
      asked.resolve();
      request.resume().on("end", () => {
        if (!isSilent) response.end("{}");
      });
    });
    elsewhere.listen(0, "127.0.0.1");
    await once(elsewhere, "listening");
    context.after(() => elsewhere.closeAllConnections());
    const url = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    const server = await runServer(dataDir, { MINTMARK_WEBHOOKS_ALLOWED_HOSTS: "127.0.0.1" });
    const ask = async (method: string, path: string, body?: unknown): Promise<void> => {
      const type = body === undefined ? {} : { "content-type": "application/json" };
      const answer = await fetch(server.url + path, {
        method,
        headers: { authorization: server.administrator, ...type },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${await answer.text()}`);
    };
    await ask("POST", "/webhooks", { name: "w", events: ["project.created"], targets: [{ url }] });
    await ask("POST", "/peers", { name: "far", url });
    await ask("GET", "/metrics");
    await ask("POST", "/projects", { name: "p" });
    await asked.promise;
    // The look at a silent peer is still under way.
    const check = ask("POST", "/peers/far/check").catch(() => undefined);
    if (!isSilent) await check;
    const isInTime = async (work: Promise<unknown>): Promise<boolean> => {
      const late = new Promise<false>((resolve) => setTimeout(resolve, longestMs, false).unref());
      return await Promise.race([work.then(() => true), late]);
    };
    assert.ok(await isInTime(server.close()), "the server closes");
    const gone = new Promise((resolve) => elsewhere.close(resolve));
    assert.ok(await isInTime(gone), "no connection of ours is left");
    await check;
  });
