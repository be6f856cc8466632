import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runMirror } from "./running-mirror.ts";

const publisher = fileURLToPath(new URL("./publisher.ts", import.meta.url));
const contentOf = (number: number): string => `${number} `.repeat(50_000);

/** Runs the publisher and kills it so many milliseconds after it is ready; gives what it said that it had published. */
async function killedAfter(dataDir: string, { ms, first }: { ms: number; first: number }): Promise<number[]> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", publisher, dataDir, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const published: number[] = [];
  for await (const line of createInterface({ input: child.stdout }))
    if (line === "ready") setTimeout(() => child.kill("SIGKILL"), ms);
    else published.push(Number(line));
  return published;
}

test(
  "whatever the moment of a kill, what was answered is there and nothing is there in half",
  { timeout: 60_000 },
  async () => {
    const upstream = createServer((request, response) => {
      const content = contentOf(Number(/\d+$/.exec(request.url ?? "")?.[0]));
      response.writeHead(200, { "content-length": content.length });
      response.write(content.slice(0, 40_000));
      setTimeout(() => response.end(content.slice(40_000)), 5);
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`;
    const site = await runMirror([
      { name: "own", format: "raw", kind: "hosted", isPublic: true },
      { name: "far", format: "raw", kind: "proxy", upstream: address, isPublic: true },
    ]);
    await site.stop();
    const published: number[] = [];
    for (const [round, ms] of [30, 75, 130, 210].entries())
      published.push(...(await killedAfter(site.dataDir, { ms, first: round * 1000 })));
    assert.ok(published.length > 4, `${published.length} publications in all`);
    const again = await site.restart();
    try {
      const { store } = again.server.factory;
      for await (const digest of store.blobs.list()) {
        const bytes = await store.blobs.read(digest);
        assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, digest);
      }
      const numbers = [0, 1000, 2000, 3000].flatMap((first) =>
        Array.from({ length: 300 }, (_, index) => first + index),
      );
      for (const number of numbers) {
        const own = await fetch(`${again.base("own")}/f/${number}`);
        const text = await own.text();
        if (own.status === 404) assert.ok(!published.includes(number), `the publication ${number} was answered`);
        else assert.equal(text, contentOf(number));
        if (own.status === 404) continue;
        assert.equal(await (await fetch(`${again.base("far")}/f/${number}`)).text(), contentOf(number));
      }
    } finally {
      await again.close();
      upstream.closeAllConnections();
      upstream.close();
    }
  },
);
