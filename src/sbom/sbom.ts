/**
 * The SBOM room: reads which packages an image holds and writes them down in the formats that others read.
 *
 * It owns the catalogers (one folder per package database) and the CycloneDX 1.6 and SPDX 2.3 writers. It promises that
 * the list equals the package database of the image, that equal input gives equal bytes (order, serial and namespace
 * come from the content, never from chance or the clock), and that Trivy and Grype find distribution, source package
 * and source version in both formats. It reads and writes no files: texts and streams come in, texts go out.
 */
import type { Digest } from "../model/digest.ts";
import type { Distribution, Package } from "../model/package.ts";
import { writeCyclonedx } from "./cyclonedx.ts";
import { licencesOfCopyright } from "./dpkg/copyright.ts";
import { readStatus } from "./dpkg/status.ts";
import { catalogue, type Catalogue } from "./layers/catalogue.ts";
import { looksLikeLayer, type LayerBlob } from "./layers/layer-stream.ts";
import { writeSpdx } from "./spdx.ts";

/** What an SBOM says: an image, its operating system and its packages. */
export interface SbomInput {
  /** Repository or recipe name of the image. */
  readonly name: string;
  readonly imageDigest: Digest;
  readonly distribution: Distribution;
  /** ISO 8601 in UTC, to the second; the writers never read the clock. */
  readonly createdAt: string;
  readonly packages: readonly Package[];
  readonly toolVersion: string;
}

/**
 * The packages of an image from its dpkg database, sorted by name and architecture, each once.
 *
 * @param text `/var/lib/dpkg/status`, or the files of `status.d` (distroless) joined by empty lines
 */
export function packagesFromDpkgStatus(text: string): Package[] {
  return sortedPackages(readStatus(text));
}

/**
 * What is installed in an image of any origin, from its layers in their order; the lowest comes first.
 *
 * Layers are read as streams, one after the other; an image that cannot be read, or whose package database is not
 * supported, gives the reason instead. @throws Failure of the store; the signal's reason
 */
export async function catalogueImage(layers: readonly LayerBlob[], signal: AbortSignal): Promise<Catalogue> {
  const found = await catalogue(layers, signal);
  return "unscannable" in found ? found : { ...found, packages: sortedPackages(found.packages) };
}

/** Whether bytes begin as a layer does, so that a client may unpack them, whatever the manifest calls them. */
export function isLayerHead(head: Uint8Array): boolean {
  return looksLikeLayer(head);
}

/** Adds licences to packages whose copyright file (`/usr/share/doc/<package>/copyright`) is machine-readable. */
export function withLicences(
  packages: readonly Package[],
  copyrightOf: (name: string) => string | undefined,
): Package[] {
  return packages.map((item) => {
    const text = copyrightOf(item.name);
    const licences = text === undefined ? [] : licencesOfCopyright(text);
    return licences.length === 0 ? item : { ...item, licences };
  });
}

/** The SBOM as CycloneDX 1.6 JSON; equal input, also in another order, gives equal bytes. */
export function cyclonedx(input: SbomInput): string {
  return writeCyclonedx({ ...input, packages: sortedPackages(input.packages) });
}

/** The SBOM as SPDX 2.3 JSON; equal input, also in another order, gives equal bytes. */
export function spdx(input: SbomInput): string {
  return writeSpdx({ ...input, packages: sortedPackages(input.packages) });
}

function sortedPackages(packages: readonly Package[]): Package[] {
  const byKey = new Map(
    packages.map((item) => [`${item.type}\0${item.name}\0${item.version}\0${item.architecture}`, item]),
  );
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
}
