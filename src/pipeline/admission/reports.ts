import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import { indexLookup } from "../../advisories/advisories.ts";
import { isoSeconds } from "../../base/clock.ts";
import type { Digest } from "../../model/digest.ts";
import { severities, type Finding, type ScanReport, type Severity } from "../../model/finding.ts";
import type { Package } from "../../model/package.ts";
import type { ScanSummary } from "../../model/pull-gate.ts";
import { cyclonedx, spdx } from "../../sbom/sbom.ts";
import { match } from "../../scan/scan.ts";
import {
  adviceGeneration,
  findScan,
  listStaleSummaries,
  readScanContents,
  recordSummary,
  type OwnFindings,
} from "../../store/admission-records.ts";
import type { Store } from "../../store/store.ts";
import { version } from "../version.ts";

/** What is known against scanned images, looked up by the advisories of now. */
export interface Reports {
  /** The findings of an image; undefined where its scan is not done. */
  of(this: void, digest: Digest): Promise<ScanReport | undefined>;
  sbom(this: void, repository: string, digest: Digest, format: "cyclonedx" | "spdx"): Promise<string | undefined>;
  /** Counts anew what was counted by other advisories, at most so many images; returns how many it found. */
  refresh(this: void, limit: number): Promise<number>;
}

const pack = promisify(zstdCompress);
const unpack = promisify(zstdDecompress);
/** A million packages; what we wrote ourselves is no bomb, but a damaged database may look like one. */
const packagesBytes = 512 * 1024 * 1024;

/** The stored form of a package list. */
export async function packPackages(packages: readonly Package[]): Promise<Buffer> {
  return await pack(Buffer.from(JSON.stringify(packages)));
}

async function unpackPackages(packed: Buffer): Promise<Package[]> {
  const bytes = await unpack(packed, { maxOutputLength: packagesBytes });
  return JSON.parse(bytes.toString("utf8")) as Package[];
}

/** Reports that are kept in memory: clients ask for manifest after manifest of the same few images. */
const keptReports = 32;

/** Opens the reports of a store. */
export function openReports({ store }: { readonly store: Store }): Reports {
  const { db } = store;
  const lookup = indexLookup(db);
  const kept = new Map<string, ScanReport>();

  async function reportOf(digest: Digest): Promise<ScanReport | undefined> {
    const [scan, knowledge] = [await findScan(db, digest), await adviceGeneration(db)];
    if (scan?.state !== "done" || scan.catalogue === undefined) return undefined;
    const key = `${digest} ${scan.endedAt ?? 0} ${knowledge}`;
    const known = kept.get(key);
    if (known !== undefined) return known;
    const contents = await readScanContents(db, digest);
    if (contents === undefined) return undefined;
    const packages = await unpackPackages(contents.packages);
    const report = joined(await match(packages, scan.catalogue.distribution, lookup), contents.own);
    kept.set(key, report);
    for (const oldest of kept.keys()) if (kept.size > keptReports) kept.delete(oldest);
    if (scan.summaryOf !== knowledge)
      await recordSummary(db, { digest, summary: summaryOf(report), summaryOf: knowledge });
    return report;
  }

  return {
    of: reportOf,
    async sbom(repository, digest, format) {
      const scan = await findScan(db, digest);
      const contents = await readScanContents(db, digest);
      if (scan?.catalogue === undefined || contents === undefined) return undefined;
      const write = format === "cyclonedx" ? cyclonedx : spdx;
      return write({
        name: repository,
        imageDigest: digest,
        distribution: scan.catalogue.distribution,
        createdAt: isoSeconds(scan.endedAt ?? scan.queuedAt),
        packages: await unpackPackages(contents.packages),
        toolVersion: version,
      });
    },
    async refresh(limit) {
      const stale = await listStaleSummaries(db, await adviceGeneration(db), limit);
      for (const digest of stale) await reportOf(digest);
      return stale.length;
    },
  };
}

/** Our own images were compared with the signed security suites when they were built; that stays true of them. */
function joined(report: ScanReport, own: OwnFindings | undefined): ScanReport {
  if (own === undefined) return report;
  const keyOf = ({ id, package: item }: Finding): string => `${id}\0${item.name}\0${item.architecture}`;
  const known = new Set(report.findings.map(keyOf));
  const findings = [...report.findings, ...own.findings.filter((finding) => !known.has(keyOf(finding)))];
  const covers = own.feeds.some((feed) => feed.covers && feed.dataAt !== undefined && feed.recordCount > 0);
  return {
    ...report,
    findings: findings.sort(
      (a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity) || (a.id < b.id ? -1 : 1),
    ),
    feeds: [...report.feeds, ...own.feeds],
    coverage: covers ? "complete" : report.coverage,
  };
}

/** The findings of a report in numbers. */
function summaryOf({ findings, coverage }: ScanReport): ScanSummary {
  const counts = Object.fromEntries(severities.map((severity) => [severity, 0])) as Record<Severity, number>;
  for (const { severity } of findings) counts[severity]++;
  const fixable = findings.filter(({ fixedVersion }) => fixedVersion !== undefined).length;
  return { severities: counts, total: findings.length, fixable, coverage };
}
