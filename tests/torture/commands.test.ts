import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../../src/base/child.ts";
import { imageOf, poolBlob } from "./images.ts";
import { startServer } from "./server.ts";
import { send } from "./wire.ts";

const program = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

test("an image is deleted, explained, collected and taken back by commands, beside a server and without one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-gc-"));
  const dataDir = join(folder, "data");
  const mintmark = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    await run(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args, "--data", dataDir], {
      env: { ...process.env, MINTMARK_LOG_LEVEL: "error", NO_COLOR: "1" } as Record<string, string>,
      timeoutMs: 120_000,
    });
  let server = await startServer(dataDir);
  try {
    const blobs = [poolBlob(7, 1), poolBlob(7, 2)];
    const image = imageOf(blobs, { salt: "commands" });
    for (const { digest, bytes } of blobs) {
      const path = `/v2/team/app/blobs/uploads/?digest=${digest}`;
      assert.equal((await send(server, { method: "POST", path, body: bytes })).status, 201);
    }
    const put = { path: "/v2/team/app/manifests/1.0", headers: { "content-type": image.mediaType } };
    assert.equal((await send(server, { method: "PUT", body: image.text, ...put })).status, 201);

    const explained = await mintmark("gc", "explain", blobs[1]!.digest);
    assert.equal(explained.code, 0, explained.stderr);
    assert.match(explained.stdout, /team\/app: stays \(blob\)\n {2}the tag "1\.0" points to it\n {2}sha256:/);
    assert.equal((await mintmark("gc", "explain", `sha256:${"0".repeat(64)}`)).code, 1);

    const path = `/v2/team/app/manifests/${image.digest}`;
    assert.equal((await send(server, { method: "DELETE", path })).status, 202);
    const dry = await mintmark("gc", "--dry-run", "--grace", "0", "--json");
    assert.equal(dry.code, 0, dry.stderr);
    assert.equal((JSON.parse(dry.stdout) as { trashedBlobs: number }).trashedBlobs, 2);
    assert.match((await mintmark("gc", "plan")).stdout, new RegExp(`link +team/app +${blobs[0]!.digest}`));
    const collected = await mintmark("gc", "--grace", "0");
    assert.match(collected.stdout, /moved into the trash: 0 manifests, 2 blobs/);
    assert.match((await mintmark("gc", "list")).stdout, new RegExp(`team/app +1\\.0 +${image.digest}`));

    assert.equal(await server.stop(), 0);
    const restored = await mintmark("gc", "restore", image.digest);
    assert.match(restored.stdout, /team\/app: 1 restored, with the tags 1\.0/, restored.stderr);
    assert.equal((await mintmark("gc", "restore", image.digest)).code, 1);
    const scrubbed = await mintmark("scrub");
    assert.match(scrubbed.stdout, /^2 blobs read/, scrubbed.stderr);
    assert.match((await mintmark("gc", "runs")).stdout, /scrub .*succeeded/);
    assert.equal((await mintmark("gc", "--grace", "soon")).code, 2);

    server = await startServer(dataDir);
    const pulled = await send(server, { method: "GET", path: "/v2/team/app/manifests/1.0" });
    assert.equal(pulled.bytes.toString(), image.text);
    const metrics = (await send(server, { method: "GET", path: "/metrics" })).bytes.toString();
    assert.match(metrics, /mintmark_gc_seconds_since_success \d/);
    assert.match(metrics, new RegExp(`mintmark_store_bytes ${blobs[0]!.bytes.length + blobs[1]!.bytes.length}\n`));
  } finally {
    await server.kill();
    await rm(folder, { recursive: true });
  }
});
