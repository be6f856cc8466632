import { createHash } from "node:crypto";
import { Failure } from "../../base/errors.ts";
import type { Rendered, RenderInput } from "../format.ts";
import { metadataOf } from "./facts.ts";
import { mergeMetadata, writeMetadata } from "./metadata.ts";

/**
 * Makes metadata, or the checksum of what would be made: the two always fit.
 *
 * One document of which nothing is withheld stays as it came.
 *
 * @throws Failure `not_found` for a snapshot that policy keeps back, `upstream_unreachable` where a document is none
 */
export function render({ variant, source, documents, withheld }: RenderInput): Rendered {
  const [only] = documents;
  const parsed = documents.map(metadataOf);
  const reason = withheld.get(parsed[0]?.version ?? "");
  if (reason !== undefined) throw new Failure("not_found", `Cannot give out the metadata "${source}": ${reason}`);
  const isWhole = !parsed.some(({ versions }) => versions.some((version) => withheld.has(version)));
  const bytes =
    documents.length === 1 && only !== undefined && isWhole
      ? only.bytes
      : Buffer.from(writeMetadata(mergeMetadata(parsed, withheld)));
  if (variant === "full") return { bytes, mediaType: "text/xml" };
  return { bytes: Buffer.from(createHash(variant).update(bytes).digest("hex")), mediaType: "text/plain" };
}
