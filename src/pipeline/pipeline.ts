import { join } from "node:path";
import { importAdvisories } from "../advisories/advisories.ts";
import { isoSeconds } from "../base/clock.ts";
import { toFailure } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { clearWork, openWorkshop } from "../build/build.ts";
import type { Config } from "../config/config.ts";
import { followEvents, openQueue, openSchedules, type Queue, type RunContext } from "../jobs/jobs.ts";
import type { Digest } from "../model/digest.ts";
import type { Manifest } from "../model/oci.ts";
import type { ProgressEvent } from "../model/progress.ts";
import { openRegistry } from "../registry/registry.ts";
import { openKey } from "../sign/sign.ts";
import { addProof, listImageRecords, newestProof } from "../store/images-records.ts";
import { getRun, type RunRecord } from "../store/run-records.ts";
import { openStore, type Store, touchingBlobs } from "../store/store.ts";
import type { BuildContext, ProofRequest, Site } from "./build-context.ts";
import { buildKey, openBuildLanes } from "./build-lanes.ts";
import { openFeatures } from "./features.ts";
import type { BuildRequest, BuildRun, Factory, ImageSummary } from "./factory.ts";
import { mint } from "./mint.ts";
import { inquiries } from "./inquiries.ts";
import { openSealedDoors } from "./sealed-doors.ts";

export { restoreDataFolder } from "./backups.ts";
export { lintRecipes, type LintAnswer, type TestAnswer, testImage } from "./checks.ts";
export { emulationState } from "./emulation.ts";
export { planBake, prepareBake } from "./bake.ts";
export { type GraphState, recipeGraph, recipesOnMovedBases, variantWaves } from "./variants-due.ts";

/** How a factory is opened. */
interface FactoryOptions {
  /** Whether it stands for long, as a server does: one command's factory leaves proofs and feeds to the next server. */
  readonly isStanding?: boolean;
  /** Whether it proves what it builds all the same. */
  readonly proves?: boolean;
}

/**
 * The pipeline room: wires the stages and knows, alone, which follows which.
 *
 * mint.ts is the sentence; image-steps, evidence-steps and release-steps are its parts. It owns the definitions of
 * the jobs and promises that a build once accepted ends in an image or in a reason, also across `kill -9`.
 *
 * Opens the factory of a data folder as its one owner; unfinished builds go on at once.
 *
 * @throws Failure `data_locked`, `data_newer`, `key_unusable`
 */
