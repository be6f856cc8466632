import { importAdvisories } from "../advisories/advisories.ts";
import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { machineArchitecture, type LoadedRecipe } from "../build/build.ts";
import { parseDigest, type Digest } from "../model/digest.ts";
import type { Manifest } from "../model/oci.ts";
import type { ScanReport } from "../model/finding.ts";
import type { ProgressListener } from "../model/progress.ts";
import { parseReference } from "../model/reference.ts";
import { packagesFromDpkgStatus } from "../sbom/sbom.ts";
import { verifyImage, type VerificationReport } from "../sign/sign.ts";
import { listExceptions } from "../store/exception-records.ts";
import { findImageRecord, listImageRecords, newestProof, type ImageRecord } from "../store/images-records.ts";
import type { Site } from "./build-context.ts";
import { judgeReport, matchPackages } from "./evidence-steps.ts";
import type { AdvisoryImport, BuildRequest, Factory, ImageSummary } from "./factory.ts";
import { recipeFolder } from "./mint.ts";
import { requiredEvidence } from "./release-steps.ts";
import { registrySource } from "./registry-source.ts";

type Inquiries = Pick<
  Factory,
  "images" | "image" | "lock" | "sbom" | "scan" | "gate" | "verify" | "difference" | "why" | "importAdvisories"
>;

const listedMax = 1000;

/** Everything that can be asked about images without building one. */
export function inquiries(site: Site): Inquiries {
  const { store } = site;
  const scan = async (reference: string): Promise<{ image: ImageSummary; report: ScanReport }> => {
    const image = await required(site, reference);
    return { image, report: await scanAgain(site, image) };
  };
  return {
    images: async () =>
      Promise.all((await listImageRecords(store.db, listedMax)).map((record) => present(site, record))),
    image: (reference) => find(site, reference),
    lock: (request, listener) => makeLock(site, request, listener),
    async sbom(reference, format) {
      const { evidence } = await required(site, reference);
      return (await store.blobs.read(evidence.find(({ kind }) => kind === format)!.digest)).toString("utf8");
    },
    scan: async (reference) => (await scan(reference)).report,
    async gate(reference) {
      const { image, report } = await scan(reference);
      return judgeReport(site, { report, exceptions: await listExceptions(store.db), repository: image.repository });
    },
    verify: (reference) => verifyReference(site, reference),
    async difference(before, after) {
      const manifestOf = async (reference: string): Promise<Manifest> => {
        const { repository, digest } = await required(site, reference);
        const found = await site.registry.getManifest(repository, digest);
        if (found === undefined) throw new Failure("not_found", `Cannot compare "${digest}": "${repository}" lost it`);
        return JSON.parse(found.bytes.toString("utf8")) as Manifest;
      };
      return await site.workshop.difference(await manifestOf(before), await manifestOf(after));
    },
    async why(reference) {
      const image = await required(site, reference);
      const verdict = image.evidence.find(({ kind }) => kind === "verdict");
      return {
        image,
        verdict:
          verdict === undefined
            ? undefined
            : (JSON.parse((await store.blobs.read(verdict.digest)).toString("utf8")) as unknown),
        lock: await lockSummary(site, image.lockDigest),
      };
    },
    importAdvisories: (source, listener) => importFeeds(site, source, listener),
  };
}

/** An index is verified with each image that it names. */
async function verifyReference(site: Site, reference: string): Promise<VerificationReport> {
  const { repository, digest, index } = await required(site, reference);
  const common = {
    source: registrySource(site.registry, site.store.blobs),
    repository,
    keys: { release: [site.keys.release.publicPem], evidence: [site.keys.evidence.publicPem] },
    formats: ["simple-signing", "bundle"],
    require: requiredEvidence,
    deep: true,
  } as const;
  const one = (image: Digest): Promise<VerificationReport> => verifyImage({ ...common, reference: image });
  if (index === undefined || (await digestOf(site, reference)) !== index.digest) return await one(digest);
  const whole = await verifyImage({ ...common, deep: false, reference: index.digest });
  const parts: VerificationReport[] = [];
  for (const image of index.images) parts.push(await one(image.digest));
  return {
    ...whole,
    result: [whole, ...parts].every(({ result }) => result === "pass") ? "pass" : "fail",
    checks: [whole, ...parts].flatMap(({ checks }) => checks),
    evidence: [whole, ...parts].flatMap(({ evidence }) => evidence),
  };
}

