import { createHash } from "node:crypto";
import { sha256Hex } from "../../base/hash.ts";
import { sha256Digest } from "../../model/digest.ts";
import type { Publication, Shelf, Subject, WriteRefusal, WriteRequest } from "../format.ts";
import { statusTextOf } from "./deny.ts";
import { mediaTypeOf } from "./classify.ts";
import { type ChecksumName, checksumNames, type MavenPath, readPath } from "./layout.ts";
import { readChecksum } from "./locate.ts";
import { mergeMetadata, readMetadata, writeMetadata } from "./metadata.ts";

/**
 * Takes what `mvn deploy` and Gradle's `publish` send: files with PUT, each followed by its checksums, metadata at the end.
 *
 * Checksums are made here when the file comes; those that are sent are compared with them. Metadata is merged with
 * what is here, so that of two deployments at once none forgets the other's version. A released file never changes.
 */
export async function write(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  if (request.method !== "PUT") return refusal(405, "files of a Maven repository are written with PUT");
  const found = readPath(request.path);
  if (found?.subject === undefined || found.kind === "other")
    return refusal(400, "the path is not {group}/{artifact}/{version}/{artifact}-{version}... of a Maven repository");
  const upload: Upload = { found, subject: found.subject, body: request.body, shelf };
  if (found.checksum !== undefined) return await takeChecksum(upload, found.checksum);
  return found.kind === "metadata" ? await takeMetadata(upload) : await takeArtifact(upload);
}

interface Upload {
  readonly found: MavenPath;
  readonly subject: Subject;
  readonly body: AsyncIterable<Uint8Array>;
  readonly shelf: Shelf;
}

async function takeArtifact({ found, subject, body, shelf }: Upload): Promise<Publication | WriteRefusal> {
  const hashes = checksumNames.map((name) => ({ name, hash: createHash(name) }));
  const file = await shelf.put(
    (async function* hashed() {
      for await (const chunk of body) {
        for (const { hash } of hashes) hash.update(chunk);
        yield chunk;
      }
    })(),
  );
  const known = await shelf.fileDigest(found.path);
  if (known !== undefined && known !== file.digest && !found.isMutable)
    return refusal(409, `${nameOf(found)} is here already with other bytes: publish a new version`);
  const { digest, sizeBytes } = file;
  const files = [{ key: found.path, digest, sizeBytes, mediaType: mediaTypeOf(found.path), subject }];
  for (const { name, hash } of hashes) {
    const stored = await shelf.put(Buffer.from(hash.digest("hex")));
    const key = `${found.path}.${name}`;
    files.push({ key, digest: stored.digest, sizeBytes: stored.sizeBytes, mediaType: mediaTypeOf(key), subject });
  }
  return publication(subject, { files });
}

async function takeMetadata({ found, subject, body, shelf }: Upload): Promise<Publication | WriteRefusal> {
  const bytes = await collect(body, 4 * 1024 * 1024);
  if (bytes === undefined) return refusal(413, "the metadata is larger than 4 MiB");
  const sent = readMetadata(bytes);
  if ("invalid" in sent) return refusal(400, `the metadata cannot be read: ${sent.invalid}`);
  if (sent.artifactId !== undefined && `${sent.groupId ?? ""}:${sent.artifactId}` !== subject.name)
    return refusal(400, `the metadata is that of ${sent.groupId ?? ""}:${sent.artifactId}, not of ${subject.name}`);
  const stored = await shelf.read(found.target);
  const known = stored === undefined ? undefined : readMetadata(stored);
  const merged = writeMetadata(mergeMetadata(known === undefined || "invalid" in known ? [sent] : [sent, known]));
  // Where nothing had to be added the client's own bytes stay, and with them its checksums.
  const isWhole = merged === writeMetadata(mergeMetadata([sent]));
  const received = Object.fromEntries(
    checksumNames.map((name) => [name, createHash(name).update(bytes).digest("hex")]),
  );
  return publication(subject, {
    documents: [
      { source: found.target, bytes: isWhole ? bytes : Buffer.from(merged), mediaType: "text/xml" },
      { source: receivedSource(found), bytes: Buffer.from(JSON.stringify(received)), mediaType: "application/json" },
    ],
  });
}

/** Compares a checksum with what was sent under the name before; the ones that clients get are made here. */
async function takeChecksum(upload: Upload, name: ChecksumName): Promise<Publication | WriteRefusal> {
  const { found, subject } = upload;
  const bytes = await collect(upload.body, 4096);
  const sent = bytes === undefined ? undefined : readChecksum(bytes, name);
  if (sent === undefined) return refusal(400, `${nameOf(found)} is not a ${name} in hex`);
  const isRight = found.kind === "metadata" ? await isOfMetadata(upload, name, sent) : await isOfFile(upload, sent);
  if (isRight === undefined) return refusal(400, `upload ${found.target} before its checksums`);
  if (!isRight)
    return refusal(400, `the ${name} ${sent} is not that of the ${nameOf(found, found.target)} that was uploaded`);
  return publication(subject, {});
}

async function isOfFile({ found, shelf }: Upload, sent: string): Promise<boolean | undefined> {
  const known = await shelf.fileDigest(found.path);
  return known === undefined ? undefined : known === sha256Digest(sha256Hex(sent));
}

async function isOfMetadata({ found, shelf }: Upload, name: ChecksumName, sent: string): Promise<boolean | undefined> {
  const received = await shelf.read(receivedSource(found));
  if (received === undefined) return undefined;
  return (JSON.parse(received.toString("utf8")) as Partial<Record<ChecksumName, string>>)[name] === sent;
}

/** Where the checksums of the metadata that came last are kept; no path that a client can ask for is this. */
function receivedSource(found: MavenPath): string {
  return `#received/${found.target}`;
}

function publication(subject: Subject, content: Partial<Pick<Publication, "files" | "documents">>): Publication {
  const answer = { status: 201, mediaType: "text/plain", body: "" };
  return { subject, files: [], documents: [], removed: [], ...content, answer };
}

async function collect(body: AsyncIterable<Uint8Array>, limitBytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function nameOf(found: MavenPath, path = found.path): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function refusal(status: number, reason: string): WriteRefusal {
  return {
    refused: true,
    status,
    mediaType: "text/plain; charset=UTF-8",
    body: `${reason}\n`,
    statusText: statusTextOf(reason),
  };
}
