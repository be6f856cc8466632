import { join } from "node:path";
import { access } from "node:fs/promises";
import { nowIso, nowMs } from "../base/clock.ts";
import type { Digest } from "../model/digest.ts";
import { stepNames, type StepName } from "../model/progress.ts";
import { putImageRecord } from "../store/images-records.ts";
import type { BuildContext } from "./build-context.ts";
import { makeOfContainerfile } from "./containerfile-driver.ts";
import { passGate, recordScan, scanImage, writeSboms } from "./evidence-steps.ts";
import type { ImageSummary } from "./factory.ts";
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
 */
export async function mint(context: BuildContext): Promise<Digest> {
  const startedAt = nowIso();
  const loaded = await context.workshop.load(await recipeFolder(context), context.request.architecture);
  const make = loaded.containerfile === undefined ? makeOfPackages : makeOfContainerfile;

  const { image, making } = await make(context, loaded);
  const sboms = await writeSboms(context, making, image);
  const scan = await scanImage(context, making, { image, sboms });
  const verdict = await passGate(context, making, scan);
  const published = await publishImage(context, making, { image, startedAt });
  await recordScan(context, making, { image, published, sboms, scan });
  await signRelease(context, image, published);
  await attestEvidence(context, { making, image, published, evidence: { sboms, scan, verdict } });
  const tags = await verifyRelease(context, making, { image, published });

  await recordImage(context, {
    digest: image.digest,
    repository: published.repository,
    tags,
    recipe: context.request.recipe,
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
  });
  if (image.isProvisional)
    await context.requestProof({ image: image.digest, lockDigest: making.lockDigest, request: context.request });
  return image.digest;
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

async function recordImage({ store }: BuildContext, summary: ImageSummary): Promise<void> {
  await putImageRecord(store.db, {
    digest: summary.digest,
    repository: summary.repository,
    recipe: summary.recipe,
    lockDigest: summary.lockDigest,
    summary: JSON.stringify(summary),
    builtAtMs: nowMs(),
  });
}
