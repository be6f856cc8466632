import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type Descriptor, mediaTypes } from "../../src/model/oci.ts";
import { type Algorithm, digestOf } from "./bench.ts";

/** A manifest or index to push, with what a registry has to tell of it. */
export interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly tags: readonly string[];
  /** The digest of its subject. */
  readonly subject: string | undefined;
  /** How a list of referrers shows it. */
  readonly listed: Readonly<Record<string, unknown>>;
}

/** What one data row pushes: the blobs first, then the documents in their order. */
export interface Content {
  readonly blobs: Map<string, Buffer>;
  readonly documents: Document[];
}

/** What an image or index may have beside the usual. */
export interface DocumentOptions {
  readonly tags?: readonly string[];
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly subject?: Descriptor;
  /** Fields that no spec knows. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** What an image may have beside that. */
export interface ImageOptions extends DocumentOptions {
  readonly config?: Descriptor;
  /** Default: two compressed layers of random bytes. */
  readonly layers?: readonly Descriptor[];
}

/** Collects blobs and documents whose digests have one algorithm. */
export class ContentBuilder implements Content {
  readonly blobs = new Map<string, Buffer>();
  readonly documents: Document[] = [];
  readonly #algorithm: Algorithm;

  constructor(algorithm: Algorithm) {
    this.#algorithm = algorithm;
  }

  /** Adds a blob. */
  blob(bytes: Buffer, mediaType: string): Descriptor {
    const descriptor = this.describe(bytes, mediaType);
    this.blobs.set(descriptor.digest, bytes);
    return descriptor;
  }

  /** A descriptor of bytes that are not added. */
  describe(bytes: Buffer, mediaType: string): Descriptor {
    return { mediaType, digest: digestOf(this.#algorithm, bytes) as Descriptor["digest"], size: bytes.length };
  }

  /** Adds a layer of random bytes. */
  layer(mediaType: string = mediaTypes.layerGzip): Descriptor {
    const bytes = randomBytes(256);
    return this.blob(mediaType.endsWith("gzip") ? gzipSync(bytes) : bytes, mediaType);
  }

  /** Adds the empty JSON object that artifacts have as config. */
  empty(): Descriptor {
    return this.blob(Buffer.from("{}"), mediaTypes.empty);
  }

  /** Adds an image manifest with a config of its own. */
  image({ config, layers, ...options }: ImageOptions = {}): Descriptor {
    const own = config ?? this.blob(Buffer.from(JSON.stringify(plainConfig())), mediaTypes.config);
    const fields = { config: own, layers: layers ?? [this.layer(), this.layer()] };
    return this.#add(mediaTypes.manifest, fields, { ...options, shownType: options.artifactType ?? own.mediaType });
  }

  /** Adds an index. */
  index(manifests: readonly Descriptor[], options: DocumentOptions = {}): Descriptor {
    return this.#add(mediaTypes.index, { manifests }, { ...options, shownType: options.artifactType });
  }

  #add(
    mediaType: string,
    fields: Readonly<Record<string, unknown>>,
    options: DocumentOptions & { readonly shownType: string | undefined },
  ): Descriptor {
    const { tags = [], artifactType, annotations, subject, extra, shownType } = options;
    const given = { artifactType, annotations, subject };
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields, ...given, ...extra }));
    const descriptor = this.describe(bytes, mediaType);
    const shown = { artifactType: shownType, annotations };
    this.documents.push({
      descriptor,
      bytes,
      tags,
      subject: subject?.digest,
      listed: JSON.parse(JSON.stringify({ ...descriptor, ...shown })) as Record<string, unknown>,
    });
    return descriptor;
  }
}

/** An image config that no other has. */
function plainConfig(): unknown {
  const made = randomBytes(8).toString("hex");
  return { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] }, config: { Env: [made] } };
}
