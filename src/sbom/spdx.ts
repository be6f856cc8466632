import { sha256Hex } from "../base/hash.ts";
import { digestHex } from "../model/digest.ts";
import type { Package } from "../model/package.ts";
import { isSpdxLicence } from "./dpkg/copyright.ts";
import { purlOf } from "./purl.ts";
import type { SbomInput } from "./sbom.ts";

const unasserted = "NOASSERTION";

/**
 * Writes SPDX 2.3 JSON of packages in their given order.
 *
 * The namespace is a `urn:` made of the image digest, so that it promises no web page. Licences that SPDX does not list
 * become `LicenseRef-…` with their name as text. Source: SPDX 2.3 specification, JSON schema.
 */
export function writeSpdx(input: SbomInput): string {
  const rootId = "SPDXRef-Image";
  const osId = "SPDXRef-OperatingSystem";
  const packages = input.packages.map((item) => packageOf(item, input));
  const document = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: input.name,
    documentNamespace: `urn:mintmark:spdx:${encodeURIComponent(input.name)}:${input.imageDigest}`,
    creationInfo: {
      created: input.createdAt,
      creators: ["Organization: Mintmark", `Tool: mintmark-${input.toolVersion}`],
    },
    packages: [
      {
        SPDXID: rootId,
        name: input.name,
        versionInfo: input.imageDigest,
        primaryPackagePurpose: "CONTAINER",
        checksums: [
          {
            algorithm: input.imageDigest.startsWith("sha512:") ? "SHA512" : "SHA256",
            checksumValue: digestHex(input.imageDigest),
          },
        ],
        ...unknowns,
      },
      {
        SPDXID: osId,
        name: input.distribution.id,
        versionInfo: input.distribution.version,
        primaryPackagePurpose: "OPERATING_SYSTEM",
        ...unknowns,
      },
      ...packages,
    ],
    ...extractedLicences(input.packages),
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: rootId },
      { spdxElementId: rootId, relationshipType: "CONTAINS", relatedSpdxElement: osId },
      ...packages.map((item) => ({
        spdxElementId: osId,
        relationshipType: "CONTAINS",
        relatedSpdxElement: item.SPDXID,
      })),
    ],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

const unknowns = {
  downloadLocation: unasserted,
  filesAnalyzed: false,
  licenseConcluded: unasserted,
  licenseDeclared: unasserted,
  copyrightText: unasserted,
};

function packageOf(item: Package, input: SbomInput) {
  const purl = purlOf(item, input.distribution);
  const licences = (item.licences ?? []).map((licence) => (isSpdxLicence(licence) ? licence : referenceOf(licence)));
  return {
    SPDXID: `SPDXRef-Package-${sha256Hex(purl).slice(0, 16)}`,
    name: item.name,
    versionInfo: item.version,
    ...(item.maintainer === undefined ? {} : { supplier: `Organization: ${item.maintainer}` }),
    primaryPackagePurpose: "LIBRARY",
    ...(item.sha256 === undefined ? {} : { checksums: [{ algorithm: "SHA256", checksumValue: item.sha256 }] }),
    sourceInfo: `built package from: ${item.source} ${item.sourceVersion}`,
    ...(item.homepage === undefined ? {} : { homepage: item.homepage }),
    ...unknowns,
    ...(licences.length === 0 ? {} : { licenseDeclared: licences.join(" AND ") }),
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
  };
}

/** The definitions of every `LicenseRef-…` in use, or nothing where there is none. */
function extractedLicences(packages: readonly Package[]) {
  const names = new Set(packages.flatMap((item) => item.licences ?? []).filter((licence) => !isSpdxLicence(licence)));
  const extracted = [...names].sort().map((name) => ({ licenseId: referenceOf(name), extractedText: name, name }));
  return extracted.length === 0 ? {} : { hasExtractedLicensingInfos: extracted };
}

/** A hash keeps apart names that only differ in characters that SPDX does not allow. */
function referenceOf(licence: string): string {
  return `LicenseRef-${licence.replace(/[^A-Za-z0-9.-]+/g, "-")}-${sha256Hex(licence).slice(0, 8)}`;
}