async function lockSummary({ workshop }: Site, digest: Digest): Promise<unknown> {
  if (await workshop.sealed.isLock(digest)) {
    const { requests, ...lock } = await workshop.sealed.lockOf(digest);
    return { ...lock, requestCount: requests.length };
  }
  const { recipe, distribution, indexes, resolver } = await workshop.lockOf(digest);
  return { recipe, distribution, indexes, resolver };
}

async function find(site: Site, reference: string): Promise<ImageSummary | undefined> {
  const digest = await digestOf(site, reference);
  if (digest === undefined) return undefined;
  const record = (await findImageRecord(site.store.db, digest)) ?? (await recordOfIndex(site, digest));
  return record === undefined ? undefined : present(site, record);
}

/** Of the images of an index the machine's own, else the first. */
async function recordOfIndex({ store }: Site, digest: Digest): Promise<ImageRecord | undefined> {
  const records = await listImageRecords(store.db, listedMax);
  const summaries = records.map(({ summary }) => JSON.parse(summary) as ImageSummary);
  const images = summaries.find(({ index }) => index?.digest === digest)?.index?.images ?? [];
  const own = images.find(({ architecture }) => architecture === machineArchitecture) ?? images[0];
  return own === undefined ? undefined : await findImageRecord(store.db, own.digest);
}

async function digestOf({ registry }: Site, text: string): Promise<Digest | undefined> {
  const digest = parseDigest(text);
  if (digest !== undefined) return digest;
  const reference = parseReference(text);
  if (reference === undefined) return undefined;
  return reference.digest ?? (await registry.getManifest(reference.repository, reference.tag ?? "latest"))?.digest;
}

async function required(site: Site, reference: string): Promise<ImageSummary> {
  const image = await find(site, reference);
  if (image !== undefined) return image;
  throw new Failure("not_found", `Cannot find the image "${reference}": it was not minted here`, {
    hint: "`mintmark image list` shows what was",
  });
}

/** The stored summary with what moves: tags and the proof. */
async function present(site: Site, record: ImageRecord): Promise<ImageSummary> {
  const { index, ...summary } = JSON.parse(record.summary) as ImageSummary;
  const { repository, digest } = summary;
  const proof = await newestProof(site.store.db, digest);
  return {
    ...summary,
    tags: await tagsAt(site, { repository, digest, tags: summary.tags }),
    reproduced: proof?.result ?? summary.reproduced,
    ...(proof?.result === "no" ? { difference: proof.detail } : {}),
    ...(index === undefined ? {} : { index: { ...index, tags: await tagsAt(site, { ...index, repository }) } }),
  };
}

/** Those of some tags that are still where they were put. */
async function tagsAt(
  { registry }: Site,
  { repository, digest, tags }: Pick<ImageSummary, "repository" | "digest" | "tags">,
): Promise<string[]> {
  const there: string[] = [];
  for (const tag of tags) if ((await registry.getManifest(repository, tag))?.digest === digest) there.push(tag);
  return there;
}

