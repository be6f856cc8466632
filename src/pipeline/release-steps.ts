import { isoSeconds, nowIso } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import type { Digest } from "../model/digest.ts";
import type { ScanReport } from "../model/finding.ts";
import { mediaTypes, type Manifest } from "../model/oci.ts";
import type { Verdict } from "../model/verdict.ts";
import { writeReport } from "../scan/scan.ts";
import {
  attestImage,
  gatePredicate,
  predicateTypes,
  provenancePredicate,
  scanReportType,
  signImage,
  verifyImage,
} from "../sign/sign.ts";
import type { BuildContext } from "./build-context.ts";
import type { Sboms, Scan } from "./evidence-steps.ts";
import type { MadeImage, Making } from "./made-image.ts";
import { putObjects, registrySource } from "./registry-source.ts";
import { runStage } from "./stage.ts";
import { version } from "./version.ts";

/** Where an image stands in the registry. */
export interface Published {
  readonly repository: string;
  /** The tag that never moves and that the signature names. */
  readonly dateTag: string;
  /** When the build that made the image began and ended; recorded once, so that a statement made again is the same. */
  readonly startedAt: string;
  readonly publishedAt: string;
}

/** publish: links what is in the store into the repository under a tag of its own; no byte is copied. */
export async function publishImage(
  context: BuildContext,
  { loaded, epochSeconds, tagStem, tagSuffix = "" }: Making,
  parts: { readonly image: MadeImage; readonly startedAt: string },
): Promise<Published> {
  const { image, startedAt } = parts;
  const { registry, store, request } = context;
  const repository = loaded.recipe.name;
  return runStage(context, {
    name: "publish",
    version: 1,
    input: { image: image.digest, repository, ...(tagSuffix === "" ? {} : { tagSuffix }) },
    async work() {
      const manifest = JSON.parse(image.manifestBytes) as Manifest;
      const blobs = [manifest.config, ...manifest.layers];
      for (const { digest } of blobs) await registry.linkBlob(repository, digest);
      const stem = `${tagStem}-${dayOf(epochSeconds)}${tagSuffix}`;
      const dateTag = await freeTag(context, { repository, stem, digest: image.digest });
      await registry.putManifest({
        repository,
        reference: dateTag,
        mediaType: mediaTypes.manifest,
        bytes: Buffer.from(image.manifestBytes),
        actor: request.actor,
      });
      return { repository, dateTag, startedAt, publishedAt: nowIso() };
    },
    isWhole: async (output) =>
      (await registry.getManifest(repository, output.dateTag))?.digest === image.digest &&
      (await store.blobs.stat(image.digest)) !== undefined,
    summary: ({ dateTag }) => `${repository}:${dateTag}`,
  });
}

/** `20260401`, in UTC. */
export function dayOf(epochSeconds: number): string {
  return isoSeconds(epochSeconds * 1000)
    .slice(0, 10)
    .replaceAll("-", "");
}

interface TagWish {
  readonly repository: string;
  readonly stem: string;
  readonly digest: Digest;
}

/** The day's tag, with a number behind it where another image of that day has it: signed names must not move. */
export async function freeTag({ registry }: BuildContext, { repository, stem, digest }: TagWish): Promise<string> {
  for (let number = 1; ; number++) {
    const tag = number === 1 ? stem : `${stem}.${number}`;
    const present = await registry.getManifest(repository, tag);
    if (present === undefined || present.digest === digest) return tag;
  }
}

/** sign: signs the image as released, in the formats of podman, skopeo, cosign 2 and cosign 3. */
export async function signRelease(
  context: BuildContext,
  image: Pick<MadeImage, "digest">,
  published: Published,
): Promise<void> {
  const { registry, store, keys, request } = context;
  const identity = `${context.registryHost()}/${published.repository}:${published.dateTag}`;
  await runStage(context, {
    name: "sign",
    version: 1,
    isRecorded: false,
    input: { image: image.digest, identity, key: keys.release.id },
    async work() {
      const objects = await signImage({
        key: keys.release,
        source: registrySource(registry, store.blobs),
        repository: published.repository,
        reference: image.digest,
        identities: [identity],
        at: nowIso(),
      });
      return {
        manifests: await putObjects(objects, {
          registry,
          blobs: store.blobs,
          repository: published.repository,
          actor: request.actor,
        }),
      };
    },
    summary: ({ manifests }) =>
      manifests.length === 0 ? "signed before" : `release key ${keys.release.id.slice(0, 12)}`,
  });
}

interface Evidence {
  readonly sboms: Sboms;
  readonly scan: Scan;
  readonly verdict: Digest;
}

/** attest: signs provenance, SBOMs, scan and verdict with the evidence key and hangs them onto the image. */
export async function attestEvidence(
  context: BuildContext,
  parts: {
    readonly making: Making;
    readonly image: MadeImage;
    readonly published: Published;
    readonly evidence: Evidence;
  },
): Promise<void> {
  const { registry, store, keys, config, request } = context;
  const { making, image, published, evidence } = parts;
  const { reproduced } = making.provenance.internalParameters;
  const name = `${context.registryHost()}/${published.repository}`;
  await runStage(context, {
    name: "attest",
    version: 1,
    input: {
      image: image.digest,
      name,
      key: keys.evidence.id,
      sboms: [evidence.sboms.cyclonedx, evidence.sboms.spdx],
      scan: evidence.scan.report,
      verdict: evidence.verdict,
      tags: config.formats.attestationTags,
      reproduced,
    },
    async work() {
      const objects = await attestImage({
        key: keys.evidence,
        source: registrySource(registry, store.blobs),
        repository: published.repository,
        reference: image.digest,
        name,
        evidence: await statements(context, parts),
        at: nowIso(),
        attestationTag: config.formats.attestationTags,
      });
      const manifests = await putObjects(objects, {
        registry,
        blobs: store.blobs,
        repository: published.repository,
        actor: request.actor,
      });
      return { manifests };
    },
    summary: () => "provenance, SBOMs, scan and verdict",
  });
}

