import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { digestHex } from "../model/digest.ts";
import { mediaTypes } from "../model/oci.ts";
import { attestImage, openLayout, predicateTypes, signImage, verifyImage } from "./sign.ts";
import { testIndex, testKey, testSource, type TestSource } from "./test-image.ts";

let folder = "";
describe("OCI layout", () => {
  before(async () => void (folder = await mkdtemp(join(tmpdir(), "mintmark-layout-"))));
  after(() => rm(folder, { recursive: true }));

  test("an image verifies from a folder, and a changed file in it fails", async () => {
    const source = testSource();
    source.put(testIndex("1.0"));
    const [release, evidence] = [testKey(), testKey()];
    const place = { source, repository: "golden/base", reference: "1.0", at: "2026-01-01T00:00:00Z" };
    source.put(await signImage({ ...place, key: release, identities: ["localhost/golden/base:1.0"] }));
    const statements = [{ predicateType: predicateTypes.cyclonedx, predicate: {} }];
    source.put(
      await attestImage({
        ...place,
        key: evidence,
        name: "localhost/golden/base",
        evidence: statements,
        attestationTag: true,
      }),
    );
    await writeLayout(source);
    const request = {
      source: await openLayout(folder),
      repository: "golden/base",
      reference: "1.0",
      keys: { release: [release.publicPem], evidence: [evidence.publicPem] },
      require: [predicateTypes.cyclonedx],
      formats: ["simple-signing", "bundle"] as const,
      deep: true,
    };
    const report = await verifyImage(request);
    assert.equal(report.result, "pass", JSON.stringify(report.checks));
    assert.equal((await verifyImage({ ...request, reference: report.digest! })).result, "pass");
    const [digest, bytes] = [...source.blobs][1]!;
    await writeFile(
      join(folder, "blobs/sha256", digestHex(digest)),
      Buffer.concat([bytes.subarray(1), Buffer.from("x")]),
    );
    assert.equal((await verifyImage(request)).result, "fail");
  });

  test("a folder that is no layout is refused", async () => {
    await assert.rejects(openLayout(join(folder, "blobs")), { code: "not_found", message: /no index.json/ });
  });
});

async function writeLayout(source: TestSource): Promise<void> {
  await mkdir(join(folder, "blobs/sha256"), { recursive: true });
  for (const [digest, bytes] of source.blobs) await writeFile(join(folder, "blobs/sha256", digestHex(digest)), bytes);
  for (const [digest, { bytes }] of source.manifests)
    await writeFile(join(folder, "blobs/sha256", digestHex(digest)), bytes);
  const tagOf = new Map([...source.tags].map(([tag, digest]) => [digest, tag]));
  const manifests = [...source.manifests.values()].map(({ digest, mediaType, bytes }) => {
    const tag = tagOf.get(digest);
    return {
      mediaType,
      digest,
      size: bytes.byteLength,
      ...(tag === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": tag } }),
    };
  });
  await writeFile(
    join(folder, "index.json"),
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }),
  );
}
