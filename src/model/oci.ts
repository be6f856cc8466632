import type { Digest } from "./digest.ts";

/** The media types that we write. Source: OCI image spec, media-types.md. */
export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  empty: "application/vnd.oci.empty.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  cyclonedx: "application/vnd.cyclonedx+json",
  spdx: "application/spdx+json",
} as const;

/**
 * Configurations with which some client runs an OCI manifest as an image, whatever else the manifest calls itself.
 *
 * Source: OCI image spec, config.md; the last three are what Docker lets pass for old registries.
 */
export const runnableConfigTypes: readonly string[] = [
  mediaTypes.config,
  mediaTypes.dockerConfig,
  "application/octet-stream",
  "application/json",
  "text/html",
];

/** The empty JSON object as a blob. Source: OCI image spec, manifest.md "Guidance for an empty descriptor". */
export const emptyDescriptor: Descriptor = {
  mediaType: mediaTypes.empty,
  digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
  size: 2,
};

/** What an image runs on. Source: OCI image spec, image-index.md. */
interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** A pointer to a blob or manifest. Source: OCI image spec, descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

/** An image manifest or an artifact manifest. Source: OCI image spec, manifest.md. */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image index. Source: OCI image spec, image-index.md. */
export interface Index {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The configuration of an image. Source: OCI image spec, config.md. */
export interface ImageConfig {
  readonly created: string;
  readonly architecture: string;
  readonly os: string;
  readonly config: {
    readonly User?: string;
    readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly WorkingDir?: string;
    readonly Labels?: Readonly<Record<string, string>>;
  };
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly Digest[] };
  readonly history: readonly {
    readonly created: string;
    readonly created_by: string;
    readonly empty_layer?: boolean;
  }[];
}
