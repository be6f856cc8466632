import { combinedLookup, indexLookup, securitySuiteLookup } from "../advisories/advisories.ts";
import { isoSeconds, nowIso } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { canonicalJson } from "../base/json.ts";
import type { SecuritySuites } from "../build/build.ts";
import type { Digest } from "../model/digest.ts";
import { severities, type ScanReport, type Severity } from "../model/finding.ts";
import type { Manifest } from "../model/oci.ts";
import type { Distribution, Package } from "../model/package.ts";
import type { Exception, Verdict } from "../model/verdict.ts";
import { defaultPolicy, judge, policyDocument } from "../policy/policy.ts";
import { cyclonedx, packagesFromDpkgStatus, spdx, withLicences } from "../sbom/sbom.ts";
import { ecosystemFor, match, versionOrder } from "../scan/scan.ts";
import { listFeeds } from "../store/advisories-records.ts";
import { listExceptions } from "../store/exception-records.ts";
import { recordMinted } from "./admission/catalogue-job.ts";
import type { BuildContext, Site } from "./build-context.ts";
import { watch } from "./image-steps.ts";
import type { MadeImage, Making } from "./made-image.ts";
import { runStage } from "./stage.ts";
import { version } from "./version.ts";

/** The SBOMs of an image in the store, and the packages that they list. */
export interface Sboms {
  readonly cyclonedx: Digest;
  readonly spdx: Digest;
  readonly packages: readonly Package[];
}

/** sbom: reads the package database out of the finished image and writes it down in both formats. */
export async function writeSboms(context: BuildContext, making: Making, image: MadeImage): Promise<Sboms> {
  const { store } = context;
  const { loaded, distribution, epochSeconds, lockDigest } = making;
  return runStage(context, {
    name: "sbom",
    version: 1,
    input: { image: image.digest, lockDigest },
    async work() {
      const packages = await packagesOf(context, making, image);
      const input = {
        name: loaded.recipe.name,
        imageDigest: image.digest,
        distribution,
        createdAt: isoSeconds(epochSeconds * 1000),
        packages,
        toolVersion: version,
      };
      const [first, second] = await Promise.all(
        [cyclonedx(input), spdx(input)].map((text) => store.blobs.put(Buffer.from(text))),
      );
      return { cyclonedx: first!.digest, spdx: second!.digest, packages };
    },
    isWhole: async (output) =>
      (await store.blobs.stat(output.cyclonedx)) !== undefined && (await store.blobs.stat(output.spdx)) !== undefined,
    summary: ({ packages }) => `${packages.length} packages, CycloneDX and SPDX`,
  });
}

/** What dpkg in the image says is installed, with what is known of each archive and its licences. */
async function packagesOf({ workshop }: Site, making: Making, image: MadeImage): Promise<Package[]> {
  const status = await workshop.fileInImage(JSON.parse(image.manifestBytes) as Manifest, "var/lib/dpkg/status");
  if (status === undefined)
    throw new Failure("gate_denied", "Cannot tell what is in the image: it has no package database of Debian's", {
      hint: "Build on a base that has one: what cannot be listed cannot be scanned",
    });
  const found = packagesFromDpkgStatus(status.toString("utf8"));
  const copyrights = new Map<string, string | undefined>();
  for (const { name } of found) copyrights.set(name, await making.copyrightOf(name));
  return withLicences(found, (name) => copyrights.get(name)).map((item) => {
    const sha256 = making.archives.get(`${item.name}:${item.architecture}`);
    return sha256 === undefined ? item : { ...item, sha256 };
  });
}

/** A scan in the store with what people ask first. */
export interface Scan {
  readonly report: Digest;
  readonly severities: Readonly<Record<Severity, number>>;
  readonly coverage: ScanReport["coverage"];
}

/** scan: matches the packages against the signed security suites and every imported feed. */
export async function scanImage(
  context: BuildContext,
  { distribution, architecture }: Making,
  parts: { readonly image: MadeImage; readonly sboms: Sboms },
): Promise<Scan> {
  const { store } = context;
  const { packages } = parts.sboms;
  const watching = watch(context, "scan", "bytes");
  const scope = { distribution, architecture, packages };
  // A lock that came with the recipe needs no resolver, but the scan needs to know what was fixed since.
  const suites =
    (await context.workshop.security(scope, { ...watching, refresh: false })) ??
    (context.request.mode === "locked"
      ? undefined
      : await context.workshop.security(scope, { ...watching, refresh: true }));
  const feeds = (await listFeeds(store.db)).map(({ name, generation }) => [name, generation]);
  return runStage(context, {
    name: "scan",
    version: 1,
    input: { image: parts.image.digest, suites: suites?.fingerprint ?? null, feeds },
    async work() {
      const report = await matchPackages(context, { distribution, packages, suites });
      const { digest } = await store.blobs.put(Buffer.from(canonicalJson(report)));
      return { report: digest, severities: countSeverities(report), coverage: report.coverage };
    },
    isWhole: async ({ report }) => (await store.blobs.stat(report)) !== undefined,
    summary: (scan) =>
      scan.coverage === "no-data" ? "no advisory data for this distribution" : formatSeverities(scan.severities),
  });
}

