import { isoSeconds } from "../../base/clock.ts";
import { canonicalJson } from "../../base/json.ts";
import type { ContainerfileLock } from "../../model/containerfile-lock.ts";
import type { Digest } from "../../model/digest.ts";
import { mediaTypes, type Descriptor, type ImageConfig, type Manifest } from "../../model/oci.ts";
import type { Recipe } from "../../model/recipe.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { BuiltImage } from "../image.ts";
import type { Layer } from "../layers/layer.ts";
import type { BaseImage } from "./base-images.ts";
import type { StageInstruction } from "./containerfile.ts";

/** One entry of the history that the build added. */
export interface BuiltStep {
  readonly createdBy: string;
  /** Undefined where the instruction changed no file. */
  readonly layer: Layer | undefined;
}

interface BuiltImageInput {
  readonly recipe: Recipe;
  readonly lock: ContainerfileLock;
  readonly lockDigest: Digest;
  /** Undefined where it is from scratch. */
  readonly base: BaseImage | undefined;
  readonly steps: readonly BuiltStep[];
  /** As Buildah wrote it, in Docker's form. */
  readonly built: string;
  readonly blobs: BlobStore;
}

/** Writes configuration and manifest; the base's layers are named as they are, by digest. */
export async function putBuiltImage(input: BuiltImageInput): Promise<BuiltImage> {
  const { blobs, base, steps } = input;
  const config = imageConfig(input);
  const stored = await blobs.put(Buffer.from(canonicalJson(config)));
  const own = steps.flatMap(({ layer }) => (layer === undefined ? [] : [layer]));
  const layers: Descriptor[] = [
    ...(base?.manifest.layers ?? []).map(({ mediaType, digest, size }) => ({
      mediaType: ociLayerType(mediaType),
      digest,
      size,
    })),
    ...own.map(({ mediaType, digest, sizeBytes }) => ({ mediaType, digest, size: sizeBytes })),
  ];
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: stored.digest, size: stored.sizeBytes },
    layers,
    annotations: labels(input),
  };
  const manifestBytes = Buffer.from(canonicalJson(manifest));
  const { digest } = await blobs.put(manifestBytes);
  return { digest, manifest, manifestBytes, config };
}

/** A base in Docker's older form has the same layers under other names. */
function ociLayerType(mediaType: string): string {
  return mediaType === "application/vnd.docker.image.rootfs.diff.tar.gzip" ? mediaTypes.layerGzip : mediaType;
}

/** What a container is run by; all else that Buildah writes tells of the build. Source: OCI image spec, config.md; Docker's image specification 1.2 for the last three. */
const keptFields = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
  "Healthcheck",
  "Shell",
  "OnBuild",
] as const;

function imageConfig(input: BuiltImageInput): ImageConfig {
  const { recipe, lock, base, steps, built } = input;
  const created = isoSeconds(lock.epochSeconds * 1000);
  const from = (JSON.parse(built) as { readonly config?: Readonly<Record<string, unknown>> }).config ?? {};
  const kept = Object.fromEntries(keptFields.flatMap((name) => (isGiven(from[name]) ? [[name, from[name]]] : [])));
  const environment = Object.entries(recipe.environment).map(([name, value]) => `${name}=${value}`);
  const names = new Set(Object.keys(recipe.environment));
  const inherited = ((kept["Env"] ?? []) as readonly string[]).filter((line) => !names.has(line.replace(/=.*$/s, "")));
  return {
    created,
    architecture: lock.architecture,
    os: "linux",
    config: {
      ...kept,
      ...(recipe.user === undefined ? {} : { User: recipe.user }),
      ...(recipe.entrypoint === undefined ? {} : { Entrypoint: recipe.entrypoint }),
      ...(recipe.command === undefined ? {} : { Cmd: recipe.command }),
      ...(recipe.workdir === undefined ? {} : { WorkingDir: recipe.workdir }),
      ...(recipe.ports.length === 0
        ? {}
        : {
            ExposedPorts: {
              ...(kept["ExposedPorts"] as Record<string, Record<string, never>> | undefined),
              ...Object.fromEntries(recipe.ports.map((port) => [port, {}])),
            },
          }),
      Env: [...inherited, ...environment],
      Labels: { ...(kept["Labels"] as Record<string, string> | undefined), ...labels(input) },
    },
    rootfs: {
      type: "layers",
      diff_ids: [
        ...(base?.config.rootfs.diff_ids ?? []),
        ...steps.flatMap(({ layer }) => (layer === undefined ? [] : [layer.diffId])),
      ],
    },
    history: [
      ...baseHistory(base, created),
      ...steps.map(({ createdBy, layer }) => ({
        created,
        created_by: createdBy,
        ...(layer === undefined ? { empty_layer: true } : {}),
      })),
    ],
  };
}

