import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { emptyDescriptor, mediaTypes } from "../model/oci.ts";
import { attachmentTags, readManifestDocument } from "./manifest-document.ts";
import { digestText, manifestText } from "./test-registry.ts";

const layer = { mediaType: mediaTypes.layerGzip, digest: digestText("layer"), size: 5 };
const indexBase = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] as unknown[] };

function read(text: string, contentType?: string): ReturnType<typeof readManifestDocument> {
  return readManifestDocument(Buffer.from(text), contentType);
}

function readSound(text: string, contentType?: string): Exclude<ReturnType<typeof read>, { invalid: string }> {
  const document = read(text, contentType);
  assert.ok(!("invalid" in document), JSON.stringify(document));
  return document;
}

describe("manifest documents", () => {
  test("reads what an image names", () => {
    const document = readSound(
      manifestText({ layers: [layer, layer], subject: { ...layer, digest: digestText("s") } }),
    );
    assert.deepEqual(document.edges, [
      { child: emptyDescriptor.digest, kind: "config" },
      { child: layer.digest, kind: "layer" },
      { child: digestText("s"), kind: "subject" },
    ]);
    assert.equal(document.artifactType, mediaTypes.empty, "the config's type where it has none of its own");
    assert.ok(!document.required.some(({ digest }) => digest === digestText("s")), "a subject may come later");
  });

  test("reads what an index names; without artifactType it has none", () => {
    const child = { mediaType: mediaTypes.manifest, digest: digestText("child"), size: 1 };
    const document = readSound(JSON.stringify({ ...indexBase, manifests: [child] }));
    assert.deepEqual(document.edges, [{ child: child.digest, kind: "child" }]);
    assert.equal(document.artifactType, undefined);
    assert.equal(readSound(JSON.stringify({ ...indexBase, artifactType: "x/y" })).artifactType, "x/y");
  });

  test("takes empty lists, unknown fields, docker's types and a type without parameters", () => {
    readSound(manifestText({ layers: [], surprise: { deep: [1] } }));
    readSound(JSON.stringify(indexBase));
    readSound(manifestText({ mediaType: mediaTypes.dockerManifest }), mediaTypes.dockerManifest);
    readSound(manifestText({}), `${mediaTypes.manifest}; charset=utf-8`);
    assert.equal(readSound(manifestText({ mediaType: undefined }), mediaTypes.manifest).mediaType, mediaTypes.manifest);
    assert.equal(readSound(JSON.stringify({ ...indexBase, mediaType: undefined })).mediaType, mediaTypes.index);
    readSound(manifestText({ subject: null, annotations: null }));
  });

  test("does not ask for layers that may not be distributed", () => {
    const type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    const document = readSound(manifestText({ layers: [{ ...layer, mediaType: type, urls: ["x"] }] }));
    assert.deepEqual(
      document.required.map(({ kind }) => kind),
      ["config"],
    );
  });

  test("asks for configurations and children whatever they call themselves", () => {
    const type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    const config = { ...layer, mediaType: type };
    assert.equal(readSound(manifestText({ config, layers: [] })).required.length, 1);
    assert.equal(readSound(JSON.stringify({ ...indexBase, manifests: [config] })).required.length, 1);
  });

  test("refuses what clients would read in more than one way", () => {
    for (const extra of ['"layers":[]', '"Layers":[]', '"Manifests":[]', '"MediaType":"x"', '"layer\\u017f":[]'])
      assert.match(
        JSON.stringify(read(manifestText({ layers: [layer] }).replace(/^\{/, `{${extra},`))),
        /more than one way/,
        extra,
      );
  });

  test("takes embedded data that are the bytes, and no other", () => {
    const embedded = Buffer.from("layer").toString("base64");
    readSound(manifestText({ layers: [{ ...layer, data: embedded }] }));
    assert.ok(
      "invalid" in read(manifestText({ layers: [{ ...layer, data: Buffer.from("other").toString("base64") }] })),
    );
  });

  const refused: readonly (readonly [string, string, string?])[] = [
    ["no JSON", "{"],
    ["a list", "[]"],
    ["no UTF-8", "\ud800"],
    ["another type than the request's", manifestText({}), mediaTypes.index],
    ["an unknown type", manifestText({ mediaType: "text/plain" }), "text/plain"],
    ["schema 1", manifestText({ schemaVersion: 1 })],
    ["manifest and index in one", manifestText({ manifests: [] })],
    ["index and manifest in one", JSON.stringify({ ...indexBase, layers: [] })],
    ["no layers", manifestText({ layers: undefined })],
    ["no config", manifestText({ config: undefined })],
    ["a bad digest", manifestText({ layers: [{ ...layer, digest: "sha256:x" }] })],
    ["an unknown algorithm", manifestText({ layers: [{ ...layer, digest: `md5:${"0".repeat(32)}` }] })],
    ["a negative size", manifestText({ layers: [{ ...layer, size: -1 }] })],
    ["annotations that are no texts", manifestText({ annotations: { a: 1 } })],
    ["a subject that is none", manifestText({ subject: "x" })],
  ];
  for (const [name, text, contentType] of refused)
    test(`refuses ${name}`, () => assert.ok("invalid" in read(text, contentType)));

  test("never throws", () => {
    fc.assert(fc.property(fc.json(), (text) => void read(text)));
    fc.assert(fc.property(fc.object(), (fields) => void read(manifestText(fields))));
  });

  test("names the tags of attachments", () => {
    const hex = "a".repeat(64);
    assert.deepEqual(attachmentTags(`sha256:${hex}`), [
      `sha256-${hex}`,
      `sha256-${hex}.sig`,
      `sha256-${hex}.att`,
      `sha256-${hex}.sbom`,
    ]);
    assert.equal(attachmentTags(`sha512:${"b".repeat(128)}`)[0], `sha512-${"b".repeat(64)}`);
  });
});