interface MatchInput {
  readonly distribution: Distribution;
  readonly packages: readonly Package[];
  readonly suites: SecuritySuites | undefined;
}

/** What is known today about packages: the security suites first, then every imported feed. */
export async function matchPackages(
  { store }: Site,
  { distribution, packages, suites }: MatchInput,
): Promise<ScanReport> {
  const content = await suites?.content();
  const suite = await securitySuiteLookup({
    packages,
    suites: content,
    candidates: content?.offers ?? [],
    distribution,
    ecosystem: ecosystemFor(distribution) ?? "",
    changelogOf: async (source, sourceVersion) => suites?.changelogOf(source, sourceVersion),
    compare: versionOrder("deb")!,
  });
  return match(packages, distribution, combinedLookup([suite, indexLookup(store.db)]));
}

/** Tells admission what the build knows of its image, so that the image is not read again. */
export async function recordScan(
  { store }: Site,
  { distribution }: Making,
  parts: {
    readonly image: MadeImage;
    readonly published: { readonly repository: string };
    readonly sboms: Sboms;
    readonly scan: Scan;
  },
): Promise<void> {
  const report = JSON.parse((await store.blobs.read(parts.scan.report)).toString("utf8")) as ScanReport;
  const { repository } = parts.published;
  await recordMinted(store, {
    digest: parts.image.digest,
    repository,
    distribution,
    packages: parts.sboms.packages,
    report,
  });
}

/** Judges a report by the configured policy at this instant. */
export function judgeReport(
  { config }: Site,
  facts: { readonly report: ScanReport; readonly exceptions: readonly Exception[]; readonly repository: string },
): Verdict {
  const policy = { ...defaultPolicy, block: config.gate.block };
  return judge({ ...facts, now: nowIso(), policy, policySha256: sha256Hex(policyDocument(policy)) });
}

function countSeverities({ findings }: ScanReport): Record<Severity, number> {
  const counts = Object.fromEntries(severities.map((severity) => [severity, 0])) as Record<Severity, number>;
  for (const { severity } of findings) counts[severity]++;
  return counts;
}

function formatSeverities(counts: Readonly<Record<Severity, number>>): string {
  const parts = severities
    .filter((severity) => counts[severity] > 0)
    .map((severity) => `${counts[severity]} ${severity}`);
  return parts.length === 0 ? "no findings" : parts.join(", ");
}

/** gate: judges the scan by policy and exceptions; a refusal is recorded and ends the build before anyone sees the image. */
export async function passGate(context: BuildContext, { loaded }: Making, scan: Scan): Promise<Digest> {
  const { store, config } = context;
  const repository = loaded.recipe.name;
  const exceptions = await listExceptions(store.db);
  const { verdict, result } = await runStage(context, {
    name: "gate",
    version: 1,
    // An exception ends by the clock, so the day belongs to the input.
    input: { scan: scan.report, block: config.gate.block, exceptions, repository, day: nowIso().slice(0, 10) },
    async work() {
      const report = JSON.parse((await store.blobs.read(scan.report)).toString("utf8")) as ScanReport;
      const judged = judgeReport(context, { report, exceptions, repository });
      const { digest } = await store.blobs.put(Buffer.from(canonicalJson(judged)));
      return { verdict: digest, result: judged.result, denials: denialsOf(judged) };
    },
    isWhole: async (output) => (await store.blobs.stat(output.verdict)) !== undefined,
    summary: (output) => (output.result === "pass" ? "pass" : `refused: ${output.denials[0] ?? ""}`),
  });
  if (result === "pass") return verdict;
  const judged = JSON.parse((await store.blobs.read(verdict)).toString("utf8")) as Verdict;
  const denials = denialsOf(judged);
  throw new Failure(
    "gate_denied",
    `The gate refuses "${repository}": ${denials[0] ?? "no reason was given"}${denials.length > 1 ? ` and ${denials.length - 1} more` : ""}`,
    {
      hint:
        scan.coverage === "no-data"
          ? "Nothing was published. Build where the security suites can be reached, or bring advisories with `mintmark advisories import`"
          : "Nothing was published. Update the packages with --update, or record a dated exception with `mintmark exception create`",
      details: { verdict, denials },
    },
  );
}

function denialsOf(verdict: Verdict): string[] {
  return verdict.reasons.filter(({ outcome }) => outcome === "deny").map(({ message }) => message);
}