function isGiven(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false) return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

/** The base's own, or an entry a layer where it has none that fits its layers. */
function baseHistory(base: BaseImage | undefined, created: string): ImageConfig["history"] {
  if (base === undefined) return [];
  const history = base.config.history ?? [];
  const layerCount = history.filter((entry) => entry.empty_layer !== true).length;
  return layerCount === base.manifest.layers.length
    ? history
    : base.manifest.layers.map(() => ({ created, created_by: `base ${base.digest}` }));
}

/** Source: OCI image spec, annotations.md "Pre-Defined Annotation Keys". */
function labels({ recipe, lock, lockDigest, base }: BuiltImageInput): Record<string, string> {
  return {
    "org.opencontainers.image.created": isoSeconds(lock.epochSeconds * 1000),
    "org.opencontainers.image.title": recipe.title,
    ...(recipe.description === undefined ? {} : { "org.opencontainers.image.description": recipe.description }),
    ...(base === undefined
      ? {}
      : {
          "org.opencontainers.image.base.name": base.reference.replace(/@.*$/, ""),
          "org.opencontainers.image.base.digest": base.digest,
        }),
    "io.mintmark.lock": lockDigest,
    ...recipe.labels,
  };
}

interface HistoryEntry {
  readonly created_by?: string;
  readonly empty_layer?: boolean;
}

/**
 * What each entry of Buildah's history, above the base's, stands for: the instruction's own text, whether it made a
 * layer, or undefined for an argument that only our rewriting declared.
 */
export function builtHistory(
  built: string,
  {
    baseCount,
    chain,
    injected,
  }: {
    /** Entries of the base's history. */
    readonly baseCount: number;
    /** Instructions of each stage of the chain, the lowest first. */
    readonly chain: readonly (readonly StageInstruction[])[];
    /** Arguments declared at the beginning of each stage. */
    readonly injected: number;
  },
): { readonly createdBy: string; readonly hasLayer: boolean }[] {
  const entries = ((JSON.parse(built) as { readonly history?: readonly HistoryEntry[] }).history ?? []).slice(
    baseCount,
  );
  const own: (string | undefined)[] = chain.flatMap((instructions) => [
    ...Array.from({ length: injected }, () => undefined),
    ...instructions.map(({ text }) => text),
  ]);
  const isAligned = own.length === entries.length;
  return entries.flatMap((entry, at) => {
    const text = isAligned ? own[at] : plain(entry.created_by ?? "");
    const hasLayer = entry.empty_layer !== true;
    return text === undefined && !hasLayer ? [] : [{ createdBy: text ?? "", hasLayer }];
  });
}

/** Without Buildah's prefixes, one of which tells the values of arguments. */
function plain(text: string): string | undefined {
  const command = text.replace(/^\|\d+ .*?(?=\/bin\/sh -c )/s, "").replace(/^\/bin\/sh -c (?:#\(nop\)\s*)?/, "");
  return command.startsWith("ARG ") ? undefined : command.trim();
}
