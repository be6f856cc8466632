import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { mediaTypes } from "../model/oci.ts";
import { attachmentTag } from "./attachment.ts";
import { parseManifest } from "./manifest-form.ts";
import { describe, emptyBlob, newBlob, newManifest } from "./objects.ts";
import {
  attestImage,
  predicateTypes,
  scanReportType,
  signImage,
  verifyImage,
  type VerificationReport,
  type VerifyRequest,
} from "./sign.ts";
import { addSimpleSignatures, simpleSigningType } from "./simple-signing.ts";
import { testImage, testIndex, testKey, testSource, type TestSource } from "./test-image.ts";

const repository = "golden/base";
const name = `registry.example:5000/${repository}`;
const at = "2026-01-02T03:04:05Z";
const release = testKey();
const evidence = testKey();
const bom = { bomFormat: "CycloneDX", components: [{ name: "bash" }] };
const report = { schemaVersion: 1, findings: [] };

async function released(image = testImage("1.0")): Promise<{ source: TestSource; request: VerifyRequest }> {
  const source = testSource();
  source.put(image);
  const place = { source, repository, reference: "1.0", at };
  source.put(await signImage({ ...place, key: release, identities: [`${name}:1.0`] }));
  const statements = [
    {
      predicateType: predicateTypes.cyclonedx,
      predicate: bom,
      document: { artifactType: mediaTypes.cyclonedx, bytes: Buffer.from(JSON.stringify(bom, null, 2)) },
    },
    {
      predicateType: predicateTypes.vuln,
      predicate: { scanner: { result: report } },
      document: { artifactType: scanReportType, bytes: Buffer.from(JSON.stringify(report)) },
    },
    { predicateType: predicateTypes.slsaprovenance1, predicate: { buildDefinition: {} } },
  ];
  source.put(await attestImage({ ...place, key: evidence, name, evidence: statements, attestationTag: true }));
  const keys = { release: [release.publicPem], evidence: [evidence.publicPem] };
  const require = statements.map(({ predicateType }) => predicateType);
  return {
    source,
    request: { source, repository, reference: "1.0", keys, require, formats: ["simple-signing", "bundle"], deep: true },
  };
}

function failures(verification: VerificationReport): string {
  assert.equal(verification.result, "fail");
  return verification.checks
    .filter((check) => !check.ok)
    .map((check) => `${check.name}: ${check.message}`)
    .join("\n");
}

test("a released image passes by tag, by digest, and with its full name", async () => {
  const { request } = await released();
  const verification = await verifyImage(request);
  assert.equal(verification.result, "pass", JSON.stringify(verification.checks));
  assert.deepEqual(
    verification.signatures.map((signature) => signature.format),
    ["simple-signing", "bundle"],
  );
  assert.equal(verification.evidence.length, 6);
  assert.equal((await verifyImage({ ...request, reference: verification.digest!, identity: name })).result, "pass");
});

test("a released index passes, and fails when a child's signature is missing", async () => {
  const { source, request } = await released(testIndex("1.0"));
  assert.equal((await verifyImage(request)).result, "pass");
  const child = [...source.tags.keys()].filter((tag) => tag.endsWith(".sig"))[1]!;
  source.tags.delete(child);
  assert.match(
    failures(await verifyImage(request)),
    /release-signature: .* no release signature of format "simple-signing" that counts: none exists/,
  );
});

test("an unsigned image and an absent one fail with the reason", async () => {
  const { request } = await released();
  const source = testSource();
  assert.match(failures(await verifyImage({ ...request, source })), /manifest: .*"1.0" is missing/);
  source.put(testImage("1.0"));
  const said = failures(await verifyImage({ ...request, source, formats: [] }));
  assert.match(said, /release-signature: .*none exists/);
  assert.match(said, /evidence: There is no statement "https:\/\/cyclonedx.org\/bom" that counts: none exists/);
});

