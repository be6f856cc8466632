import { join } from "node:path";
import { access } from "node:fs/promises";
import { nowIso, nowMs } from "../base/clock.ts";
import type { Digest } from "../model/digest.ts";
import { stepNames, type ProgressEvent, type StepName } from "../model/progress.ts";
import type { LoadedRecipe } from "../build/build.ts";
import type { Index } from "../model/oci.ts";
import { findImageRecord, putImageRecord } from "../store/images-records.ts";
import type { BuildContext } from "./build-context.ts";
import { makeOfContainerfile } from "./containerfile-driver.ts";
import { passGate, recordScan, scanImage, writeSboms, type Sboms, type Scan } from "./evidence-steps.ts";
import type { ImageIndex, ImageSummary } from "./factory.ts";
import { releaseIndex, type IndexPart } from "./index-steps.ts";
import type { MadeImage, Making } from "./made-image.ts";
import { makeOfPackages } from "./package-driver.ts";
import { attestEvidence, publishImage, signRelease, verifyRelease } from "./release-steps.ts";

/**
 * Mints an image: the whole of the product in one sentence.
 *
 * resolve → lock → fetch → layers → configure → SBOM → scan → gate → publish → sign → attest → verify; the recipe
 * says which driver makes the image: packages, or a Containerfile in a sealed build.
 *
 * Each step is durable and gives the same for the same input, so that a killed build goes on where it was, and
 * a build of what is known takes no time. Nobody sees the image before the gate let it pass; the moving tags
 * come to it only once it is verified.
 *
 * @returns the image's digest; the index's, where the recipe is built for several architectures
 */
export async function mint(context: BuildContext): Promise<Digest> {
  const { request } = context;
  const own = await context.workshop.load(await recipeFolder(context));
  const { architecture, architectures = [architecture] } = own.recipe;
  const isPart = architectures.length > 1;
  if (isPart && request.architecture === undefined) return await mintAll(context, own, architectures);
  const judged = await makeJudged(context);
  const { making } = judged;
  const suffix = `-${making.architecture}`;
  const released = await release(context, judged, {
    ...making,
    ...(isPart || making.architecture !== architecture ? { tagSuffix: suffix } : {}),
    ...(isPart ? { floatingTags: [] } : {}),
    ...(isPart || making.architecture === architecture
      ? {}
      : { floatingTags: making.floatingTags.map((tag) => `${tag}${suffix}`) }),
  });
  await recordImage(context, released, isPart ? await indexAround(context, own, released) : undefined);
  return released.image.digest;
}

/** An image that the gate let pass. */
interface Judged {
  readonly image: MadeImage;
  readonly making: Making;
  readonly sboms: Sboms;
  readonly scan: Scan;
  readonly verdict: Digest;
  readonly startedAt: string;
}

async function makeJudged(context: BuildContext): Promise<Judged> {
  const startedAt = nowIso();
  const loaded = await context.workshop.load(await recipeFolder(context), context.request.architecture);
  const make = loaded.containerfile === undefined ? makeOfPackages : makeOfContainerfile;
  const { image, making } = await make(context, loaded);
  const sboms = await writeSboms(context, making, image);
  const scan = await scanImage(context, making, { image, sboms });
  const verdict = await passGate(context, making, scan);
  return { image, making, sboms, scan, verdict, startedAt };
}

/** An image that clients may pull. */
interface Released extends Judged {
  readonly repository: string;
  readonly tags: readonly string[];
}

/** @param placed the making with the tags that the image is to have */
async function release(context: BuildContext, judged: Judged, placed: Making): Promise<Released> {
  const { image, startedAt, sboms, scan, verdict } = judged;
  const published = await publishImage(context, placed, { image, startedAt });
  await recordScan(context, placed, { image, published, sboms, scan });
  await signRelease(context, image, published);
  await attestEvidence(context, { making: placed, image, published, evidence: { sboms, scan, verdict } });
  const tags = await verifyRelease(context, placed, { image, published });
  return { ...judged, repository: published.repository, tags };
}

/** One image for each architecture, and an index of them; none is published before the gate let all of them pass. */
async function mintAll(context: BuildContext, own: LoadedRecipe, architectures: readonly string[]): Promise<Digest> {
  const contexts = architectures.map((architecture) => partContext(context, architecture, architecture));
  const judged: Judged[] = [];
  for (const part of contexts) judged.push(await makeJudged(part));
  const released: Released[] = [];
  for (const [at, part] of contexts.entries()) {
    const { making } = judged[at]!;
    const placed = { ...making, tagSuffix: `-${making.architecture}`, floatingTags: [] };
    released.push(await release(part, judged[at]!, placed));
  }
  const { tagStem, floatingTags } = judged[0]!.making;
  const index = await releaseIndex(partContext(context, "index"), {
    recipe: own.recipe,
    parts: released.map(partOf),
    epochSeconds: Math.max(...judged.map(({ making }) => making.epochSeconds)),
    tagStem,
    floatingTags,
  });
  for (const [at, part] of contexts.entries()) await recordImage(part, released[at]!, index);
  return index.digest;
}