export async function openFactory(config: Config, log: Log, options: FactoryOptions = {}): Promise<Factory> {
  const store = await openStore({ dataDir: config.dataDir, log, upgradeBackupFolder: config.backup.folder });
  try {
    return await assemble({
      config,
      store,
      log,
      isStanding: options.isStanding ?? true,
      proves: options.proves ?? true,
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}

const defaultHost = (config: Config): string =>
  new URL(config.publicUrl ?? `http://${config.listen.host}:${config.listen.port}`).host;

interface Assembly extends Required<FactoryOptions> {
  readonly config: Config;
  readonly store: Store;
  readonly log: Log;
}

async function assemble({ config, store, log, isStanding, proves }: Assembly): Promise<Factory> {
  await clearWork(config.dataDir);
  const registry = openRegistry(store);
  // A build counts on blobs long before anything names them.
  const touched: Store = { ...store, blobs: touchingBlobs(store.blobs) };
  const { dataDir, upstreams } = config;
  const sources = upstreams.apt.length === 0 ? {} : { sources: upstreams.apt };
  const workshop = await openWorkshop({ dataDir, blobs: touched.blobs, ...sources });
  const keys = await openKeys(config);
  let host = defaultHost(config);
  const queue = await openQueue({ store, log, concurrency: jobCount });
  const schedules = openSchedules({ store, log });
  const lanes = openBuildLanes({ store, config });
  const site: Site = {
    store: touched,
    registry,
    workshop,
    config,
    log,
    keys,
    registryHost: () => host,
    sealedDoors: () => doors,
    async requestProof(proof) {
      await addProof(store.db, { digest: proof.image, result: "pending", detail: "a clean rebuild is to come" });
      if (proves) await enqueueProof(queue, proof);
    },
  };
  const pems = { releasePem: keys.release.publicPem, evidencePem: keys.evidence.publicPem };
  const ground = { store, registry, workshop, queue, schedules, config, log, isStanding, ...pems };
  const { features, stop, close } = await openFeatures(ground);
  const doors = openSealedDoors({ ...features, config, registry, registryHost: () => host });
  queue.define("build", 1, (job) => runBuild(site, job), { attemptsMax: 1 });
  if (proves) queue.define("proof", 1, (job) => runProof(site, job), { attemptsMax: 2 });
  if (isStanding) await takeStanding(site, queue);
  return {
    store,
    registry,
    config,
    log,
    keys,
    queue,
    schedules,
    followEvents: async (following) => await followEvents({ ...following, store, log }),
    announce: (url) => void (host = new URL(url).host),
    startBuild: (request) =>
      lanes.enter(request, (lane) => queue.enqueue({ name: "build", input: request, concurrencyKey: lane })),
    watch: (runId, after, signal) => watchRun(queue, { runId, after: after ?? 0, signal }),
    run: async (runId) => buildRun(await getRun(store.db, runId)),
    cancelBuild: (runId) => queue.cancel(runId),
    settled: () => queue.drain(),
    ...inquiries(site),
    ...features,
    async close() {
      schedules.close();
      await stop();
      await queue.close({ waitMs: config.shutdownSeconds * 1000 });
      await close();
      await store.close();
    },
  };
}

async function openKeys(config: Config): Promise<Factory["keys"]> {
  const folder = join(config.dataDir, "keys");
  const given = config.keys.passphrase === undefined ? {} : { passphrase: config.keys.passphrase };
  return {
    release: await openKey({ folder, name: "release", ...given }),
    evidence: await openKey({ folder, name: "evidence", ...given }),
  };
}

/** What is done at leisure: proofs that commands left, and the feeds that the configuration names. */
async function takeStanding(site: Site, queue: Queue): Promise<void> {
  queue.define("advisories", 1, async ({ input, signal }) => {
    const reports = await importAdvisories(site.store, { place: input as string, signal });
    return reports.map(({ feed, added, changed, removed }) => ({ feed: feed.name, added, changed, removed }));
  });
  for (const proof of await pendingProofs(site)) await enqueueProof(queue, proof);
  for (const place of site.config.advisories.sources)
    await queue.enqueue({ name: "advisories", input: place, dedupeKey: `advisories:${place}` });
}

async function enqueueProof(queue: Queue, proof: ProofRequest): Promise<void> {
  await queue.enqueue({ name: "proof", input: proof, concurrencyKey: buildKey, dedupeKey: proof.image });
}

/** Images that a command minted and left to be proven. */
async function pendingProofs({ store }: Site): Promise<ProofRequest[]> {
  const proofs: ProofRequest[] = [];
  for (const { digest, summary } of await listImageRecords(store.db, pendingMax)) {
    if ((await newestProof(store.db, digest))?.result !== "pending") continue;
    const { recipe, distribution, architecture, lockDigest } = JSON.parse(summary) as ImageSummary;
    proofs.push({
      image: digest as Digest,
      lockDigest,
      request: { recipe, distribution, architecture, mode: "auto", actor: "proof" },
    });
  }
  return proofs;
}

/** Newest images that are looked through for a proof to come. */
const pendingMax = 200;

/** Runs at the same time; builds and proofs are three of them at most. */
const jobCount = 4;

async function runBuild(site: Site, job: RunContext): Promise<{ image: Digest }> {
  const request = job.input as BuildRequest;
  return { image: await reporting({ ...site, job, request, pinnedLock: undefined, durations: {} }) };
}

/** Builds again from nothing. What is equal is proven; what is not is replaced by the clean image. */
async function runProof(site: Site, job: RunContext): Promise<{ image: Digest }> {
  const { image, lockDigest, request } = job.input as ProofRequest;
  const clean = await reporting({ ...site, job, request, pinnedLock: lockDigest, proves: image, durations: {} });
  const isEqual = clean === image;
  const differing = isEqual ? "" : await differences(site, image, clean);
  const detail = isEqual
    ? "a clean build from the same lock gave the same digest"
    : `a clean build from the same lock gave ${clean}, which has taken its tags${differing}`;
  await addProof(site.store.db, { digest: image, result: isEqual ? "yes" : "no", detail });
  // A Containerfile's build is clean at once: where two differ, neither is what the lock always gives.
  if (!isEqual && (await site.workshop.sealed.isLock(lockDigest)))
    await addProof(site.store.db, {
      digest: clean,
      result: "no",
      detail: `an earlier build from the same lock gave ${image}${differing}`,
    });
  if (!isEqual) site.log.error({ image, clean, detail }, "an image differs from its clean build and was replaced");
  return { image: clean };
}

/** Differences that a proof names. */
const namedDifferences = 20;

/** The files that differ, for people. */
async function differences({ workshop, store }: Site, before: Digest, after: Digest): Promise<string> {
  const manifestOf = async (digest: Digest): Promise<Manifest> =>
    JSON.parse((await store.blobs.read(digest)).toString("utf8")) as Manifest;
  const { config, files } = await workshop.difference(await manifestOf(before), await manifestOf(after));
  const lines = [...config, ...files.map(({ path, kind, what }) => `${kind} ${path}: ${what.join(", ")}`)];
  const more = lines.length > namedDifferences ? ` and ${lines.length - namedDifferences} more` : "";
  return `; what differs: ${lines.slice(0, namedDifferences).join("; ")}${more}`;
}

/** Mints and tells how it ended, whatever the end. */
async function reporting(context: BuildContext): Promise<Digest> {
  const emit = (event: ProgressEvent): void => context.job.emit(event);
  try {
    const image = await mint(context);
    emit({ kind: "finished", image });
    return image;
  } catch (error) {
    const { code, message, hint } = toFailure(error);
    if (!context.job.signal.aborted) emit({ kind: "failed", step: undefined, code, message, hint });
    throw error;
  }
}

interface WatchInput {
  readonly runId: string;
  readonly after: number;
  readonly signal: AbortSignal | undefined;
}

async function* watchRun(queue: Queue, { runId, after, signal }: WatchInput): ReturnType<Factory["watch"]> {
  for await (const { sequence, at, event } of queue.watch(runId, after, signal))
    yield { sequence, at: isoSeconds(at), event: event as ProgressEvent };
}

function buildRun(record: RunRecord | undefined): BuildRun | undefined {
  if (record === undefined) return undefined;
  const output = record.output as { image?: Digest } | undefined;
  const input = record.input as BuildRequest | ProofRequest;
  return {
    id: record.id,
    state: record.state === "cancelled" ? "failed" : record.state,
    request: "request" in input ? input.request : input,
    ...(output?.image === undefined ? {} : { image: output.image }),
    ...(record.failure === undefined || record.state === "succeeded" ? {} : { failure: record.failure }),
  };
}
