import { z } from "zod";
import { parseDigest, type Digest } from "../model/digest.ts";
import { mediaTypes } from "../model/oci.ts";

const digest = z.string().transform((text, context): Digest => {
  const parsed = parseDigest(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: "is not a digest" });
  return z.NEVER;
});

const descriptor = z.object({
  mediaType: z.string().min(1),
  digest,
  size: z.int().nonnegative(),
  artifactType: z.string().exactOptional(),
  annotations: z.record(z.string(), z.string()).exactOptional(),
});

const manifestForm = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().exactOptional(),
  artifactType: z.string().exactOptional(),
  config: descriptor,
  layers: z.array(descriptor),
  subject: descriptor.exactOptional(),
  annotations: z.record(z.string(), z.string()).exactOptional(),
});

const indexForm = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().exactOptional(),
  manifests: z.array(descriptor),
  annotations: z.record(z.string(), z.string()).exactOptional(),
});

/** An image or artifact manifest as read. */
export type ParsedManifest = z.infer<typeof manifestForm>;
/** An index as read. */
export type ParsedIndex = z.infer<typeof indexForm>;

/** Whether a media type is that of an index, in the OCI or the Docker spelling. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.index || mediaType === mediaTypes.dockerIndex;
}

/** Reads an image or artifact manifest; undefined where the bytes are none or claim another media type. */
export function parseManifest(bytes: Uint8Array, mediaType: string): ParsedManifest | undefined {
  return parseAs(manifestForm, bytes, mediaType);
}

/** Reads an index; undefined where the bytes are none or claim another media type. */
export function parseIndex(bytes: Uint8Array, mediaType: string): ParsedIndex | undefined {
  return parseAs(indexForm, bytes, mediaType);
}

/** Reads JSON; undefined where the bytes are not UTF-8 JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function parseAs<Form extends { mediaType?: string }>(
  form: z.ZodType<Form>,
  bytes: Uint8Array,
  mediaType: string,
): Form | undefined {
  const parsed = form.safeParse(parseJson(bytes));
  // One content under two types is the classic confusion of CVE-2021-41190.
  if (!parsed.success || (parsed.data.mediaType !== undefined && parsed.data.mediaType !== mediaType)) return undefined;
  return parsed.data;
}
