import { strict as assert } from "node:assert";
import { test } from "node:test";
import { sha256Digest } from "../model/digest.ts";
import type { Lock } from "../model/lock.ts";
import {
  cosignVerifyLine,
  gatePredicate,
  podmanPolicy,
  provenancePredicate,
  registriesConfig,
  scanPredicate,
} from "./sign.ts";

const hex = (digit: string): string => digit.repeat(64);
const lock: Lock = {
  schemaVersion: 1,
  recipe: { name: "base", sha256: hex("a") },
  distribution: { id: "debian", version: "12", codename: "bookworm" },
  architecture: "amd64",
  epochSeconds: 1_700_000_000,
  resolver: { name: "apt", version: "2.6.1" },
  indexes: [
    {
      suite: "bookworm",
      codename: "bookworm",
      origin: "Debian",
      label: "Debian",
      inReleaseSha256: hex("b"),
      signedBy: ["F"],
      dateSeconds: 1_700_000_000,
      lists: [{ component: "main", path: "main/binary-amd64/Packages.xz", sha256: hex("c") }],
    },
  ],
  packages: [
    {
      name: "libstdc++6",
      version: "12.2.0-14",
      architecture: "amd64",
      source: "gcc-12",
      sourceVersion: "12.2.0-14",
      path: "pool/main/g/gcc-12/libstdc++6_12.2.0-14_amd64.deb",
      sizeBytes: 1,
      sha256: hex("d"),
      index: 0,
      requested: true,
      essential: false,
      layer: 0,
    },
  ],
};

test("provenance names the recipe, each index, each list and each package with its digest", () => {
  const predicate = provenancePredicate({
    buildType: "urn:mintmark:buildtype:packages:v1",
    externalParameters: { recipe: { name: "base" } },
    internalParameters: { network: "none" },
    lock,
    lockDigest: sha256Digest(hex("e")),
    builderId: "urn:mintmark:builder:local",
    builderVersion: { mintmark: "0.1.0" },
    invocationId: "run",
    startedOn: "2026-01-01T00:00:00Z",
    finishedOn: "2026-01-01T00:00:09Z",
  }) as {
    buildDefinition: { resolvedDependencies: { uri: string; digest: { sha256: string } }[] };
    runDetails: { byproducts: unknown[] };
  };
  assert.deepEqual(
    predicate.buildDefinition.resolvedDependencies.map(({ uri, digest }) => [uri, digest.sha256[0]]),
    [
      ["urn:mintmark:recipe:base", "a"],
      ["urn:mintmark:apt:debian:bookworm:InRelease", "b"],
      ["urn:mintmark:apt:debian:bookworm:main/binary-amd64/Packages.xz", "c"],
      ["pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64&distro=debian-12", "d"],
    ],
  );
  assert.deepEqual(predicate.runDetails.byproducts, [
    { name: "lock", uri: "urn:mintmark:lock:base", digest: { sha256: hex("e") } },
  ]);
});

test("the scan and the verdict become statements that other tools know", () => {
  const feed = { covers: true, recordCount: 1 };
  const report = {
    schemaVersion: 1 as const,
    scannedAt: "2026-01-02T00:00:00Z",
    packageCount: 1,
    findings: [],
    feeds: [
      { ...feed, feed: "a", dataAt: "2026-01-01T00:00:00Z" },
      { ...feed, feed: "b", dataAt: undefined },
    ],
    coverage: "complete" as const,
  };
  const scan = scanPredicate(report, { uri: "urn:mintmark:scan", version: "0.1.0" }) as {
    scanner: { db: { version: string }; result: unknown };
  };
  assert.equal(scan.scanner.db.version, "2026-01-01T00:00:00Z");
  assert.equal(scan.scanner.result, report);
  const verdict = {
    schemaVersion: 1 as const,
    result: "fail" as const,
    judgedAt: "2026-01-02T00:00:00Z",
    policy: { name: "default", sha256: hex("f") },
    reasons: [],
  };
  const inputs = [{ uri: "urn:x", digest: sha256Digest(hex("1")) }];
  const summary = gatePredicate(verdict, {
    verifierId: "urn:mintmark:gate",
    resourceUri: "localhost/golden/base",
    inputs,
  }) as Record<string, unknown>;
  assert.equal(summary["verificationResult"], "FAILED");
  assert.deepEqual(summary["inputAttestations"], [{ uri: "urn:x", digest: { sha256: hex("1") } }]);
});

test("the trust snippets name the keys in the form that the client knows", () => {
  const keyPaths: [string, string] = ["/etc/keys/new.pub", "/etc/keys/old.pub"];
  const older = JSON.parse(
    podmanPolicy({ scope: "localhost:5000/golden", keyPaths, form: "keyPath", otherwise: "reject" }),
  ) as unknown;
  const requirement = {
    type: "sigstoreSigned",
    keyPath: "/etc/keys/new.pub",
    signedIdentity: { type: "matchRepoDigestOrExact" },
  };
  assert.deepEqual(older, {
    default: [{ type: "reject" }],
    transports: { docker: { "localhost:5000/golden": [requirement] } },
  });
  assert.match(
    podmanPolicy({ scope: "localhost", keyPaths, form: "keyPaths", otherwise: "accept" }),
    /"insecureAcceptAnything"[^]*"keyPaths": \[\n/,
  );
  assert.equal(
    registriesConfig("localhost:5000"),
    'docker:\n  "localhost:5000":\n    use-sigstore-attachments: true\n',
  );
  assert.equal(
    cosignVerifyLine({ reference: "localhost:5000/golden/base:1.0", keyPath: "my keys/release.pub", plainHttp: true }),
    "cosign verify --key 'my keys/release.pub' --insecure-ignore-tlog=true --allow-http-registry=true localhost:5000/golden/base:1.0",
  );
  assert.match(
    cosignVerifyLine({ reference: "r", keyPath: "k", predicateType: "cyclonedx" }),
    /^cosign verify-attestation --type cyclonedx --key k /,
  );
});
