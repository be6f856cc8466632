import { join } from "node:path";
import { access } from "node:fs/promises";
import { nowIso, nowMs } from "../base/clock.ts";
import type { Digest } from "../model/digest.ts";
import { stepNames, type StepName } from "../model/progress.ts";
import { putImageRecord } from "../store/images-records.ts";
import type { BuildContext } from "./build-context.ts";
import { passGate, recordScan, scanImage, writeSboms } from "./evidence-steps.ts";
import type { ImageSummary } from "./factory.ts";
import { fetchArchives, makeImage, makeLayers, resolveInputs, writeLock, type Trees } from "./image-steps.ts";
import { attestEvidence, publishImage, signRelease, verifyRelease } from "./release-steps.ts";

/**
 * Mints an image: the whole of the product in one sentence.
 *
 * resolve → lock → fetch → layers → configure → SBOM → scan → gate → publish → sign → attest → verify.
 *
 * Each step is durable and gives the same for the same input, so that a killed build goes on where it was, and
 * a build of what is known takes no time. Nobody sees the image before the gate let it pass; the moving tags
 * come to it only once it is verified.
 */
export async function mint(context: BuildContext): Promise<Digest> {
  const startedAt = nowIso();
  const loaded = await context.workshop.load(await recipeFolder(context), context.request.architecture);
  const target = await context.workshop.target(loaded, context.request.distribution);

  const inputs = await resolveInputs(context, loaded, target);
  await writeLock(context, inputs);
  await fetchArchives(context, inputs);
  const trees = unpackOnce(context, inputs.lock);
  const layers = await makeLayers(context, inputs, trees);
  const image = await makeImage(context, inputs, { layers, trees, mayReuse: context.pinnedLock === undefined });
  const sboms = await writeSboms(context, inputs, { image, trees });
  const scan = await scanImage(context, inputs, { image, sboms });
  const verdict = await passGate(context, inputs, scan);
  const published = await publishImage(context, inputs, { image, startedAt });
  await recordScan(context, inputs, { image, published, sboms, scan });
  await signRelease(context, image, published);
  await attestEvidence(context, { inputs, image, published, evidence: { sboms, scan, verdict } });
  const tags = await verifyRelease(context, inputs, { image, published });

  await recordImage(context, {
    digest: image.digest,
    repository: published.repository,
    tags,
    recipe: context.request.recipe,
    distribution: `${inputs.lock.distribution.id}:${inputs.lock.distribution.version}`,
    architecture: inputs.lock.architecture,
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
    lockDigest: inputs.lockDigest,
    durations: allDurations(context),
    reproduced: "untested",
  });
  if (image.isProvisional)
    await context.requestProof({ image: image.digest, lockDigest: inputs.lockDigest, request: context.request });
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

/** Trees are unpacked when a step first needs them: a build of what is known never does. */
function unpackOnce({ workshop, job }: BuildContext, lock: Parameters<BuildContext["workshop"]["unpack"]>[0]): Trees {
  let trees: ReturnType<Trees> | undefined;
  return () =>
    (trees ??= workshop.unpack(lock, {
      signal: job.signal,
      onProgress: (done, total, note) =>
        job.emit({
          kind: "step-progress",
          step: "layers",
          done,
          total,
          unit: "packages",
          ...(note === undefined ? {} : { note }),
        }),
    }));
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
