import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { newId, nowMs } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import { openWorkshop, type Workshop } from "../build/build.ts";
import { type Digest, sha256Digest } from "../model/digest.ts";
import type { Lock } from "../model/lock.ts";
import { mediaTypes } from "../model/oci.ts";
import { openRegistry } from "../registry/registry.ts";
import { putImageRecord, putStageRecord } from "../store/images-records.ts";
import { createRun, endAttempt, claimRun } from "../store/run-records.ts";
import { finishStep, startStep } from "../store/run-step-records.ts";
import { openStore, type Store, touchingBlobs } from "../store/store.ts";
import { findHeldBlobs } from "./held-blobs.ts";

const day = 24 * 60 * 60_000;

function lockOver(archive: string): Lock {
  const hash = sha256Hex(archive);
  const index = { suite: "s", codename: "c", origin: "o", label: "l", signedBy: ["k"], dateSeconds: 1, lists: [] };
  const names = { name: archive, version: "1", architecture: "amd64", source: archive, sourceVersion: "1", path: "p" };
  return {
    schemaVersion: 1,
    recipe: { name: "r", sha256: hash },
    distribution: { id: "debian", version: "12", codename: "c" },
    architecture: "amd64",
    epochSeconds: 1,
    resolver: { name: "apt", version: "1" },
    indexes: [{ ...index, inReleaseSha256: sha256Hex(`index of ${archive}`) }],
    packages: [{ ...names, sizeBytes: 1, sha256: hash, index: 0, requested: true, essential: false, layer: 0 }],
  };
}

interface Site {
  readonly store: Store;
  readonly workshop: Workshop;
  held(cacheMs?: number): Promise<Map<Digest, string>>;
}

async function withSite(work: (site: Site) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-held-"));
  const store = await openStore({ dataDir: folder });
  const workshop = await openWorkshop({ dataDir: folder, blobs: touchingBlobs(store.blobs), sources: [] });
  try {
    await work({
      store,
      workshop,
      held: async (cacheMs = day) => await findHeldBlobs({ db: store.db, workshop, cacheMs }),
    });
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
}

describe("the blobs that the factory holds", () => {
  test("are lock and evidence of each minted image, and what its lock names while the image is there", async () => {
    await withSite(async ({ store, workshop, held }) => {
      const registry = openRegistry(store);
      const [kept, gone] = [await workshop.keepLock(lockOver("kept")), await workshop.keepLock(lockOver("gone"))];
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] }));
      const put = { repository: "app", reference: "v1", mediaType: mediaTypes.index, bytes, actor: "x" };
      const { digest } = await registry.putManifest(put);
      const evidence = sha256Digest(sha256Hex("sbom"));
      const summary = JSON.stringify({ evidence: [{ kind: "spdx", digest: evidence }] });
      const record = { repository: "app", recipe: "app", summary, builtAtMs: 1 };
      await putImageRecord(store.db, { digest, lockDigest: kept, ...record });
      await putImageRecord(store.db, { digest: sha256Digest(sha256Hex("gone image")), lockDigest: gone, ...record });
      const found = await held();
      for (const one of [digest, kept, gone, evidence]) assert.ok(found.has(one));
      assert.match(found.get(sha256Digest(sha256Hex("kept")))!, /named by the lock .* of the image/);
      assert.ok(found.has(sha256Digest(sha256Hex("index of kept"))));
      assert.equal(found.has(sha256Digest(sha256Hex("gone"))), false, "nobody can pull what it was for");
      assert.equal(found.has(sha256Digest(sha256Hex("index of gone"))), false);
    });
  });

  test("are what a build under way named, and what recent builds gave", async () => {
    await withSite(async ({ store, workshop, held }) => {
      const lockDigest = await workshop.keepLock(lockOver("archive"));
      const archive = sha256Digest(sha256Hex("archive"));
      const layer = sha256Digest(sha256Hex("layer"));
      const now = nowMs() - 2 * day;
      const run = { definition: "build", definitionVersion: 1, input: { recipe: "r" }, now };
      const { id } = await store.transaction(async (db) => await createRun(db, run));
      await store.transaction(async (db) => {
        await startStep(db, { runId: id, name: "resolve" }, { inputDigest: "", attempt: 1, now });
        await finishStep(db, { runId: id, name: "resolve" }, { output: { lockDigest }, now });
      });
      await putStageRecord(store.db, { stage: "layers", inputSha256: "1", output: JSON.stringify([layer]) });
      const during = await held();
      assert.ok(during.has(lockDigest) && during.has(archive) && during.has(layer));
      const owner = newId();
      await claimRun(store.db, { owner, now: nowMs(), until: nowMs() + day }, ["build"]);
      await endAttempt(store.db, { id, owner, now: nowMs() }, { kind: "succeeded", output: {} });
      assert.ok((await held(3 * day)).has(archive), "it ran within the time of the cache");
      assert.equal((await held(day)).has(archive), false, "it ran before");
    });
  });

  test("survive a lock that is lost", async () => {
    await withSite(async ({ store, held }) => {
      const lockDigest = sha256Digest(sha256Hex("lost"));
      const input = { image: lockDigest, lockDigest };
      const run = { definition: "proof", definitionVersion: 1, input, now: nowMs() };
      await store.transaction(async (db) => await createRun(db, run));
      assert.deepEqual([...(await held()).keys()], [lockDigest]);
    });
  });
});
