import { nowMs } from "../../base/clock.ts";
import { Failure, toFailure } from "../../base/errors.ts";
import type { RunContext } from "../../jobs/jobs.ts";
import type { Digest } from "../../model/digest.ts";
import type { ScanReport } from "../../model/finding.ts";
import type { Manifest } from "../../model/oci.ts";
import type { Package } from "../../model/package.ts";
import { catalogueImage } from "../../sbom/sbom.ts";
import {
  beginScan,
  endScan,
  finishScan,
  releaseScan,
  type OwnFindings,
  type ScanCatalogue,
  type ScanRecord,
} from "../../store/admission-records.ts";
import { isBlobBesideManifest } from "../../store/blob-link-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findImageRecord } from "../../store/images-records.ts";
import { readManifestBytes } from "../../store/manifest-records.ts";
import type { Store } from "../../store/store.ts";
import type { ImageSummary } from "../factory.ts";
import { packPackages } from "./reports.ts";

/** How a scan ended, or that it goes on later. */
export type ScanEnd = "done" | "failed" | "unscannable" | "later";

/** Attempts at one image before it is given up; crashes of the process count too. */
const attemptsMax = 4;
/** 10 s, 40 s, 160 s. */
const retryMs = (attempts: number): number => 10_000 * 4 ** (attempts - 1);

/** Reads what is installed in an image and records it; whatever goes wrong with the image is recorded as its answer. */
export async function scanImageJob(store: Store, job: RunContext, isClosing: () => boolean): Promise<ScanEnd> {
  const { digest } = job.input as { readonly digest: Digest };
  const scan = await beginScan(store.db, { digest, runId: job.runId, now: nowMs() });
  if (scan === undefined) return "done";
  if (scan.attempts > attemptsMax) return await giveUp(store, scan, "it was tried too often");
  try {
    return await read(store, job, scan);
  } catch (error) {
    if (job.signal.aborted && isClosing()) {
      await releaseScan(store.db, digest);
      throw error;
    }
    const { code, message } = toFailure(error);
    job.emit({ kind: "log", line: message });
    if (scan.attempts === attemptsMax || code === "cancelled") return await giveUp(store, scan, message);
    const now = nowMs();
    const retryAt = now + retryMs(scan.attempts);
    await endScan(store.db, { digest, state: "failed", reason: message, now, retryAt });
    return "later";
  }
}

async function read(store: Store, job: RunContext, scan: ScanRecord): Promise<ScanEnd> {
  const { digest, repository } = scan;
  const bytes = await readManifestBytes(store.db, digest);
  if (bytes === undefined) throw new Failure("not_found", `Cannot scan "${digest}": its manifest is gone`);
  const { layers } = JSON.parse(bytes.toString("utf8")) as Manifest;
  job.emit({ kind: "log", line: `reading ${layers.length} layers of ${repository}@${digest}` });
  const found = await catalogueImage(
    layers.map((layer) => ({
      digest: layer.digest,
      sizeBytes: layer.size,
      open: async () => {
        // What another repository has is not this image's, even where it names it: its maker may not see that.
        const isOwn = await isBlobBesideManifest(store.db, { manifest: digest, blob: layer.digest });
        return isOwn && (await store.blobs.stat(layer.digest)) !== undefined
          ? await store.blobs.open(layer.digest)
          : undefined;
      },
    })),
    job.signal,
  );
  if ("unscannable" in found) {
    job.emit({ kind: "log", line: `cannot be scanned: ${found.unscannable}` });
    await store.transaction(async (db) => {
      await endScan(db, { digest, state: "unscannable", reason: found.unscannable, now: nowMs() });
      await addAuditEvent(db, told(scan, "scan.completed", { result: "unscannable", reason: found.unscannable }));
    });
    return "unscannable";
  }
  const { packages, ...scope } = found;
  const { id, version } = found.distribution;
  job.emit({ kind: "log", line: `${packages.length} packages of ${found.databases.join(", ")} on ${id} ${version}` });
  const own = await ownFindings(store, digest);
  await record(store, scan, { packages, catalogue: { ...scope, packageCount: packages.length }, own });
  return "done";
}

interface Outcome {
  readonly packages: readonly Package[];
  readonly catalogue: ScanCatalogue;
  readonly own: OwnFindings | undefined;
}

async function record(
  store: Store,
  scan: Pick<ScanRecord, "digest" | "repository">,
  { packages, catalogue, own }: Outcome,
): Promise<void> {
  const packed = await packPackages(packages);
  await store.transaction(async (db) => {
    await finishScan(db, { digest: scan.digest, catalogue, packages: packed, own, now: nowMs() });
    const { distribution, packageCount } = catalogue;
    const about = { result: "done", distribution: `${distribution.id}:${distribution.version}`, packageCount };
    await addAuditEvent(db, told(scan, "scan.completed", about));
  });
}

/** Records the scan of an image that was built here: its packages and findings are known, no layer is read. */
export async function recordMinted(
  store: Store,
  image: {
    readonly digest: Digest;
    readonly repository: string;
    readonly distribution: ScanCatalogue["distribution"];
    readonly packages: readonly Package[];
    readonly report: ScanReport;
  },
): Promise<void> {
  const { digest, repository, distribution, packages } = image;
  const catalogue = { distribution, packageCount: packages.length, databases: ["dpkg"], omitted: mintedOmitted };
  await record(store, { digest, repository }, { packages, catalogue, own: suiteFindings(image.report) });
}

/** A package recipe installs packages and writes the files that it names; nothing else gets in. */
const mintedOmitted: readonly string[] = ["files that the recipe writes"];

async function ownFindings(store: Store, digest: Digest): Promise<OwnFindings | undefined> {
  const minted = await findImageRecord(store.db, digest);
  if (minted === undefined) return undefined;
  const evidence = (JSON.parse(minted.summary) as ImageSummary).evidence.find(({ kind }) => kind === "scan");
  if (evidence === undefined || (await store.blobs.stat(evidence.digest)) === undefined) return undefined;
  return suiteFindings(JSON.parse((await store.blobs.read(evidence.digest)).toString("utf8")) as ScanReport);
}

const suiteFeed = "apt-security";

/** What imported feeds said is looked up anew each time; what the suites said is not to be had again. */
function suiteFindings({ findings, feeds }: ScanReport): OwnFindings | undefined {
  const own = feeds.filter(({ feed }) => feed === suiteFeed);
  return own.length === 0 ? undefined : { findings: findings.filter(({ feed }) => feed === suiteFeed), feeds: own };
}

async function giveUp(store: Store, scan: ScanRecord, reason: string): Promise<ScanEnd> {
  await store.transaction(async (db) => {
    await endScan(db, { digest: scan.digest, state: "failed", reason, now: nowMs() });
    await addAuditEvent(db, told(scan, "scan.failed", { reason, attempts: scan.attempts }));
  });
  return "failed";
}

function told(
  { digest, repository }: Pick<ScanRecord, "digest" | "repository">,
  action: "scan.completed" | "scan.failed",
  details: Readonly<Record<string, unknown>>,
): Parameters<typeof addAuditEvent>[1] {
  return { actor: "mintmark", action, subject: `${repository}@${digest}`, details };
}