test("other keys, swapped roles and other names fail with the reason", async () => {
  const { request } = await released();
  const stranger = testKey().publicPem;
  const other = { release: [stranger], evidence: [stranger] };
  assert.match(failures(await verifyImage({ ...request, keys: other })), /another key, or altered/);
  const swapped = { release: [evidence.publicPem], evidence: [release.publicPem] };
  assert.match(
    failures(await verifyImage({ ...request, keys: swapped })),
    /evidence key, which may not release[^]*signed with the release key/,
  );
  assert.match(
    failures(await verifyImage({ ...request, identity: "elsewhere.example/golden/base" })),
    /which is not in "elsewhere/,
  );
  const rotated = { release: [stranger, release.publicPem], evidence: [stranger, evidence.publicPem] };
  assert.equal((await verifyImage({ ...request, keys: rotated })).result, "pass");
});

test("evidence alone never counts as a release signature", async () => {
  const source = testSource();
  const image = testImage("1.0");
  source.put(image);
  const place = { source, repository, reference: "1.0", at };
  const statements = [{ predicateType: predicateTypes.cyclonedx, predicate: bom }];
  for (const key of [evidence, release])
    source.put(await attestImage({ ...place, key, name, evidence: statements, attestationTag: true }));
  const keys = { release: [release.publicPem], evidence: [evidence.publicPem] };
  assert.match(
    failures(await verifyImage({ source, repository, reference: "1.0", keys })),
    /no release signature that counts: none exists/,
  );
});

test("signatures and evidence that were moved from another image fail", async () => {
  const { source, request } = await released();
  const other = testImage("2.0");
  source.put(other);
  const from = source.tags.get("1.0")!;
  for (const kind of ["sig", "att"] as const)
    source.tags.set(attachmentTag(other.digest, kind), source.tags.get(attachmentTag(from, kind))!);
  // An attacker re-points the subject of each bundle: the manifests are not signed, the statements are.
  const stored = source.manifests.values().toArray();
  for (const manifest of stored) {
    const parsed = parseManifest(manifest.bytes, manifest.mediaType);
    if (parsed?.subject?.digest !== from) continue;
    const subject = { mediaType: mediaTypes.manifest, digest: other.digest, size: other.manifests[0]!.bytes.length };
    source.put({ blobs: [], manifests: [newManifest({ ...parsed, mediaType: mediaTypes.manifest, subject })] });
  }
  const said = failures(await verifyImage({ ...request, reference: "2.0" }));
  assert.match(said, /a signature is for another image/);
  assert.match(said, /a signed bundle is for another image/);
  assert.match(said, /was moved here: it is about another image/);
});

test("a payload that podman would refuse does not count", async () => {
  const { source, request } = await released();
  const digest = source.tags.get("1.0")!;
  const payload = newBlob(
    Buffer.from(
      JSON.stringify({
        critical: {
          identity: { "docker-reference": `${name}:1.0` },
          image: { "docker-manifest-digest": digest },
          type: "cosign container image signature",
        },
      }),
    ),
  );
  const made = addSimpleSignatures(release, { subject: digest, identities: ["x:1"] }, undefined);
  const template = parseManifest(made.manifests[0]!.bytes, mediaTypes.manifest)!;
  const annotations = { "dev.cosignproject.cosign/signature": release.sign(payload.bytes).toString("base64") };
  const layers = [describe(payload, simpleSigningType, annotations)];
  source.put({
    blobs: [...made.blobs, payload],
    manifests: [newManifest({ ...template, mediaType: mediaTypes.manifest, layers }, attachmentTag(digest, "sig"))],
  });
  assert.match(failures(await verifyImage(request)), /the form that podman accepts/);
});

