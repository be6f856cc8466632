import { isoSeconds, nowIso } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { canonicalJson } from "../base/json.ts";
import { sha256Digest, type Digest } from "../model/digest.ts";
import { mediaTypes, type Index } from "../model/oci.ts";
import type { Recipe } from "../model/recipe.ts";
import { attestIndex, verifyImage } from "../sign/sign.ts";
import type { BuildContext } from "./build-context.ts";
import type { ImageIndex } from "./factory.ts";
import { putObjects, registrySource } from "./registry-source.ts";
import { dayOf, freeTag, moveTag, requiredEvidence, signRelease, type Published } from "./release-steps.ts";
import { runStage } from "./stage.ts";

/** An image as an index names it. */
export interface IndexPart {
  readonly architecture: string;
  readonly digest: Digest;
  /** Bytes of the manifest. */
  readonly sizeBytes: number;
}

interface IndexWish {
  readonly recipe: Recipe;
  /** Released images of the repository, in the order of the recipe. */
  readonly parts: readonly IndexPart[];
  /** Seconds since 1970: of the newest image. */
  readonly epochSeconds: number;
  readonly tagStem: string;
  readonly floatingTags: readonly string[];
}

/**
 * Publishes the index of images that are released: publish → sign → attest → verify, and then the moving tags come to it.
 *
 * The same images give the same index. Each image is signed under the index's name too, and the index carries the
 * statements of all: some clients check what a tag names, some the image that they take from it.
 */
export async function releaseIndex(context: BuildContext, wish: IndexWish): Promise<ImageIndex> {
  const { recipe, parts, floatingTags } = wish;
  const bytes = Buffer.from(canonicalJson(indexOf(wish)));
  const digest = sha256Digest(sha256Hex(bytes));
  const published = await publishIndex(context, wish, { digest, bytes });
  await signRelease(context, { digest }, published);
  await attestParts(context, wish, digest);
  await verifyIndex(context, wish, { digest, published });
  const move = { repository: recipe.name, digest, mediaType: mediaTypes.index, bytes };
  for (const tag of floatingTags) await moveTag(context, { ...move, tag });
  const images = parts.map(({ architecture, digest: image }) => ({ architecture, digest: image }));
  return { digest, tags: [published.dateTag, ...floatingTags], images };
}

/** Source: OCI image spec, image-index.md. */
function indexOf({ recipe, parts, epochSeconds }: IndexWish): Index {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: parts.map(({ architecture, digest, sizeBytes }) => ({
      mediaType: mediaTypes.manifest,
      digest,
      size: sizeBytes,
      platform: { os: "linux", architecture },
    })),
    annotations: {
      "org.opencontainers.image.created": isoSeconds(epochSeconds * 1000),
      "org.opencontainers.image.title": recipe.title,
      ...(recipe.description === undefined ? {} : { "org.opencontainers.image.description": recipe.description }),
    },
  };
}

interface IndexBytes {
  readonly digest: Digest;
  readonly bytes: Buffer;
}

async function publishIndex(
  context: BuildContext,
  { recipe: { name: repository }, tagStem, epochSeconds }: IndexWish,
  { digest, bytes }: IndexBytes,
): Promise<Published> {
  const { registry, request } = context;
  const startedAt = nowIso();
  return await runStage(context, {
    name: "publish",
    version: 1,
    input: { index: digest, repository },
    async work() {
      const dateTag = await freeTag(context, { repository, stem: `${tagStem}-${dayOf(epochSeconds)}`, digest });
      const { actor } = request;
      await registry.putManifest({ repository, reference: dateTag, mediaType: mediaTypes.index, bytes, actor });
      return { repository, dateTag, startedAt, publishedAt: nowIso() };
    },
    isWhole: async ({ dateTag }) => (await registry.getManifest(repository, dateTag))?.digest === digest,
    summary: ({ dateTag }) => `${repository}:${dateTag}`,
  });
}

async function attestParts(
  context: BuildContext,
  { recipe: { name: repository }, parts }: IndexWish,
  digest: Digest,
): Promise<void> {
  const { registry, store, keys, config, request } = context;
  const name = `${context.registryHost()}/${repository}`;
  const { attestationTags: attestationTag } = config.formats;
  const source = registrySource(registry, store.blobs);
  await runStage(context, {
    name: "attest",
    version: 1,
    isRecorded: false,
    input: { index: digest, name, key: keys.evidence.id, tags: attestationTag },
    async work() {
      const wish = { key: keys.evidence, source, repository, reference: digest, name, at: nowIso(), attestationTag };
      const into = { registry, blobs: store.blobs, repository, actor: request.actor };
      return { manifests: await putObjects(await attestIndex(wish), into) };
    },
    summary: () => `the statements of ${parts.length} images`,
  });
}

/** Each image was verified before; here it is what an index adds. */
async function verifyIndex(
  context: BuildContext,
  { recipe: { name: repository }, floatingTags }: IndexWish,
  { digest, published }: { readonly digest: Digest; readonly published: Published },
): Promise<void> {
  const { registry, store, keys } = context;
  await runStage(context, {
    name: "verify",
    version: 1,
    isRecorded: false,
    input: { index: digest, published, keys: [keys.release.id, keys.evidence.id], floatingTags },
    async work() {
      const report = await verifyImage({
        source: registrySource(registry, store.blobs),
        repository,
        reference: digest,
        identity: `${context.registryHost()}/${repository}`,
        keys: { release: [keys.release.publicPem], evidence: [keys.evidence.publicPem] },
        require: requiredEvidence,
        formats: ["simple-signing", "bundle"],
      });
      const failed = report.checks.filter(({ ok }) => !ok);
      if (failed.length > 0)
        throw new Failure("verification_failed", `Cannot release "${repository}": ${failed[0]!.message}`, {
          details: { failed },
        });
      return { checkCount: report.checks.length, signatureCount: report.signatures.length };
    },
    summary: ({ checkCount, signatureCount }) => `${checkCount} checks, ${signatureCount} signatures`,
  });
}
