import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Package } from "../model/package.ts";
import { cyclonedx, packagesFromDpkgStatus, spdx, withLicences, type SbomInput } from "./sbom.ts";

const status = `Package: zlib1g
Status: install ok installed
Maintainer: Mark Brown <broonie@debian.org>
Architecture: amd64
Source: zlib
Version: 1:1.2.13.dfsg-1
Homepage: http://zlib.net/

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libgcc-s1
Status: hold ok triggers-pending
Architecture: amd64
Source: gcc-12 (12.2.0-14+deb12u1)
Version: 12.2.0-14+deb12u1+b2

Package: half
Status: install reinstreq half-installed
Architecture: all
Version: 2

Package: base-files
Architecture: amd64
Version: 12.4+deb12u9
`;

const input: SbomInput = {
  name: "base",
  imageDigest: `sha256:${"ab".repeat(32)}`,
  distribution: { id: "debian", version: "12", codename: "bookworm" },
  createdAt: "2026-11-20T00:00:00Z",
  packages: packagesFromDpkgStatus(status),
  toolVersion: "0.1.0",
};

test("only packages whose files are in place count, each with its source", () => {
  assert.deepEqual(
    input.packages.map((item) => [item.name, item.version, item.source, item.sourceVersion]),
    [
      ["base-files", "12.4+deb12u9", "base-files", "12.4+deb12u9"],
      ["libgcc-s1", "12.2.0-14+deb12u1+b2", "gcc-12", "12.2.0-14+deb12u1"],
      ["zlib1g", "1:1.2.13.dfsg-1", "zlib", "1:1.2.13.dfsg-1"],
    ],
  );
  assert.equal(input.packages[2]?.homepage, "http://zlib.net/");
});

interface Bom {
  serialNumber: string;
  components: {
    type: string;
    name: string;
    version: string;
    purl?: string;
    hashes?: unknown;
    properties: { name: string; value: string }[];
  }[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

test("CycloneDX holds the distribution, the purls and what scanners need", () => {
  const bom = JSON.parse(
    cyclonedx({ ...input, packages: input.packages.map((item) => ({ ...item, sha256: "cd".repeat(32) })) }),
  ) as Bom;
  assert.match(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(
    bom.components.map((item) => [item.type, item.name, item.version]),
    [
      ["operating-system", "debian", "12"],
      ["library", "base-files", "12.4+deb12u9"],
      ["library", "libgcc-s1", "12.2.0-14+deb12u1+b2"],
      ["library", "zlib1g", "1:1.2.13.dfsg-1"],
    ],
  );
  const purl = new URL(bom.components[2]!.purl!);
  assert.equal(decodeURIComponent(purl.pathname), "deb/debian/libgcc-s1@12.2.0-14+deb12u1+b2");
  assert.deepEqual(Object.fromEntries(purl.searchParams), {
    arch: "amd64",
    distro: "debian-12",
    upstream: "gcc-12@12.2.0-14+deb12u1",
  });
  assert.equal(new URL(bom.components[3]!.purl!).searchParams.get("upstream"), "zlib");
  assert.equal(new URL(bom.components[1]!.purl!).searchParams.get("upstream"), null);
  assert.deepEqual(bom.components[3]!.hashes, [{ alg: "SHA-256", content: "cd".repeat(32) }]);
  const properties = Object.fromEntries(bom.components[3]!.properties.map((item) => [item.name, item.value]));
  assert.equal(properties["aquasecurity:trivy:SrcEpoch"], "1");
  assert.equal(properties["aquasecurity:trivy:SrcVersion"], "1.2.13.dfsg");
  assert.equal(properties["aquasecurity:trivy:SrcRelease"], "1");
  assert.equal(properties["syft:metadata:sourceVersion"], "1:1.2.13.dfsg-1");
  assert.equal(bom.dependencies[1]!.dependsOn.length, 3);
});

interface SpdxDocument {
  packages: { name: string; SPDXID: string; licenseDeclared: string; sourceInfo?: string }[];
  relationships: { relationshipType: string; relatedSpdxElement: string }[];
  hasExtractedLicensingInfos?: { licenseId: string; name: string }[];
}

test("SPDX relates image, distribution and packages and defines its own licence names", () => {
  const licensed = withLicences(input.packages, (name) =>
    name === "zlib1g"
      ? "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: Zlib and public-domain\n"
      : undefined,
  );
  const document = JSON.parse(spdx({ ...input, packages: licensed })) as SpdxDocument;
  const ids = new Set(document.packages.map((item) => item.SPDXID));
  assert.equal(ids.size, document.packages.length);
  for (const relationship of document.relationships) assert.ok(ids.has(relationship.relatedSpdxElement));
  const zlib = document.packages.at(-1)!;
  assert.equal(zlib.sourceInfo, "built package from: zlib 1:1.2.13.dfsg-1");
  assert.match(zlib.licenseDeclared, /^Zlib AND LicenseRef-public-domain-[0-9a-f]{8}$/);
  assert.equal(document.hasExtractedLicensingInfos?.[0]?.name, "public-domain");
});

test("equal packages in any order give equal bytes; another digest gives another serial", () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9+.-]{1,6}$/);
  const item: fc.Arbitrary<Package> = fc.record({
    type: fc.constant("deb"),
    name: word,
    version: word,
    architecture: fc.constantFrom("amd64", "all"),
    source: word,
    sourceVersion: word,
  });
  const lists = fc
    .uniqueArray(item, { maxLength: 8, selector: (one) => `${one.name} ${one.version} ${one.architecture}` })
    .chain((items) => fc.tuple(fc.constant(items), fc.shuffledSubarray(items, { minLength: items.length })));
  fc.assert(
    fc.property(lists, ([packages, shuffled]) => {
      assert.equal(cyclonedx({ ...input, packages }), cyclonedx({ ...input, packages: [...shuffled, ...packages] }));
      assert.equal(spdx({ ...input, packages }), spdx({ ...input, packages: shuffled }));
    }),
    { numRuns: 40 },
  );
  const other = cyclonedx({ ...input, imageDigest: `sha256:${"00".repeat(32)}` });
  assert.notEqual((JSON.parse(other) as Bom).serialNumber, (JSON.parse(cyclonedx(input)) as Bom).serialNumber);
});