function vulnPredicate(
  report: ScanReport,
  { name, digest }: { readonly name: string; readonly digest: Digest },
): unknown {
  return JSON.parse(writeReport(report, "cosign-vuln", { name, digest, toolVersion: version }));
}

type Statements = Parameters<typeof attestImage>[0]["evidence"];

async function statements(
  { store, job }: BuildContext,
  { making, image, published, evidence }: Parameters<typeof attestEvidence>[1],
): Promise<Statements> {
  const read = async (digest: Digest): Promise<Buffer> => store.blobs.read(digest);
  const [bom, spdxDocument, scan, verdict] = await Promise.all(
    [evidence.sboms.cyclonedx, evidence.sboms.spdx, evidence.scan.report, evidence.verdict].map(read),
  );
  const parse = (bytes: Buffer | undefined): unknown => JSON.parse(bytes!.toString("utf8"));
  const provenance = provenancePredicate({
    ...making.provenance,
    lockDigest: making.lockDigest,
    builderId: "urn:mintmark:builder:embedded:v1",
    builderVersion: { mintmark: version, node: process.versions.node, ...making.provenance.builderVersion },
    invocationId: job.runId,
    startedOn: published.startedAt,
    finishedOn: published.publishedAt,
  });
  return [
    { predicateType: predicateTypes.slsaprovenance1, predicate: provenance },
    {
      predicateType: predicateTypes.cyclonedx,
      predicate: parse(bom),
      document: { artifactType: mediaTypes.cyclonedx, bytes: bom! },
    },
    {
      predicateType: predicateTypes.spdxjson,
      predicate: parse(spdxDocument),
      document: { artifactType: mediaTypes.spdx, bytes: spdxDocument! },
    },
    {
      predicateType: predicateTypes.vuln,
      predicate: vulnPredicate(parse(scan) as ScanReport, { name: published.repository, digest: image.digest }),
      document: { artifactType: scanReportType, bytes: scan! },
    },
    {
      predicateType: predicateTypes.summary,
      predicate: gatePredicate(parse(verdict) as Verdict, {
        verifierId: "urn:mintmark:gate:v1",
        resourceUri: `${published.repository}@${image.digest}`,
        inputs: [],
      }),
    },
  ];
}

/** What an image must carry to be let out, and to be found right later. */
export const requiredEvidence: readonly string[] = [
  predicateTypes.slsaprovenance1,
  predicateTypes.cyclonedx,
  predicateTypes.spdxjson,
  predicateTypes.vuln,
  predicateTypes.summary,
];

/** verify: looks at everything as a client would; only then do the moving tags come to this image. */
export async function verifyRelease(
  context: BuildContext,
  { floatingTags: floating }: Making,
  parts: { readonly image: MadeImage; readonly published: Published },
): Promise<readonly string[]> {
  const { registry, store, keys } = context;
  const { image, published } = parts;
  await runStage(context, {
    name: "verify",
    version: 1,
    isRecorded: false,
    input: { image: image.digest, published, keys: [keys.release.id, keys.evidence.id], floating },
    async work() {
      const report = await verifyImage({
        source: registrySource(registry, store.blobs),
        repository: published.repository,
        reference: image.digest,
        identity: `${context.registryHost()}/${published.repository}`,
        keys: { release: [keys.release.publicPem], evidence: [keys.evidence.publicPem] },
        require: requiredEvidence,
        formats: ["simple-signing", "bundle"],
      });
      const failed = report.checks.filter(({ ok }) => !ok);
      if (failed.length > 0)
        throw new Failure("verification_failed", `Cannot release "${published.repository}": ${failed[0]!.message}`, {
          details: { failed },
        });
      const moved = { digest: image.digest, mediaType: mediaTypes.manifest, bytes: Buffer.from(image.manifestBytes) };
      for (const tag of floating) await moveTag(context, { repository: published.repository, tag, ...moved });
      return {
        checkCount: report.checks.length,
        signatureCount: report.signatures.length,
        evidenceCount: report.evidence.length,
      };
    },
    summary: ({ checkCount, signatureCount, evidenceCount }) =>
      `${checkCount} checks, ${signatureCount} signatures, ${evidenceCount} statements`,
  });
  return [published.dateTag, ...floating];
}

interface TagMove {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** Moves a tag to a manifest of the repository, unless it is there already. */
export async function moveTag(
  { registry, request: { actor } }: BuildContext,
  { repository, tag, digest, mediaType, bytes }: TagMove,
): Promise<void> {
  if ((await registry.getManifest(repository, tag))?.digest === digest) return;
  await registry.putManifest({ repository, reference: tag, mediaType, bytes, actor });
}
