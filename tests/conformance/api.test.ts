import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { mediaTypes } from "../../src/model/oci.ts";
import { assertDigest, type Bench, describeOnBenches, type Mode } from "./bench.ts";
import { begin, type Blob, blobOf, locationOf, pushBlob, type pushes } from "./blob-pushes.ts";
import { ContentBuilder, type Document, type ImageOptions } from "./documents.ts";

/** One row of the official program's table of APIs. */
interface ApiRow {
  readonly name: string;
  readonly run: (bench: Bench) => Promise<unknown>;
  /** What the mode must have for the row. */
  readonly of?: keyof Mode;
}

const rows: readonly ApiRow[] = [
  { name: "ping", run: async ({ client }) => await client.must(200, "GET /v2/") },
  { name: "blob push", run: async (bench) => await pushOne(bench, "post and put") },
  { name: "blob post only", run: async (bench) => await pushOne(bench, "post only") },
  { name: "blob post put", run: async (bench) => await pushOne(bench, "post and put") },
  { name: "blob chunked", run: async (bench) => await pushOne(bench, "chunked") },
  { name: "blob streaming", run: async (bench) => await pushOne(bench, "stream") },
  { name: "blob mount", run: async (bench) => await mount(bench, `&from=${bench.source}`) },
  { name: "blob anonymous mount", run: async (bench) => await mount(bench, "") },
  { name: "blob upload cancel", of: "hasUploadCancel", run: cancel },
  { name: "blob get", run: async (bench) => await readBlob(bench, "GET") },
  { name: "blob get range", run: readRange },
  { name: "blob head", run: async (bench) => await readBlob(bench, "HEAD") },
  { name: "blob delete", run: async (bench) => await deleteBlob(bench) },
  { name: "blob delete atomic", run: async (bench) => await isGone(bench, await deleteBlob(bench)) },
  { name: "manifest put by digest", run: async (bench) => await putImage(bench) },
  { name: "manifest put by tag", run: async (bench) => await putTagged(bench, "put-by-tag") },
  { name: "manifest put with tag params", of: "hasTagParameters", run: putWithTags },
  { name: "manifest put with subject", run: async (bench) => await putReferrer(bench) },
  { name: "manifest get by digest", run: async (bench) => await readImage(bench, "GET", "digest") },
  { name: "manifest get by tag", run: async (bench) => await readImage(bench, "GET", "tag") },
  { name: "manifest head by digest", run: async (bench) => await readImage(bench, "HEAD", "digest") },
  { name: "manifest head by tag", run: async (bench) => await readImage(bench, "HEAD", "tag") },
  { name: "manifest delete", run: async (bench) => await deleteImage(bench) },
  { name: "manifest delete atomic", run: async (bench) => await isGone(bench, await deleteImage(bench)) },
  { name: "tag listing", run: listTags },
  { name: "tag delete", run: async (bench) => await deleteTag(bench) },
  { name: "tag delete atomic", run: async (bench) => await isGone(bench, await deleteTag(bench)) },
  { name: "referrers", run: listReferrers },
];

describeOnBenches("API", (bench, { mode }) => {
  for (const { name, of, run } of rows)
    if (of === undefined || mode[of] !== false) test(name, async () => void (await run(bench())));
});

async function pushOne(bench: Bench, way: keyof typeof pushes): Promise<Blob> {
  const blob = blobOf(bench, randomBytes(3067));
  await pushBlob(bench, blob, way);
  return blob;
}

async function mount(bench: Bench, from: string): Promise<void> {
  const { digest, bytes } = await pushOne({ ...bench, repository: bench.source }, "post only");
  const line = `POST /v2/${bench.repository}/blobs/uploads/?mount=${digest}${from}`;
  const told = await bench.client.must(201, line, { body: "" });
  assert.ok((await bench.client.must(200, `GET ${locationOf(told)}`)).bytes.equals(bytes));
}

async function cancel(bench: Bench): Promise<void> {
  const location = await begin(bench);
  await bench.client.must(204, `DELETE ${location}`);
  const told = await bench.client.must(404, `GET ${location}`);
  assert.equal(told.code(), "BLOB_UPLOAD_UNKNOWN");
}

async function readBlob(bench: Bench, method: "GET" | "HEAD"): Promise<void> {
  const { digest, bytes } = await pushOne(bench, "post only");
  const told = await bench.client.must(200, `${method} /v2/${bench.repository}/blobs/${digest}`);
  assert.ok(told.bytes.equals(method === "GET" ? bytes : Buffer.alloc(0)));
  assert.equal(told.headers["content-length"], String(bytes.length));
  assertDigest(bench, told, digest);
}

async function readRange(bench: Bench): Promise<void> {
  const { digest, bytes } = await pushOne(bench, "post only");
  const headers = { range: "bytes=100-199" };
  const told = await bench.client.must(206, `GET /v2/${bench.repository}/blobs/${digest}`, { headers });
  assert.ok(told.bytes.equals(bytes.subarray(100, 200)));
}

