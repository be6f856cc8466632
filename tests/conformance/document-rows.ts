import { randomBytes } from "node:crypto";
import { type Descriptor, mediaTypes } from "../../src/model/oci.ts";
import { type Algorithm, digestOf } from "./bench.ts";
import type { ContentBuilder, DocumentOptions } from "./documents.ts";

/** One kind of content that a registry has to take and give back. */
export interface DocumentRow {
  readonly name: string;
  /** Fills the content; the tags carry the row's own stem, so that rows do not move each other's. */
  readonly fill: (content: ContentBuilder, stem: string) => void;
  /** Only for one algorithm; both without. */
  readonly algorithm?: Algorithm;
  /** Only where tags may be pushed as parameters. */
  readonly isOfTagParameters?: boolean;
}

const artifactType = "application/vnd.example.artifact.v1";
const otherType = "application/vnd.example.other.v1";
const hello = { annotations: { "org.example.hello": "conformance" } };

/** The program's data rows whose content is sound; those of bad digests and of blobs alone stand in test files. */
export const documentRows: readonly DocumentRow[] = [
  { name: "image", fill: (content, stem) => void content.image({ tags: [stem] }) },
  {
    name: "image uncompressed",
    fill: (content, stem) => void content.image({ tags: [stem], layers: [content.layer(uncompressed)] }),
  },
  {
    name: "large manifest",
    fill: (content, stem) => void content.image({ tags: [stem], annotations: largeAnnotations }),
  },
  { name: "index", fill: (content, stem) => void platforms(content, { tags: [stem] }) },
  {
    name: "nested index",
    fill: (content, stem) => void content.index([platforms(content), platforms(content)], { tags: [stem] }),
  },
  { name: "empty index", fill: (content, stem) => void content.index([], { tags: [stem], extra: unique() }) },
  { name: "artifact", fill: (content, stem) => void artifact(content, { tags: [stem] }) },
  {
    name: "artifact index",
    fill: (content, stem) =>
      void content.index([artifact(content), artifact(content)], { tags: [stem], artifactType, extra: unique() }),
  },
  {
    name: "artifact without layers",
    fill: (content, stem) =>
      void content.image({
        tags: [stem],
        artifactType,
        config: content.empty(),
        layers: [content.empty()],
        extra: unique(),
      }),
  },
  {
    name: "artifacts with subject",
    fill(content, stem) {
      const subject = content.image({ tags: [stem] });
      content.image({ subject });
      artifact(content, { subject, ...hello, tags: [`${stem}-one`] });
      artifact(content, { subject, ...hello, artifactType: otherType, tags: [`${stem}-other`] });
    },
  },
  {
    name: "index with subject",
    fill(content, stem) {
      const subject = platforms(content, { tags: [stem] });
      content.index([artifact(content)], { subject, artifactType, ...hello, tags: [`${stem}-one`] });
      content.index([], { subject, ...hello });
    },
  },
  {
    name: "missing subject",
    fill: (content, stem) => void artifact(content, { subject: nowhere(content), tags: [stem] }),
  },
  {
    name: "data field",
    fill(content, stem) {
      const bytes = Buffer.from("embedded");
      const layer = { ...content.blob(bytes, otherType), data: bytes.toString("base64") };
      content.image({ tags: [stem], layers: [layer], extra: unique() });
    },
  },
  {
    name: "non-distributable layers",
    fill(content, stem) {
      const foreign = foreignTypes.map((mediaType) => ({
        ...content.describe(randomBytes(32), mediaType),
        urls: ["https://store.example.com/layer"],
      }));
      content.image({ tags: [stem], layers: [...foreign, content.layer()] });
    },
  },
  {
    name: "custom fields",
    fill(content, stem) {
      const child = content.image({ extra: { "org.example.field": { deep: [1.5, null] }, ...unique() } });
      content.index([child], { tags: [stem], extra: { "org.example.field": "of an index" } });
    },
  },
  { name: "no layers", fill: (content, stem) => void content.image({ tags: [stem], layers: [] }) },
  { name: "sha512", algorithm: "sha512", fill: (content) => void platforms(content) },
  {
    name: "tag parameters, sha256",
    algorithm: "sha256",
    isOfTagParameters: true,
    fill: (content, stem) => void platforms(content, { tags: tenTags(stem) }),
  },
  {
    name: "tag parameters, sha512",
    algorithm: "sha512",
    isOfTagParameters: true,
    fill: (content, stem) => void platforms(content, { tags: tenTags(stem) }),
  },
];

const uncompressed = "application/vnd.oci.image.layer.v1.tar";
const foreignTypes = [
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
];

/** 3.9 MB in one manifest. */
const largeAnnotations = Object.fromEntries(
  Array.from({ length: 390 }, (_, at) => [`org.example.large-${at}`, "A".repeat(10_000)]),
);

function tenTags(stem: string): string[] {
  return Array.from({ length: 10 }, (_, at) => `${stem}-${at}`);
}

/** A field that gives a document a digest of its own. */
function unique(): Readonly<Record<string, string>> {
  return { "org.example.unique": randomBytes(8).toString("hex") };
}

function artifact(content: ContentBuilder, options: DocumentOptions = {}): Descriptor {
  return content.image({ artifactType, ...options, config: content.empty(), layers: [content.layer(otherType)] });
}

function platforms(content: ContentBuilder, options: DocumentOptions = {}): Descriptor {
  const children = ["amd64", "arm64"].map((architecture) => ({
    ...content.image(),
    platform: { os: "linux", architecture },
  }));
  return content.index(children, options);
}

function nowhere(content: ContentBuilder): Descriptor {
  return content.describe(Buffer.from(digestOf("sha256", randomBytes(8))), mediaTypes.manifest);
}