function partOf({ image, making }: Judged): IndexPart {
  return {
    architecture: making.architecture,
    digest: image.digest,
    sizeBytes: Buffer.byteLength(image.manifestBytes),
  };
}

/** A build inside a build: its steps have names of their own, and what they tell says whose it is. */
function partContext(context: BuildContext, name: string, architecture?: string): BuildContext {
  const { job, request } = context;
  return {
    ...context,
    durations: {},
    request: architecture === undefined ? request : { ...request, architecture },
    job: {
      ...job,
      step: (step, ...rest) => job.step(`${name}:${step}`, ...rest),
      emit(told) {
        const event = told as ProgressEvent;
        job.emit(event.kind === "step-finished" ? { ...event, summary: `${name}: ${event.summary}` } : event);
      },
    },
  };
}

/**
 * The index that an image is part of which was built alone.
 *
 * A build of one architecture makes no index: the tags stay with what all of them passed. But where a proof put
 * another image into the place of one that the index names, the index follows.
 */
async function indexAround(
  context: BuildContext,
  own: LoadedRecipe,
  released: Released,
): Promise<ImageIndex | undefined> {
  const { store, registry, proves } = context;
  const { image, making, repository } = released;
  const known = await indexOnRecord(context, proves ?? image.digest);
  if (known === undefined || proves === undefined || proves === image.digest) return known;
  const present = await registry.getManifest(repository, known.tags.at(-1) ?? known.digest);
  if (present?.digest !== known.digest) return undefined;
  const { manifests, annotations } = JSON.parse(present.bytes.toString("utf8")) as Index;
  const parts = manifests.map(({ digest, size, platform }) =>
    digest === proves ? partOf(released) : { architecture: platform!.architecture, digest, sizeBytes: size },
  );
  const createdAt = Date.parse(annotations?.["org.opencontainers.image.created"] ?? "") / 1000;
  const index = await releaseIndex(partContext(context, "index"), {
    recipe: own.recipe,
    parts,
    epochSeconds: Number.isFinite(createdAt) ? createdAt : making.epochSeconds,
    tagStem: making.tagStem,
    floatingTags: making.floatingTags,
  });
  for (const { digest } of index.images) {
    const record = digest === image.digest ? undefined : await findImageRecord(store.db, digest);
    if (record !== undefined)
      await putImageRecord(store.db, { ...record, summary: JSON.stringify({ ...JSON.parse(record.summary), index }) });
  }
  return index;
}

async function indexOnRecord({ store }: BuildContext, digest: Digest): Promise<ImageIndex | undefined> {
  const record = await findImageRecord(store.db, digest);
  return record === undefined ? undefined : (JSON.parse(record.summary) as ImageSummary).index;
}

/** A folder with an image.yaml, or the name of a shipped recipe. */
export async function recipeFolder({ request, config }: Pick<BuildContext, "request" | "config">): Promise<string> {
  const hasRecipe = await access(join(request.recipe, "image.yaml")).then(
    () => true,
    () => false,
  );
  return hasRecipe || request.recipe.includes("/") ? request.recipe : join(config.recipesDir, request.recipe);
}

function allDurations({ durations }: BuildContext): Record<StepName, number> {
  return Object.fromEntries(stepNames.map((name) => [name, durations[name] ?? 0])) as Record<StepName, number>;
}

async function recordImage(context: BuildContext, released: Released, index: ImageIndex | undefined): Promise<void> {
  const { store, request } = context;
  const { image, making, sboms, scan, verdict, repository, tags } = released;
  const summary: ImageSummary = {
    digest: image.digest,
    repository,
    tags,
    recipe: request.recipe,
    distribution: `${making.distribution.id}:${making.distribution.version}`,
    architecture: making.architecture,
    builtAt: nowIso(),
    sizeBytes: image.sizeBytes,
    unpackedBytes: image.unpackedBytes,
    layerCount: image.layerCount,
    packageCount: sboms.packages.length,
    severities: scan.severities,
    verdict: "pass",
    signed: true,
    evidence: [
      { kind: "cyclonedx", digest: sboms.cyclonedx },
      { kind: "spdx", digest: sboms.spdx },
      { kind: "scan", digest: scan.report },
      { kind: "verdict", digest: verdict },
    ],
    lockDigest: making.lockDigest,
    durations: allDurations(context),
    reproduced: "untested",
    ...(index === undefined ? {} : { index }),
  };
  await putImageRecord(store.db, {
    digest: summary.digest,
    repository: summary.repository,
    recipe: summary.recipe,
    lockDigest: summary.lockDigest,
    summary: JSON.stringify(summary),
    builtAtMs: nowMs(),
  });
  const isAsked = request.prove === true && context.proves === undefined;
  if (image.isProvisional || isAsked)
    await context.requestProof({ image: image.digest, lockDigest: making.lockDigest, request });
}
