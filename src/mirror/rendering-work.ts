import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { type Format, type PackageFacts, type SourceDocument } from "./format.ts";

/** A stored document, to be read by whoever works with it. */
export interface DocumentFile extends Omit<SourceDocument, "bytes"> {
  readonly path: string;
}

/** Work on documents that takes long where they are large. */
export type RenderingTask =
  | {
      readonly task: "render";
      readonly variant: string;
      readonly source: string;
      readonly base: string;
      readonly withheld: readonly (readonly [string, string])[];
      readonly documents: readonly DocumentFile[];
    }
  | { readonly task: "facts"; readonly document: DocumentFile }
  | { readonly task: "derive"; readonly name: string; readonly document: DocumentFile };

/** What came of a task; bytes are the receiver's own. */
export interface RenderingResult {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly gzip: Uint8Array | undefined;
}

/**
 * Does a task; the same in a worker and on the spot.
 *
 * @throws Failure of the format
 */
export async function doRenderingTask(format: Format, task: RenderingTask): Promise<RenderingResult> {
  switch (task.task) {
    case "render": {
      const documents = await Promise.all(task.documents.map(readDocument));
      const { variant, source, base } = task;
      const input = { variant, source, base, documents, withheld: new Map(task.withheld) };
      const first = documents[0]!;
      const rendered = format.render?.(input) ?? { bytes: first.bytes, mediaType: first.mediaType };
      return { ...rendered, gzip: compressed(rendered.bytes, rendered.mediaType) };
    }
    case "facts": {
      const facts: PackageFacts | undefined = format.facts?.(await readDocument(task.document));
      return { bytes: Buffer.from(JSON.stringify(facts ?? null)), mediaType: "application/json", gzip: undefined };
    }
    case "derive": {
      const { bytes } = await readDocument(task.document);
      const derived = format.derivations![task.name]!(bytes);
      return { bytes: derived, mediaType: "application/octet-stream", gzip: undefined };
    }
  }
}

async function readDocument({ path, ...rest }: DocumentFile): Promise<SourceDocument> {
  return { ...rest, bytes: await readFile(path) };
}

const compressible = /^(?:text\/|application\/(?:[\w.+-]+\+)?(?:json|xml|javascript|x-ndjson)\b)/;
/** Less is not worth a blob of its own. */
const leastBytes = 1024;

function compressed(bytes: Uint8Array, mediaType: string): Uint8Array | undefined {
  if (bytes.byteLength < leastBytes || !compressible.test(mediaType)) return undefined;
  const gzip = gzipSync(bytes, { level: 6 });
  return gzip.byteLength < bytes.byteLength * 0.9 ? gzip : undefined;
}