/** Today's findings: lists are updated where the archives answer, and used as they are where not. */
async function scanAgain(site: Site, image: ImageSummary): Promise<ScanReport> {
  const manifest = await site.registry.getManifest(image.repository, image.digest);
  const status =
    manifest === undefined
      ? undefined
      : await site.workshop.fileInImage(
          JSON.parse(manifest.bytes.toString("utf8")) as Parameters<Site["workshop"]["fileInImage"]>[0],
          "var/lib/dpkg/status",
        );
  if (status === undefined)
    throw new Failure("not_found", `Cannot scan "${image.digest}": its package database cannot be read`);
  const watch = { signal: new AbortController().signal, onProgress: () => undefined };
  const packages = packagesFromDpkgStatus(status.toString("utf8"));
  const [id = "", version = ""] = image.distribution.split(":");
  const distribution = { id, version, codename: "" };
  const scope = { distribution, architecture: image.architecture, packages };
  const suites = await site.workshop.security(scope, { ...watch, refresh: true }).catch((error: unknown) => {
    if (!(error instanceof Failure) || error.code !== "upstream_unreachable") throw error;
    return site.workshop.security(scope, { ...watch, refresh: false });
  });
  return matchPackages(site, { distribution, packages, suites });
}

/** One lock for each architecture; of several the changes say whose they are. */
async function makeLock(
  site: Site,
  request: BuildRequest,
  listener: ProgressListener,
): Promise<{ path: string; changes: string[] }> {
  const folder = await recipeFolder({ ...site, request });
  const own = await site.workshop.load(folder, request.architecture);
  const all = request.architecture === undefined ? own.recipe.architectures : undefined;
  if (all === undefined || all.length === 1) return await lockLoaded(site, { loaded: own, request, listener });
  const made: { path: string; changes: string[] }[] = [];
  for (const architecture of all) {
    const loaded = await site.workshop.load(folder, architecture);
    const { path, changes } = await lockLoaded(site, { loaded, request: { ...request, architecture }, listener });
    made.push({ path, changes: changes.map((line) => `${architecture}: ${line}`) });
  }
  return { path: made.map(({ path }) => path).join(", "), changes: made.flatMap(({ changes }) => changes) };
}

async function lockLoaded(
  site: Site,
  { loaded, request, listener }: LockWish,
): Promise<{ path: string; changes: string[] }> {
  const { workshop } = site;
  if (loaded.containerfile !== undefined) return await recordLock(site, { loaded, request, listener });
  const target = await workshop.target(loaded, request.distribution);
  const previous = await workshop.readLock(target).catch(() => undefined);
  listener({ kind: "step-started", step: "resolve" });
  const { lock } = await workshop.resolve(loaded, target, { previous, signal: new AbortController().signal });
  await workshop.writeLock(target, lock);
  return { path: target.lockPath, changes: workshop.changes(previous, lock) };
}

interface LockWish {
  readonly loaded: LoadedRecipe;
  readonly request: BuildRequest;
  readonly listener: ProgressListener;
}

/** What a Containerfile takes in is only known by running it. */
async function recordLock(
  { workshop: { sealed }, sealedDoors }: Site,
  { loaded, request, listener }: LockWish,
): Promise<{ path: string; changes: string[] }> {
  const previous = await sealed.readLock(loaded).catch(() => undefined);
  listener({ kind: "step-started", step: "resolve" });
  const { lock } = await sealed.record({
    loaded,
    args: {},
    exit: sealedDoors().exit,
    source: sealedDoors().bases,
    epochSeconds: Math.floor(nowMs() / 1000),
    actor: request.actor,
    watch: {
      signal: new AbortController().signal,
      onProgress: (done, total, note) =>
        listener({
          kind: "step-progress",
          step: "resolve",
          done,
          total,
          unit: "instructions",
          ...(note === undefined ? {} : { note }),
        }),
      onLine: (line) => listener({ kind: "log", step: "resolve", line }),
    },
  });
  await sealed.writeLock(loaded, lock);
  return { path: sealed.lockPath(loaded), changes: sealed.changes(previous, lock) };
}

async function importFeeds({ store }: Site, place: string, listener: ProgressListener): Promise<AdvisoryImport[]> {
  const reports = await importAdvisories(store, {
    place,
    onProgress: (feed, recordCount) =>
      listener({ kind: "step-progress", step: "scan", done: recordCount, total: 0, unit: "records", note: feed }),
  });
  return reports.map(({ feed, invalid }) => ({
    feed: feed.name,
    recordCount: feed.recordCount,
    refused: invalid.map(({ record, problem }) => ({ name: record, reason: problem })),
  }));
}
