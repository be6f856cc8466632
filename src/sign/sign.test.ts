import { strict as assert } from "node:assert";
import { test } from "node:test";
import { attachmentTag } from "./attachment.ts";
import { parseManifest } from "./manifest-form.ts";
import { attestImage, attestIndex, predicateTypes, signImage, verifyImage } from "./sign.ts";
import { simpleSigningType } from "./simple-signing.ts";
import { testImage, testIndex, testKey, testSource } from "./test-image.ts";

const repository = "golden/base";
const at = "2026-01-02T03:04:05Z";
const identities = ["localhost:5000/golden/base:1.0"];

test("signing twice makes nothing new", async () => {
  const source = testSource();
  source.put(testImage("1.0"));
  const key = testKey();
  const request = { key, source, repository, reference: "1.0", identities, at };
  const first = await signImage(request);
  assert.equal(first.manifests.length, 2);
  source.put(first);
  assert.deepEqual(await signImage({ ...request, at: "2027-01-01T00:00:00Z" }), { blobs: [], manifests: [] });
});

test("a new identity is added to the signatures that exist, and foreign ones stay", async () => {
  const source = testSource();
  const image = testImage("1.0");
  source.put(image);
  const [ours, foreign] = [testKey(), testKey()];
  for (const key of [foreign, ours])
    source.put(await signImage({ key, source, repository, reference: "1.0", identities, at }));
  source.put(
    await signImage({
      key: ours,
      source,
      repository,
      reference: "1.0",
      identities: [...identities, "localhost:5000/golden/base:1.0.1"],
      at,
    }),
  );
  const signatures = await source.getManifest(repository, attachmentTag(image.digest, "sig"));
  const manifest = parseManifest(signatures!.bytes, signatures!.mediaType)!;
  assert.deepEqual(
    manifest.layers.map((layer) => layer.mediaType),
    [simpleSigningType, simpleSigningType, simpleSigningType],
  );
  assert.equal((await source.referrers(repository, image.digest)).length, 2);
});

test("an index and its children are all signed", async () => {
  const source = testSource();
  source.put(testIndex("1.0"));
  const made = await signImage({ key: testKey(), source, repository, reference: "1.0", identities, at });
  assert.equal(made.manifests.filter((manifest) => manifest.tag?.endsWith(".sig")).length, 3);
});

test("attesting twice makes nothing new, and another predicate is added", async () => {
  const source = testSource();
  const image = testImage("1.0");
  source.put(image);
  const document = { artifactType: "application/vnd.cyclonedx+json", bytes: Buffer.from('{"b":1, "a":2}') };
  const request = {
    key: testKey(),
    source,
    repository,
    reference: "1.0",
    name: "localhost:5000/golden/base",
    evidence: [{ predicateType: predicateTypes.cyclonedx, predicate: { a: 2, b: 1 }, document }],
    at,
    attestationTag: true,
  };
  source.put(await attestImage(request));
  assert.equal((await source.referrers(repository, image.digest)).length, 2);
  assert.deepEqual(await attestImage(request), { blobs: [], manifests: [] });
  source.put(await attestImage({ ...request, evidence: [{ predicateType: predicateTypes.vuln, predicate: {} }] }));
  const tag = await source.getManifest(repository, attachmentTag(image.digest, "att"));
  assert.equal(parseManifest(tag!.bytes, tag!.mediaType)!.layers.length, 2);
});

test("an index carries what is attested about its images, once, and nothing that another key said", async () => {
  const source = testSource();
  const index = testIndex("1.0");
  source.put(index);
  const [release, key, foreign] = [testKey(), testKey(), testKey()];
  source.put(await signImage({ key: release, source, repository, reference: "1.0", identities, at }));
  const about = { key, source, repository, name: "localhost:5000/golden/base", at, attestationTag: true };
  for (const [order, { digest: reference }] of index.images.entries()) {
    const evidence = [{ predicateType: predicateTypes.cyclonedx, predicate: { order } }];
    source.put(await attestImage({ ...about, reference, evidence }));
    const foreignWord = [{ predicateType: predicateTypes.vuln, predicate: { order } }];
    source.put(await attestImage({ ...about, key: foreign, reference, evidence: foreignWord }));
  }
  const verified = async (require: string) => {
    const keys = { release: [release.publicPem], evidence: [key.publicPem] };
    return await verifyImage({ source, repository, reference: "1.0", keys, require: [require] });
  };
  assert.equal((await verified(predicateTypes.cyclonedx)).result, "fail");
  const wish = { ...about, reference: "1.0" };
  source.put(await attestIndex(wish));
  const report = await verified(predicateTypes.cyclonedx);
  assert.equal(report.result, "pass", JSON.stringify(report.checks));
  assert.deepEqual(
    report.evidence.map(({ format }) => format),
    ["bundle", "bundle", "tag", "tag"],
  );
  assert.equal((await verified(predicateTypes.vuln)).result, "fail");
  assert.deepEqual(await attestIndex({ ...wish, at: "2027-01-01T00:00:00Z" }), { blobs: [], manifests: [] });
});

test("a signature whose payload is gone is left out when another is added", async () => {
  const source = testSource();
  const image = testImage("1.0");
  source.put(image);
  source.put(await signImage({ key: testKey(), source, repository, reference: "1.0", identities, at }));
  const tag = attachmentTag(image.digest, "sig");
  const before = parseManifest(
    (await source.getManifest(repository, tag))!.bytes,
    "application/vnd.oci.image.manifest.v1+json",
  )!;
  source.blobs.delete(before.layers[0]!.digest);
  source.put(
    await signImage({
      key: testKey(),
      source,
      repository,
      reference: "1.0",
      identities: ["localhost:5000/golden/base:2"],
      at,
    }),
  );
  const after = parseManifest(
    (await source.getManifest(repository, tag))!.bytes,
    "application/vnd.oci.image.manifest.v1+json",
  )!;
  assert.equal(after.layers.length, 1);
});

test("an image that is not there cannot be signed", async () => {
  const request = { key: testKey(), source: testSource(), repository, reference: "1.0", identities, at };
  await assert.rejects(signImage(request), { code: "not_found" });
});
