import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { mediaTypes } from "../../src/model/oci.ts";
import { assertDigest, type Bench, describeOnBenches } from "./bench.ts";
import { blobOf, pushBlob, pushes } from "./blob-pushes.ts";
import { documentRows } from "./document-rows.ts";
import { type Content, ContentBuilder, type Document } from "./documents.ts";

describeOnBenches("documents", (bench, { mode, algorithm }) => {
  for (const { name, fill, ...only } of documentRows) {
    if (only.algorithm !== undefined && only.algorithm !== algorithm) continue;
    if (only.isOfTagParameters === true && !mode.hasTagParameters) continue;
    test(name, async () => {
      const content = new ContentBuilder(algorithm);
      fill(content, name.replaceAll(/[^a-z0-9]+/g, "-"));
      await push(bench(), content);
      await list(bench(), content);
      await head(bench(), content);
      await pull(bench(), content);
      await referrers(bench(), content);
      await remove(bench(), content);
    });
  }

  // Allowed by the spec: "A registry MAY reject a manifest … with descriptors … that do not exist".
  test("sparse manifests are refused, and the refusal names what is missing", async () => {
    const { client, repository } = bench();
    const content = new ContentBuilder(algorithm);
    const kept = content.layer();
    const missing = content.describe(randomBytes(32), mediaTypes.layerGzip);
    content.image({ layers: [kept, missing] });
    content.index([content.describe(randomBytes(32), mediaTypes.manifest)]);
    await pushBlobs(bench(), content);
    for (const { descriptor, bytes } of content.documents) {
      const headers = { "content-type": descriptor.mediaType };
      const line = `PUT /v2/${repository}/manifests/${descriptor.digest}`;
      const told = await client.must(400, line, { body: bytes, headers });
      assert.equal(told.code(), "MANIFEST_BLOB_UNKNOWN");
    }
  });

  test("bad digest image", async () => {
    const { client, repository } = bench();
    const content = new ContentBuilder(algorithm);
    const { digest, mediaType } = content.image();
    await pushBlobs(bench(), content);
    const body = Buffer.concat([content.documents[0]!.bytes, Buffer.from("  ")]);
    const line = `PUT /v2/${repository}/manifests/${digest}`;
    const told = await client.must(400, line, { body, headers: { "content-type": mediaType } });
    assert.equal(told.code(), "DIGEST_INVALID");
    await client.must(404, `GET /v2/${repository}/manifests/${digest}`);
  });

  test("invalid manifest digest", async () => {
    const { client, repository } = bench();
    const content = new ContentBuilder(algorithm);
    const { mediaType } = content.image();
    await pushBlobs(bench(), content);
    const path = `/v2/${repository}/manifests/${algorithm}:baddigeststring`;
    const body = content.documents[0]!.bytes;
    await client.must(400, `PUT ${path}`, { body, headers: { "content-type": mediaType } });
    await client.must(400, `GET ${path}`);
  });
});

/** Tags that a document gets: without tag parameters only SHA-256 ones have any. */
function tagsOf({ mode, algorithm }: Bench, { tags }: Document): readonly string[] {
  return mode.hasTagParameters || algorithm === "sha256" ? tags : [];
}

function pathOf({ repository }: Bench, reference: string): string {
  return `/v2/${repository}/manifests/${reference}`;
}

async function pushBlobs(bench: Bench, { blobs }: Content): Promise<void> {
  const ways = Object.keys(pushes) as (keyof typeof pushes)[];
  for (const [at, bytes] of [...blobs.values()].entries())
    await pushBlob(bench, blobOf(bench, bytes), ways[at % ways.length]!);
}

async function push(bench: Bench, content: Content): Promise<void> {
  await pushBlobs(bench, content);
  for (const document of content.documents) {
    const tags = tagsOf(bench, document);
    await put(bench, document, { reference: document.descriptor.digest, tags: [] });
    if (bench.mode.hasTagParameters && tags.length > 0)
      await put(bench, document, { reference: document.descriptor.digest, tags });
    else for (const tag of tags) await put(bench, document, { reference: tag, tags: [] });
  }
}

async function put(
  bench: Bench,
  { descriptor, bytes, subject }: Document,
  { reference, tags }: { readonly reference: string; readonly tags: readonly string[] },
): Promise<void> {
  const parameters = tags.map((tag) => `tag=${tag}`).join("&");
  const line = `PUT ${pathOf(bench, reference)}${parameters === "" ? "" : `?${parameters}`}`;
  const headers = { "content-type": descriptor.mediaType };
  const told = await bench.client.must(201, line, { body: bytes, headers });
  assert.ok(told.headers.location);
  assertDigest(bench, told, descriptor.digest);
  assert.equal(told.headers["oci-subject"], subject);
  const accepted = String(told.headers["oci-tag"] ?? "").split(", ");
  assert.deepEqual(accepted.filter(Boolean), tags);
}

