import { strict as assert } from "node:assert";
import { type Bench, digestOf } from "./bench.ts";
import { type Told } from "./client.ts";

/** Bytes under the name that they are pushed by, which a test of bad digests makes a wrong one. */
export interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** Pushes a blob in one way of the spec; gives the last answer, which a test may want to be a refusal. */
type Push = (bench: Bench, blob: Blob) => Promise<Told>;

const octets = { "content-type": "application/octet-stream" };

/** The ways to push a blob. Source: OCI distribution spec, "Pushing blobs". */
export const pushes = {
  "post only": async ({ client, repository }, { digest, bytes }) =>
    await client.ask("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes, headers: octets }),
  "post and put": async (bench, { digest, bytes }) =>
    await bench.client.ask("PUT", closing(await begin(bench), digest), { body: bytes, headers: octets }),
  chunked: async (bench, blob) => await pushInChunks(bench, blob, {}),
  "chunked, last chunk in the put": async (bench, blob) => await pushInChunks(bench, blob, { isLastInPut: true }),
  "chunked, out of order": async (bench, blob) => await pushInChunks(bench, blob, { isDisturbed: true }),
  "chunked, out of order, last chunk in the put": async (bench, blob) =>
    await pushInChunks(bench, blob, { isDisturbed: true, isLastInPut: true }),
  stream: async (bench, { digest, bytes }) => {
    const location = await begin(bench);
    const told = await bench.client.must(202, `PATCH ${location}`, { body: inPieces(bytes), headers: octets });
    return await bench.client.ask("PUT", closing(locationOf(told), digest), { body: "" });
  },
} satisfies Readonly<Record<string, Push>>;

/** Pushes a blob that must be taken, and reads it back from where the answer says it is. */
export async function pushBlob(bench: Bench, blob: Blob, way: keyof typeof pushes): Promise<void> {
  const told = await pushes[way](bench, blob);
  assert.equal(told.status, 201, told.bytes.toString());
  const got = await bench.client.must(200, `GET ${locationOf(told)}`);
  assert.ok(got.bytes.equals(blob.bytes));
}

/** A blob of the bench's algorithm. */
export function blobOf({ algorithm }: Bench, bytes: Buffer): Blob {
  return { digest: digestOf(algorithm, bytes), bytes };
}

/** Begins an upload and gives where it goes on. */
export async function begin({ client, repository }: Bench): Promise<string> {
  return locationOf(await client.must(202, `POST /v2/${repository}/blobs/uploads/`, { body: "" }));
}

/** The `Location` of an answer, which must have one. */
export function locationOf({ headers }: Told): string {
  assert.ok(headers.location);
  return headers.location;
}

/** A location with the parameter that closes the upload; it may have parameters of its own. */
export function closing(location: string, digest: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`;
}

interface ChunkOptions {
  readonly isLastInPut?: boolean;
  /** Sends a wrong chunk before each right one. */
  readonly isDisturbed?: boolean;
}

const chunkCount = 3;

async function pushInChunks(bench: Bench, { digest, bytes }: Blob, options: ChunkOptions): Promise<Told> {
  const { client } = bench;
  let location = await begin(bench);
  const size = Math.ceil(bytes.length / chunkCount);
  for (let start = 0; start < bytes.length; start += size) {
    const isInPut = options.isLastInPut === true && start + size >= bytes.length;
    const send = async (from: number): Promise<Told> => {
      const chunk = bytes.subarray(from, from + size);
      const headers = { ...octets, "content-range": `${from}-${from + chunk.length - 1}` };
      const path = isInPut ? closing(location, digest) : location;
      return await client.ask(isInPut ? "PUT" : "PATCH", path, { body: chunk, headers });
    };
    if (options.isDisturbed === true) {
      const wrong = await send(start + size < bytes.length ? start + size : 0);
      assert.equal(wrong.status, 416);
      const status = await client.must(204, `GET ${location}`);
      if (start > 0) assert.equal(status.headers.range, `0-${start - 1}`);
      location = locationOf(status);
    }
    const told = await send(start);
    if (isInPut) return told;
    assert.equal(told.status, 202);
    assert.equal(told.headers.range, `0-${Math.min(start + size, bytes.length) - 1}`);
    location = locationOf(told);
  }
  return await client.ask("PUT", closing(location, digest), { body: "", headers: octets });
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 100) yield bytes.subarray(start, start + 100);
}
