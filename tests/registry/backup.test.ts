import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { mintmark } from "./command-line.ts";
import { digestOf, pushImage, runServer, type RunningServer } from "./running-server.ts";

test("a server is backed up while images are pushed, and restored elsewhere as it was", async (context) => {
  const home = await mkdtemp(join(tmpdir(), "mintmark-backup-"));
  const running: RunningServer[] = [];
  context.after(async () => {
    for (const one of running) await one.close();
    await rm(home, { recursive: true, force: true });
  });
  const [data, copies, elsewhere] = [join(home, "data"), join(home, "copies"), join(home, "elsewhere")];
  const server = await runServer(data);
  running.push(server);
  const before = await pushImage(server, "team/app", "before", Buffer.alloc(3_000_000, "a"));
  const pushing = Promise.all(
    Array.from(
      { length: 20 },
      async (_, index) => await pushImage(server, "team/busy", `t${index}`, Buffer.alloc(50_000, index)),
    ),
  );
  const made = await mintmark(data, "backup", copies);
  assert.equal(made.code, 0, made.err);
  await pushing;
  await pushImage(server, "team/app", "after", Buffer.alloc(1000, "z"));
  const again = await mintmark(data, "backup", "create", copies, "--json");
  const second = JSON.parse(again.out) as { id: string; blobs: { count: number; addedCount: number } };
  assert.ok(second.blobs.addedCount < second.blobs.count);
  const listed = await mintmark(data, "backup", "list", copies, "--json");
  const { backups } = JSON.parse(listed.out) as { backups: { id: string }[] };
  assert.equal(backups.length, 2);
  assert.match((await mintmark(data, "backup", "verify", copies)).out, /all whole/);
  const refused = await mintmark(data, "restore", copies);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /is not empty/);
  await running.pop()!.close();

  const restored = await mintmark(elsewhere, "restore", copies, "--backup", backups[1]!.id);
  assert.equal(restored.code, 0, restored.err);
  const copy = await runServer(elsewhere);
  running.push(copy);
  const headers = { authorization: copy.administrator };
  const manifest = await fetch(`${copy.url}/v2/team/app/manifests/before`, { headers });
  assert.equal(await manifest.text(), before.manifest);
  const layer = await fetch(`${copy.url}/v2/team/app/blobs/${digestOf(before.layer)}`, { headers });
  assert.equal(Buffer.compare(Buffer.from(await layer.arrayBuffer()), before.layer), 0);
  assert.equal((await fetch(`${copy.url}/v2/team/app/manifests/after`, { headers })).status, 404);
  // Whatever of the busy repository the instant caught is there as a whole.
  const { tags } = (await (await fetch(`${copy.url}/v2/team/busy/tags/list`, { headers })).json()) as {
    tags?: string[];
  };
  for (const tag of tags ?? []) {
    const document = (await (await fetch(`${copy.url}/v2/team/busy/manifests/${tag}`, { headers })).json()) as {
      layers: { digest: string }[];
    };
    assert.equal(
      (await fetch(`${copy.url}/v2/team/busy/blobs/${document.layers[0]!.digest}`, { headers })).status,
      200,
    );
  }
});
