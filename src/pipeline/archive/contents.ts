import { z } from "zod";
import { parseDigest, type Digest } from "../../model/digest.ts";
import { isRepository, isTag } from "../../model/reference.ts";

const digest = z.string().transform((text, context): Digest => {
  const parsed = parseDigest(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: "is not a digest" });
  return z.NEVER;
});
const sizeBytes = z.int().nonnegative();
const repository = z.string().refine(isRepository, "is not a repository name");
const tag = z.string().refine(isTag, "is not a tag");
const file = z.object({ path: z.string(), digest, sizeBytes });

/**
 * What an archive of ours says of itself, in `mintmark/contents.json` beside the files of an OCI layout.
 *
 * Everything in it is named by digest; it holds no time, so that the same images give the same bytes.
 */
export const contentsSchema = z.object({
  schemaVersion: z.literal(1),
  images: z.array(
    z.object({
      repository,
      digest,
      /** Tags of the image; empty where it was exported by its digest. */
      tags: z.array(tag),
      /** Whether one of the keys in the archive has signed it. */
      isSigned: z.boolean(),
    }),
  ),
  /** Every blob and manifest. */
  blobs: z.array(z.object({ digest, sizeBytes })),
  /** Public keys. */
  trust: z.array(file),
  advisories: z.array(file.extend({ feed: z.string().min(1).max(200), recordCount: z.int().nonnegative() })),
});

/** What an archive of ours says of itself. */
export type Contents = z.infer<typeof contentsSchema>;

/** What makes a folder or archive an OCI layout. Source: OCI image spec, image-layout.md. */
export const layoutSchema = z.object({ imageLayoutVersion: z.string().startsWith("1.") });

/** The index of an OCI layout. Source: OCI image spec, image-layout.md. */
export const layoutIndexSchema = z.object({
  schemaVersion: z.literal(2),
  manifests: z.array(
    z.object({
      mediaType: z.string().min(1),
      digest,
      size: sizeBytes,
      annotations: z.record(z.string(), z.string()).optional(),
    }),
  ),
});

/** The index of an OCI layout. */
export type LayoutIndex = z.infer<typeof layoutIndexSchema>;

/** The annotation that names an image in a layout. Source: OCI image spec, annotations.md. */
export const nameAnnotation = "org.opencontainers.image.ref.name";

/** Where things are in an archive. */
export const archivePaths = {
  layout: "oci-layout",
  index: "index.json",
  contents: "mintmark/contents.json",
  trust: "mintmark/trust/",
  advisories: "mintmark/advisories/",
} as const;

/** Where a blob is in a layout. */
export function blobPath(name: Digest): string {
  return `blobs/${name.replace(":", "/")}`;
}

/** The digest of a path in a layout. */
export function digestOfPath(path: string): Digest | undefined {
  const [, algorithm, hex] = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(path) ?? [];
  return algorithm === undefined ? undefined : parseDigest(`${algorithm}:${hex}`);
}
