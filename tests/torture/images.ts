import { createHash } from "node:crypto";
import type { Random } from "./random.ts";
import { digestOf } from "./wire.ts";

/** A manifest or index as the torture knows it. */
export interface KnownManifest {
  readonly digest: string;
  readonly text: string;
  readonly mediaType: string;
  /** Digests of its config and layers. */
  readonly blobs: readonly string[];
  readonly children: readonly string[];
  readonly subject: string | undefined;
}

/** A blob out of the pool. */
export interface KnownBlob {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** The media types that are pushed. */
export const types = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
} as const;

/** Bytes that a seed and a number give again; few enough that clients meet over them. */
export function poolBlob(seed: number, number: number): KnownBlob {
  const size = number === 0 ? 0 : (number * 977) % 6000;
  const bytes = Buffer.alloc(size, createHash("sha256").update(`${seed} ${number}`).digest());
  return { digest: digestOf(bytes), bytes };
}

/** Writes an image manifest over blobs. */
export function imageOf(
  blobs: readonly KnownBlob[],
  options: { subject?: KnownManifest | undefined; salt: string },
): KnownManifest {
  const descriptor = (blob: KnownBlob): object => ({
    mediaType: "application/octet-stream",
    digest: blob.digest,
    size: blob.bytes.length,
  });
  const [config, ...layers] = blobs;
  const { subject, salt } = options;
  return known({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptor(config!),
    layers: layers.map(descriptor),
    annotations: { salt },
    ...(subject === undefined ? {} : { artifactType: "x/attached", subject: descriptorOf(subject) }),
  });
}

/** Writes an index over manifests. */
export function indexOf(children: readonly KnownManifest[], salt: string): KnownManifest {
  const manifests = children.map(descriptorOf);
  return known({ schemaVersion: 2, mediaType: types.index, manifests, annotations: { salt } });
}

/** Reads what the torture needs to know out of a manifest's text. */
export function readManifest(text: string): KnownManifest {
  const document = JSON.parse(text) as {
    mediaType: string;
    config?: { digest: string };
    layers?: { digest: string }[];
    manifests?: { digest: string }[];
    subject?: { digest: string };
  };
  return {
    digest: digestOf(text),
    text,
    mediaType: document.mediaType,
    blobs: [...(document.config === undefined ? [] : [document.config]), ...(document.layers ?? [])].map(
      (one) => one.digest,
    ),
    children: (document.manifests ?? []).map((one) => one.digest),
    subject: document.subject?.digest,
  };
}

/** The tag that attaches a signature to a manifest in cosign's older way. */
export function signatureTag(digest: string): string {
  return `${digest.replace(":", "-")}.sig`;
}

/** Some different blobs of the pool. */
export function someBlobs(random: Random, seed: number, poolSize: number): KnownBlob[] {
  const numbers = new Set(Array.from({ length: 1 + random.below(4) }, () => random.below(poolSize)));
  return [...numbers].map((number) => poolBlob(seed, number));
}

function descriptorOf({ mediaType, digest, text }: KnownManifest): object {
  return { mediaType, digest, size: Buffer.byteLength(text) };
}

function known(document: object): KnownManifest {
  return readManifest(JSON.stringify(document));
}

/** A repository as it stands: what its tags point to, and the manifests that it has. */
export interface Standing {
  readonly tags: ReadonlyMap<string, string>;
  readonly manifests: ReadonlyMap<string, KnownManifest>;
}

/**
 * What a tag reaches, written down a second time and in another way than the collection does it: from the tags
 * forwards, until nothing is added.
 */
export function reachable({ tags, manifests }: Standing): Set<string> {
  const reached = new Set<string>();
  const isAttached = (tag: string): boolean => manifests.has(tag.replace(/^sha256-([0-9a-f]{64})\.sig$/, "sha256:$1"));
  for (const [tag, digest] of tags) if (!isAttached(tag)) reached.add(digest);
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    for (const one of manifests.values()) {
      const signature = tags.get(signatureTag(one.digest));
      const bound = [one.subject, signature].filter(
        (digest) => digest !== undefined && manifests.has(digest),
      ) as string[];
      if (reached.has(one.digest)) for (const digest of [...one.children, ...bound]) reached.add(digest);
      else if (bound.some((digest) => reached.has(digest))) reached.add(one.digest);
    }
  }
  return new Set([...reached].filter((digest) => manifests.has(digest)));
}

/** A manifest with what goes when it is deleted: all that has it as subject, and signatures that nothing else names. */
export function unitOf({ tags, manifests }: Standing, digest: string): Set<string> {
  const unit = new Set([digest]);
  for (const member of unit) {
    for (const one of manifests.values()) if (one.subject === member) unit.add(one.digest);
    const signature = tags.get(signatureTag(member));
    const names = [...tags].filter(([tag, target]) => target === signature && tag !== signatureTag(member));
    if (signature !== undefined && names.length === 0) unit.add(signature);
  }
  return unit;
}
