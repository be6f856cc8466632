import { createHash } from "node:crypto";
import { Failure } from "../base/errors.ts";
import { parseDigest, type Digest } from "../model/digest.ts";
import type { Descriptor } from "../model/oci.ts";
import type { ImageSource, SourceManifest } from "./sign.ts";

/** Bytes that were read and found right, or in words what is wrong with them. */
export type ReadResult = { readonly bytes: Buffer } | { readonly problem: string };

/** Reads a blob whole and checks size and digest. */
export async function readBlob(
  at: { source: ImageSource; repository: string },
  descriptor: Descriptor,
  limitBytes: number,
): Promise<ReadResult> {
  if (descriptor.size > limitBytes) return { problem: `blob ${descriptor.digest} is larger than ${limitBytes} bytes` };
  const chunks: Buffer[] = [];
  const problem = await checkBlob(at, descriptor, (chunk) => chunks.push(Buffer.from(chunk)));
  return problem === undefined ? { bytes: Buffer.concat(chunks) } : { problem };
}

/** Streams a blob and says in words what is wrong with its size or digest; undefined where it is right. */
export async function checkBlob(
  at: { source: ImageSource; repository: string },
  descriptor: Descriptor,
  onChunk: (chunk: Uint8Array) => void = () => undefined,
): Promise<string | undefined> {
  const hash = createHash(descriptor.digest.startsWith("sha512:") ? "sha512" : "sha256");
  let sizeBytes = 0;
  try {
    const stream = await at.source.getBlob(at.repository, descriptor.digest);
    if (stream === undefined) return `blob ${descriptor.digest} is missing`;
    for await (const chunk of stream) {
      sizeBytes += chunk.byteLength;
      // Leaving the loop ends the stream: a blob without end costs nothing.
      if (sizeBytes > descriptor.size)
        return `blob ${descriptor.digest} is larger than the ${descriptor.size} bytes that were promised`;
      hash.update(chunk);
      onChunk(chunk);
    }
  } catch (error) {
    if (isAnswer(error)) return `blob ${descriptor.digest} cannot be read: ${error.message}`;
    throw error;
  }
  if (sizeBytes < descriptor.size)
    return `blob ${descriptor.digest} has ${sizeBytes} bytes where ${descriptor.size} were promised`;
  return hash.digest("hex") === descriptor.digest.slice(7)
    ? undefined
    : `blob ${descriptor.digest} was altered: its bytes have another digest`;
}

/** Reads a manifest and checks that its bytes have the digest that the source or the reference claims. */
export async function readManifest(
  at: { source: ImageSource; repository: string },
  reference: string,
  limitBytes: number,
): Promise<{ manifest: SourceManifest } | { problem: string; absent: boolean }> {
  let found: SourceManifest | undefined;
  try {
    found = await at.source.getManifest(at.repository, reference);
  } catch (error) {
    if (isAnswer(error))
      return { problem: `"${reference}" cannot be read: ${error.message}`, absent: error.code === "not_found" };
    throw error;
  }
  if (found === undefined) return { problem: `"${reference}" is missing`, absent: true };
  if (found.bytes.byteLength > limitBytes)
    return { problem: `"${reference}" is larger than ${limitBytes} bytes`, absent: false };
  const claimed = parseDigest(reference) ?? found.digest;
  if (digestOf(found.bytes, claimed) !== claimed)
    return { problem: `"${reference}" was altered: its bytes do not have the digest ${claimed}`, absent: false };
  return { manifest: { ...found, digest: claimed } };
}

/** Whether a source's exception says something about the content; others say that the source cannot be reached. */
function isAnswer(error: unknown): error is Failure {
  return error instanceof Failure && ["not_found", "digest_mismatch", "too_large"].includes(error.code);
}

/** The digest of bytes, with the algorithm of another digest; SHA-256 by default. */
export function digestOf(bytes: Uint8Array, like: Digest = "sha256:"): Digest {
  const algorithm = like.startsWith("sha512:") ? "sha512" : "sha256";
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}
