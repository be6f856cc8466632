import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { sha256Digest, type Digest } from "../model/digest.ts";
import {
  type Format,
  type Publication,
  type RenderInput,
  type Shelf,
  type SourceDocument,
  type UpstreamReader,
  type WriteRefusal,
  type WriteRequest,
} from "./format.ts";

/** A hosted repository in memory, with its stored bytes in a temporary folder, for the tests of formats. */
export interface TestShelf {
  readonly shelf: Shelf;
  /** Hands a write to the format and stores what it publishes. */
  write(request: TestWrite): Promise<Publication | WriteRefusal>;
  file(key: string): { readonly digest: Digest; readonly mediaType: string } | undefined;
  document(source: string): SourceDocument;
  keys(): readonly string[];
  close(): Promise<void>;
}

/** A write as a test says it. */
interface TestWrite {
  readonly method: WriteRequest["method"];
  readonly path: string;
  readonly headers?: WriteRequest["headers"];
  readonly body?: Uint8Array;
}

/** Opens an empty shelf. */
export async function openTestShelf(format: Format): Promise<TestShelf> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-shelf-"));
  const files = new Map<string, { digest: Digest; mediaType: string }>();
  const documents = new Map<string, { bytes: Buffer; mediaType: string }>();
  const keys = (): string[] => [...files.keys(), ...documents.keys()].toSorted();
  const shelf: Shelf = {
    base: "http://mirror.test/mirror/hosted",
    read: async (source) => documents.get(source)?.bytes,
    fileDigest: async (key) => files.get(key)?.digest,
    async put(bytes, limitBytes = Infinity) {
      const pieces: Uint8Array[] = [];
      for await (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) pieces.push(piece);
      const all = Buffer.concat(pieces);
      if (all.length > limitBytes) throw new Failure("too_large", "The file is too large");
      const digest = sha256Digest(sha256Hex(all));
      const path = join(folder, digest.slice("sha256:".length));
      await writeFile(path, all);
      return { digest, sizeBytes: all.length, path };
    },
    list: async (prefix) => keys().filter((key) => key.startsWith(prefix)),
  };
  return {
    shelf,
    keys,
    file: (key) => files.get(key),
    document(source) {
      const found = documents.get(source);
      assert.ok(found !== undefined, `no document ${source}`);
      return { ...found, url: `${shelf.base}/${source}`, isHosted: true };
    },
    async write(request) {
      const done = await format.write!(
        {
          method: request.method,
          path: request.path,
          query: new URLSearchParams(),
          headers: request.headers ?? {},
          body: Readable.from(request.body === undefined ? [] : inPieces(Buffer.from(request.body))),
        },
        shelf,
      );
      if ("refused" in done) return done;
      for (const key of done.removed) void (files.delete(key) || documents.delete(key));
      for (const { key, digest, mediaType } of done.files) files.set(key, { digest, mediaType });
      for (const { source, bytes, mediaType } of done.documents)
        documents.set(source, { bytes: Buffer.from(bytes), mediaType });
      return done;
    },
    close: async () => await rm(folder, { recursive: true, force: true }),
  };
}

function* inPieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

/** An upstream of documents in memory. */
export function testReader(format: Format, documents: Readonly<Record<string, string>>): UpstreamReader {
  const read = async (source: string): Promise<Buffer | undefined> => {
    const text = documents[source];
    return text === undefined ? undefined : Buffer.from(text);
  };
  return {
    address: "https://upstream.test/index/",
    read,
    async facts(source) {
      const bytes = await read(source);
      return bytes === undefined ? undefined : format.facts?.(upstreamDocument(bytes, source));
    },
    derived: async () => undefined,
  };
}

/** A document as an upstream gave it. */
export function upstreamDocument(bytes: string | Buffer, source = "document"): SourceDocument {
  return {
    bytes: Buffer.from(bytes),
    mediaType: "application/octet-stream",
    url: `https://upstream.test/index/${source}`,
    isHosted: false,
  };
}

/** Renders for a client of `http://mirror.test/mirror/all`. */
export function testRendering(
  format: Format,
  input: Pick<RenderInput, "variant" | "source" | "documents"> & { readonly withheld?: readonly string[] },
): string {
  const withheld = new Map((input.withheld ?? []).map((version) => [version, "too new"]));
  const rendered = format.render!({ ...input, base: "http://mirror.test/mirror/all", withheld });
  return Buffer.from(rendered.bytes).toString("utf8");
}
