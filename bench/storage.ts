/**
 * Measures start-up and garbage collection over many blobs: `node bench/storage.ts [--blobs N] [--garbage PERCENT]`.
 *
 * The blobs are empty files with rows, since neither start-up nor collection reads their bytes. Figures are printed,
 * never asserted.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { tickMs } from "../src/base/clock.ts";
import { silentLog } from "../src/base/log.ts";
import { loadConfig } from "../src/config/config.ts";
import { openFactory } from "../src/pipeline/pipeline.ts";
import { startServer } from "../src/server/server.ts";
import { openStore } from "../src/store/store.ts";

const { values } = parseArgs({
  options: { blobs: { type: "string", default: "200000" }, garbage: { type: "string", default: "30" } },
});
const blobCount = Number(values.blobs);
const garbagePercent = Number(values.garbage);
const layersPerImage = 10;
const imagesPerRepository = 100;

const folder = await mkdtemp(join(tmpdir(), "mintmark-storage-"));
try {
  const dataDir = join(folder, "data");
  await (await openStore({ dataDir })).close();
  await timed(`made ${blobCount} blobs`, async () => fill(dataDir));
  const config = await loadConfig({
    flags: { data: dataDir, listen: "127.0.0.1:0" },
    environment: { MINTMARK_GC_SCHEDULE: "never", MINTMARK_LOG_LEVEL: "silent" },
    cwd: folder,
  });
  // The first start makes keys and passwords; only the second is what a restart costs.
  for (const name of ["first start", "start-up"]) {
    const startedAt = tickMs();
    const factory = await openFactory(config, silentLog);
    const server = await startServer({ factory, config, log: silentLog, version: "0.0.0" });
    const ready = await fetch(new URL("/ready", server.url));
    tell(name, `${ms(tickMs() - startedAt)} until /ready said ${ready.status}`);
    if (name === "start-up") {
      await timed("bytes of all blobs, first asked", async () => void (await factory.store.blobs.usedBytes()));
      await timed("bytes of all blobs, asked again", async () => void (await factory.store.blobs.usedBytes()));
      await collectTwice(factory);
    }
    await server.close();
    await factory.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function collectTwice(factory: Awaited<ReturnType<typeof openFactory>>): Promise<void> {
  const zero = { actor: "bench", graceMs: 0, untaggedMs: 0, trashMs: 0 };
  const passes = [
    { name: "dry run", request: { ...zero, dryRun: true } },
    { name: "collection", request: zero },
    { name: "collection without garbage", request: zero },
  ];
  for (const { name, request } of passes) {
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const startedAt = tickMs();
    const id = await factory.collection.start(request);
    for await (const _event of factory.queue.watch(id)) void _event;
    const seconds = (tickMs() - startedAt) / 1000;
    delay.disable();
    const [run] = await factory.collection.runs();
    const report = run!.report as Record<string, number>;
    tell(
      name,
      `${seconds.toFixed(1)} s, ${Math.round(blobCount / seconds)} blobs/s; ${report["trashedManifests"]} manifests, ${report["removedBlobs"]} files removed; event loop p99 ${ms(delay.percentile(99) / 1e6)}, longest ${ms(delay.max / 1e6)}; ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB resident`,
    );
  }
}

function fill(dataDir: string): void {
  const database = new DatabaseSync(join(dataDir, "mintmark.db"));
  database.exec("pragma synchronous = off; pragma foreign_keys = off; begin");
  const statement = (sql: string): ReturnType<DatabaseSync["prepare"]> => database.prepare(sql);
  const repository = statement("insert into repositories (name, created_at) values (?, 1)");
  const link = statement(
    "insert into blob_links (repository, digest, size_bytes, linked_at, touched_at) values (?, ?, 0, 1, 1)",
  );
  const content = statement(
    "insert into manifest_contents (digest, size_bytes, bytes, created_at) values (?, 2, ?, 1)",
  );
  const manifest = statement(
    "insert into manifests (repository, digest, media_type, pushed_at, pushed_by) values (?, ?, 'application/vnd.oci.image.manifest.v1+json', 1, 'bench')",
  );
  const edge = statement("insert into manifest_edges (parent, child, kind) values (?, ?, 'layer')");
  const tag = statement("insert into tags (repository, name, digest, moved_at) values (?, ?, ?, 1)");
  for (let prefix = 0; prefix < 256; prefix += 1)
    mkdirSync(join(dataDir, "blobs/sha256", prefix.toString(16).padStart(2, "0")), { recursive: true });
  for (let image = 0; image < blobCount / layersPerImage; image += 1) {
    const name = `bench/app${Math.floor(image / imagesPerRepository)}`;
    if (image % imagesPerRepository === 0) repository.run(name);
    const digest = digestOf(`manifest ${image}`);
    content.run(digest, Buffer.from("{}"));
    manifest.run(name, digest);
    if (image % 100 >= garbagePercent) tag.run(name, `v${image}`, digest);
    for (let layer = 0; layer < layersPerImage; layer += 1) {
      const blob = digestOf(`blob ${image} ${layer}`);
      link.run(name, blob);
      edge.run(digest, blob);
      closeSync(openSync(join(dataDir, "blobs/sha256", blob.slice(7, 9), blob.slice(7)), "w"));
    }
  }
  database.exec("commit");
  database.close();
}

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

async function timed(name: string, work: () => Promise<void>): Promise<void> {
  const startedAt = tickMs();
  await work();
  tell(name, ms(tickMs() - startedAt));
}

function ms(duration: number): string {
  return duration < 1000 ? `${duration.toFixed(1)} ms` : `${(duration / 1000).toFixed(2)} s`;
}

function tell(name: string, text: string): void {
  console.log(`${name}: ${text}`);
}