async function list(bench: Bench, { documents }: Content): Promise<void> {
  const path = `/v2/${bench.repository}/tags/list`;
  const tagsAt = async (line: string): Promise<string[]> =>
    (await bench.client.must(200, line)).json()["tags"] as string[];
  const all = await tagsAt(`GET ${path}`);
  assert.deepEqual(all, all.toSorted());
  for (const document of documents) for (const tag of tagsOf(bench, document)) assert.ok(all.includes(tag), tag);
  if (all.length < 2) return;
  const middle = Math.floor(all.length / 2);
  assert.deepEqual(await tagsAt(`GET ${path}?last=${all[middle - 1]}`), all.slice(middle));
}

async function head(bench: Bench, { blobs, documents }: Content): Promise<void> {
  const { client, repository } = bench;
  for (const document of documents) {
    const { digest, mediaType } = document.descriptor;
    for (const reference of [digest, ...tagsOf(bench, document)]) {
      const told = await client.must(200, `HEAD ${pathOf(bench, reference)}`);
      assert.equal(told.headers["content-type"], mediaType);
      assert.equal(told.headers["content-length"], String(document.bytes.length));
      assert.equal(told.bytes.length, 0);
      assertDigest(bench, told, digest);
    }
  }
  for (const [digest, bytes] of blobs) {
    const told = await client.must(200, `HEAD /v2/${repository}/blobs/${digest}`);
    assert.equal(told.headers["content-length"], String(bytes.length));
    assertDigest(bench, told, digest);
  }
}

async function pull(bench: Bench, { blobs, documents }: Content): Promise<void> {
  const { client, repository } = bench;
  const headers = { accept: `${mediaTypes.index}, ${mediaTypes.manifest}` };
  for (const document of documents) {
    const { digest, mediaType } = document.descriptor;
    for (const reference of [digest, ...tagsOf(bench, document)]) {
      const told = await client.must(200, `GET ${pathOf(bench, reference)}`, { headers });
      assert.ok(told.bytes.equals(document.bytes));
      assert.equal(told.headers["content-type"], mediaType);
      assertDigest(bench, told, digest);
    }
  }
  for (const [digest, bytes] of blobs) {
    const told = await client.must(200, `GET /v2/${repository}/blobs/${digest}`);
    assert.ok(told.bytes.equals(bytes));
    assertDigest(bench, told, digest);
  }
}

async function referrers({ client, repository }: Bench, { documents }: Content): Promise<void> {
  for (const [subject, group] of Map.groupBy(documents, (document) => document.subject)) {
    if (subject === undefined) continue;
    const path = `/v2/${repository}/referrers/${subject}`;
    const expected = group.map(({ listed }) => listed);
    const told = await client.must(200, `GET ${path}`);
    assert.equal(told.headers["content-type"], mediaTypes.index);
    assert.equal(told.headers["oci-filters-applied"], undefined);
    assert.deepEqual(byDigest(told.json()["manifests"]), byDigest(expected));
    for (const type of new Set(expected.map((one) => one["artifactType"]))) {
      if (typeof type !== "string") continue;
      const filtered = await client.must(200, `GET ${path}?artifactType=${encodeURIComponent(type)}`);
      assert.equal(filtered.headers["oci-filters-applied"], "artifactType");
      const wanted = expected.filter((one) => one["artifactType"] === type);
      assert.deepEqual(byDigest(filtered.json()["manifests"]), byDigest(wanted));
    }
  }
}

function byDigest(list: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries((list as { digest: string }[]).map((one) => [one.digest, one]));
}

/** Tags first, which leaves the documents; then documents, the last one first; then blobs. All at once gone. */
async function remove(bench: Bench, { blobs, documents }: Content): Promise<void> {
  const { client, repository } = bench;
  const gone = async (path: string): Promise<void> => {
    await client.must(202, `DELETE ${path}`);
    await client.must(404, `HEAD ${path}`);
  };
  for (const document of documents) {
    for (const tag of tagsOf(bench, document)) await gone(pathOf(bench, tag));
    await client.must(200, `HEAD ${pathOf(bench, document.descriptor.digest)}`);
  }
  for (const { descriptor } of documents.toReversed()) await gone(pathOf(bench, descriptor.digest));
  for (const digest of blobs.keys()) await gone(`/v2/${repository}/blobs/${digest}`);
}
