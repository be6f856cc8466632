import { machineArchitecture, type LoadedRecipe } from "../build/build.ts";
import type { Lock } from "../model/lock.ts";
import type { BuildContext } from "./build-context.ts";
import {
  fetchArchives,
  makeImage,
  makeLayers,
  resolveInputs,
  writeLock,
  type Inputs,
  type Trees,
} from "./image-steps.ts";
import type { Made, MadeImage, Making } from "./made-image.ts";

/** Makes an image of packages: resolve → lock → fetch → layers → configure. */
export async function makeOfPackages(context: BuildContext, loaded: LoadedRecipe): Promise<Made> {
  const target = await context.workshop.target(loaded, context.request.distribution);
  const inputs = await resolveInputs(context, loaded, target);
  await writeLock(context, inputs);
  await fetchArchives(context, inputs);
  const trees = unpackOnce(context, inputs.lock);
  const layers = await makeLayers(context, inputs, trees);
  const image = await makeImage(context, inputs, { layers, trees, mayReuse: context.pinnedLock === undefined });
  return { image, making: makingOf(context, inputs, { image, trees }) };
}

function makingOf(
  { workshop, request }: BuildContext,
  { loaded, lock, lockDigest }: Inputs,
  { image, trees }: { readonly image: MadeImage; readonly trees: Trees },
): Making {
  const { distribution, architecture, epochSeconds } = lock;
  return {
    loaded,
    lockDigest,
    architecture,
    distribution,
    epochSeconds,
    archives: new Map(lock.packages.map((item) => [`${item.name}:${item.architecture}`, item.sha256])),
    async copyrightOf(name) {
      const tree = (await trees()).find(({ locked }) => locked.name === name);
      return tree === undefined
        ? undefined
        : (await workshop.fileOf(tree, `usr/share/doc/${name}/copyright`))?.toString("utf8");
    },
    tagStem: distribution.version,
    floatingTags: [...new Set([...loaded.recipe.tags, distribution.version])],
    provenance: {
      buildType: "urn:mintmark:buildtype:packages:v1",
      externalParameters: {
        recipe: { name: loaded.recipe.name, sha256: loaded.sha256 },
        distribution: `${distribution.id}:${distribution.version}`,
        architecture,
      },
      internalParameters: {
        mode: request.mode,
        network: "none",
        ...(architecture === machineArchitecture ? {} : { emulated: "by QEMU in user mode" }),
        compression: loaded.recipe.layers.compression,
        configured: image.isProvisional ? "from the last configured system" : "clean",
      },
      lock,
      builderVersion: {},
    },
  };
}

/** Trees are unpacked when a step first needs them: a build of what is known never does. */
function unpackOnce({ workshop, job }: BuildContext, lock: Lock): Trees {
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