async function deleteBlob(bench: Bench): Promise<string> {
  const { digest } = await pushOne(bench, "post only");
  const path = `/v2/${bench.repository}/blobs/${digest}`;
  await bench.client.must(202, `DELETE ${path}`);
  return path;
}

async function isGone({ client }: Bench, path: string): Promise<void> {
  await client.must(404, `HEAD ${path}`);
}

/** Pushes an image by digest, with tags where they are asked for; the algorithm decides how a tag gets there. */
async function putImage(bench: Bench, options: ImageOptions = {}): Promise<Document> {
  const { client, repository, algorithm } = bench;
  const content = new ContentBuilder(algorithm);
  content.image(options);
  for (const bytes of content.blobs.values()) await pushBlob(bench, blobOf(bench, bytes), "post only");
  const document = content.documents[0]!;
  const { digest, mediaType } = document.descriptor;
  const asked = { body: document.bytes, headers: { "content-type": mediaType } };
  const told = await client.must(201, `PUT /v2/${repository}/manifests/${digest}`, asked);
  assert.equal(told.headers.location, `/v2/${repository}/manifests/${digest}`);
  assertDigest(bench, told, digest);
  assert.equal(told.headers["oci-subject"], options.subject?.digest);
  for (const tag of document.tags) {
    const reference = algorithm === "sha256" ? tag : `${digest}?tag=${tag}`;
    await client.must(201, `PUT /v2/${repository}/manifests/${reference}`, asked);
  }
  return document;
}

async function putTagged(bench: Bench, tag: string): Promise<Document> {
  return await putImage(bench, { tags: [tag] });
}

async function putWithTags(bench: Bench): Promise<void> {
  const { client, repository } = bench;
  const { descriptor, bytes } = await putImage(bench);
  const tags = Array.from({ length: 10 }, (_, at) => `parameter-${at}`);
  const path = `/v2/${repository}/manifests/${descriptor.digest}?tag=${tags.join("&tag=")}`;
  const headers = { "content-type": descriptor.mediaType };
  const told = await client.must(201, `PUT ${path}`, { body: bytes, headers });
  assert.deepEqual(String(told.headers["oci-tag"]).split(", "), tags);
  for (const tag of tags)
    assertDigest(bench, await client.must(200, `HEAD /v2/${repository}/manifests/${tag}`), descriptor.digest);
}

async function putReferrer(bench: Bench): Promise<{ readonly subject: Document; readonly referrer: Document }> {
  const subject = await putImage(bench);
  return { subject, referrer: await putImage(bench, { subject: subject.descriptor, artifactType: "x/y" }) };
}

async function readImage(bench: Bench, method: "GET" | "HEAD", by: "digest" | "tag"): Promise<void> {
  const tag = `read-${method.toLowerCase()}`;
  const { descriptor, bytes } = await putTagged(bench, tag);
  const reference = by === "tag" ? tag : descriptor.digest;
  const told = await bench.client.must(200, `${method} /v2/${bench.repository}/manifests/${reference}`);
  assert.ok(told.bytes.equals(method === "GET" ? bytes : Buffer.alloc(0)));
  assert.equal(told.headers["content-type"], descriptor.mediaType);
  assert.equal(told.headers["content-length"], String(bytes.length));
  assertDigest(bench, told, descriptor.digest);
}

async function deleteImage(bench: Bench): Promise<string> {
  const { descriptor } = await putTagged(bench, "deleted");
  const path = `/v2/${bench.repository}/manifests/`;
  await bench.client.must(202, `DELETE ${path}${descriptor.digest}`);
  await bench.client.must(404, `HEAD ${path}deleted`);
  return `${path}${descriptor.digest}`;
}

async function listTags(bench: Bench): Promise<void> {
  const { client, repository } = bench;
  for (const tag of ["list-b", "list-a"]) await putTagged(bench, tag);
  const told = (await client.must(200, `GET /v2/${repository}/tags/list?n=2&last=list-`)).json();
  assert.deepEqual(told, { name: repository, tags: ["list-a", "list-b"] });
}

async function deleteTag(bench: Bench): Promise<string> {
  const { client, repository } = bench;
  const { descriptor } = await putTagged(bench, "untagged");
  const path = `/v2/${repository}/manifests/`;
  await client.must(202, `DELETE ${path}untagged`);
  await client.must(200, `HEAD ${path}${descriptor.digest}`);
  return `${path}untagged`;
}

async function listReferrers(bench: Bench): Promise<void> {
  const { client, repository } = bench;
  const { subject, referrer } = await putReferrer(bench);
  const told = await client.must(200, `GET /v2/${repository}/referrers/${subject.descriptor.digest}`);
  assert.equal(told.headers["content-type"], mediaTypes.index);
  assert.deepEqual(told.json()["manifests"], [referrer.listed]);
}