test("a plain document that contradicts the signed one fails, however it nests", async () => {
  for (const text of [
    '{"bomFormat":"CycloneDX","components":[]}',
    `${"[".repeat(200_000)}${"]".repeat(200_000)}`,
    "\u0000",
  ]) {
    const { source, request } = await released();
    const subject = { mediaType: mediaTypes.manifest, digest: source.tags.get("1.0")!, size: 1 };
    const blob = newBlob(Buffer.from(text));
    const manifest = newManifest({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: mediaTypes.cyclonedx,
      config: describe(emptyBlob, mediaTypes.empty),
      layers: [describe(blob, mediaTypes.cyclonedx)],
      subject,
    });
    source.put({ blobs: [emptyBlob, blob], manifests: [manifest] });
    assert.match(failures(await verifyImage(request)), /documents: The document .* differs from the signed one/);
  }
});

test("a blob without end and a nested index end in a failed check", async () => {
  const { source, request } = await released();
  const endless = { ...source, getBlob: async () => forever() };
  assert.match(
    failures(await verifyImage({ ...request, source: endless })),
    /is larger than the \d+ bytes that were promised/,
  );
  const inner = testIndex("inner");
  const index = newManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [{ mediaType: mediaTypes.index, digest: inner.digest, size: 1 }],
  } as never);
  source.put(inner);
  source.manifests.set(index.digest, { ...index, mediaType: mediaTypes.index });
  assert.match(failures(await verifyImage({ ...request, reference: index.digest })), /index itself/);
});

test("two public keys in one text and other texts are refused", async () => {
  const { request } = await released();
  for (const text of [
    release.publicPem + evidence.publicPem,
    "",
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
  ])
    await assert.rejects(verifyImage({ ...request, keys: { release: [text], evidence: [] } }), {
      code: "key_unusable",
    });
});

test("any changed bit of any stored byte fails", async () => {
  const { source, request } = await released(testIndex("1.0"));
  const stored = [...source.blobs].map(([digest, bytes]) => ({ digest, bytes, kind: "blobs" as const }));
  const manifests = [...source.manifests].map(([digest, { bytes }]) => ({
    digest,
    bytes: Buffer.from(bytes),
    kind: "manifests" as const,
  }));
  const place = fc
    .constantFrom(...stored, ...manifests)
    .chain((object) => fc.record({ object: fc.constant(object), bit: fc.nat(object.bytes.length * 8 - 1) }));
  await fc.assert(
    fc.asyncProperty(place, async ({ object, bit }) => {
      const altered = Buffer.from(object.bytes);
      altered[bit >> 3]! ^= 1 << (bit & 7);
      const restore = { blob: source.blobs.get(object.digest), manifest: source.manifests.get(object.digest) };
      if (object.kind === "blobs") source.blobs.set(object.digest, altered);
      else source.manifests.set(object.digest, { ...restore.manifest!, bytes: altered });
      const { result } = await verifyImage(request);
      if (restore.blob !== undefined) source.blobs.set(object.digest, restore.blob);
      if (restore.manifest !== undefined) source.manifests.set(object.digest, restore.manifest);
      assert.equal(result, "fail");
    }),
    { numRuns: 100 },
  );
  assert.equal((await verifyImage(request)).result, "pass");
});

test("a changed payload with its digest made right again has no signature that counts", async () => {
  const { source, request } = await released();
  const tag = attachmentTag(source.tags.get("1.0")!, "sig");
  const manifest = parseManifest(source.manifests.get(source.tags.get(tag)!)!.bytes, mediaTypes.manifest)!;
  const [layer] = manifest.layers;
  await fc.assert(
    fc.asyncProperty(fc.nat(layer!.size * 8 - 1), async (bit) => {
      const payload = Buffer.from(source.blobs.get(layer!.digest)!);
      payload[bit >> 3]! ^= 1 << (bit & 7);
      const blob = newBlob(payload);
      const layers = [describe(blob, simpleSigningType, layer!.annotations)];
      source.put({
        blobs: [blob],
        manifests: [newManifest({ ...manifest, mediaType: mediaTypes.manifest, layers }, tag)],
      });
      assert.match(failures(await verifyImage(request)), /another key, or altered/);
    }),
    { numRuns: 30 },
  );
});

async function* forever(): AsyncGenerator<Uint8Array> {
  while (true) yield Buffer.alloc(1024);
}
