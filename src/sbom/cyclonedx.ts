import { sha256Hex } from "../base/hash.ts";
import { digestHex } from "../model/digest.ts";
import { mediaTypes } from "../model/oci.ts";
import type { Distribution, Package } from "../model/package.ts";
import { isSpdxLicence } from "./dpkg/copyright.ts";
import { purlOf } from "./purl.ts";
import type { SbomInput } from "./sbom.ts";

interface Property {
  readonly name: string;
  readonly value: string;
}

/**
 * Writes CycloneDX 1.6 JSON of packages in their given order.
 *
 * The serial number is a UUID version 8 made of the image digest; the distribution is the operating-system component
 * that all packages hang on. Source: CycloneDX 1.6 JSON schema.
 */
export function writeCyclonedx(input: SbomInput): string {
  const rootRef = `pkg:oci/${encodeURIComponent(input.name.split("/").at(-1)!)}@${encodeURIComponent(input.imageDigest)}`;
  const osRef = `os:${input.distribution.id}:${input.distribution.version}`;
  const components = input.packages.map((item) => componentOf(item, input.distribution));
  const packageRefs = components.map((component) => component["bom-ref"]);
  const bom = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(`cyclonedx ${input.name} ${input.imageDigest}`)}`,
    version: 1,
    metadata: {
      timestamp: input.createdAt,
      tools: { components: [{ type: "application", name: "mintmark", version: input.toolVersion }] },
      component: {
        type: "container",
        "bom-ref": rootRef,
        name: input.name,
        version: input.imageDigest,
        purl: rootRef,
        hashes: [
          {
            alg: input.imageDigest.startsWith("sha512:") ? "SHA-512" : "SHA-256",
            content: digestHex(input.imageDigest),
          },
        ],
        properties: [{ name: "mintmark:image:mediaType", value: mediaTypes.manifest }],
      },
    },
    components: [
      {
        type: "operating-system",
        "bom-ref": osRef,
        name: input.distribution.id,
        version: input.distribution.version,
        properties: [
          { name: "aquasecurity:trivy:Class", value: "os-pkgs" },
          { name: "aquasecurity:trivy:Type", value: input.distribution.id },
          { name: "syft:distro:id", value: input.distribution.id },
          { name: "syft:distro:versionCodename", value: input.distribution.codename },
          { name: "syft:distro:versionID", value: input.distribution.version },
        ],
      },
      ...components,
    ],
    dependencies: [
      { ref: rootRef, dependsOn: [osRef] },
      { ref: osRef, dependsOn: packageRefs },
    ],
    compositions: [{ aggregate: "complete", assemblies: [rootRef] }],
  };
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}

function componentOf(item: Package, distribution: Distribution) {
  const purl = purlOf(item, distribution);
  const licences = (item.licences ?? []).map((licence) => ({
    license: isSpdxLicence(licence) ? { id: licence } : { name: licence },
  }));
  return {
    type: "library",
    "bom-ref": purl,
    ...(item.maintainer === undefined ? {} : { supplier: { name: item.maintainer } }),
    name: item.name,
    version: item.version,
    ...(item.sha256 === undefined ? {} : { hashes: [{ alg: "SHA-256", content: item.sha256 }] }),
    ...(licences.length === 0 ? {} : { licenses: licences }),
    purl,
    ...(isWebAddress(item.homepage) ? { externalReferences: [{ type: "website", url: item.homepage }] } : {}),
    properties: item.type === "deb" ? debProperties(item) : [],
  };
}

/** What Trivy (split version) and Syft or Grype (whole version) read to know the source package. */
function debProperties(item: Package): Property[] {
  const [, epoch, upstream, revision] = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/.exec(item.sourceVersion)!;
  return [
    { name: "aquasecurity:trivy:PkgID", value: `${item.name}@${item.version}` },
    { name: "aquasecurity:trivy:PkgType", value: "debian" },
    ...(epoch === undefined || /^0+$/.test(epoch) ? [] : [{ name: "aquasecurity:trivy:SrcEpoch", value: epoch }]),
    { name: "aquasecurity:trivy:SrcName", value: item.source },
    ...(revision === undefined ? [] : [{ name: "aquasecurity:trivy:SrcRelease", value: revision }]),
    { name: "aquasecurity:trivy:SrcVersion", value: upstream! },
    { name: "syft:package:metadataType", value: "dpkg-db-entry" },
    { name: "syft:package:type", value: "deb" },
    { name: "syft:metadata:architecture", value: item.architecture },
    { name: "syft:metadata:source", value: item.source },
    { name: "syft:metadata:sourceVersion", value: item.sourceVersion },
  ];
}

function isWebAddress(text: string | undefined): text is string {
  return text !== undefined && /^https?:\/\/[^\s<>"]+$/.test(text);
}

/** A UUID version 8 of a text's SHA-256. Source: RFC 9562 section 5.8. */
function uuidOf(text: string): string {
  const hex = sha256Hex(text);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
