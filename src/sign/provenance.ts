import { PackageURL } from "packageurl-js";
import type { Digest } from "../model/digest.ts";
import type { Lock, LockedIndex, LockedPackage } from "../model/lock.ts";

/** Something that a build used or made. Source: in-toto attestation, spec/v1/resource_descriptor.md. */
export interface Material {
  readonly uri?: string;
  readonly name?: string;
  readonly digest?: Readonly<Record<string, string>>;
  readonly mediaType?: string;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

/** Everything that a build took in, where its lock is not one of packages. */
interface LockedMaterials {
  readonly recipe: { readonly name: string; readonly sha256: string };
  readonly materials: readonly Material[];
}

/** What is known about one build when it ends. */
export interface ProvenanceRecord {
  /** A URI that says how to read the parameters. */
  readonly buildType: string;
  /** What the tenant could choose; it must be complete. */
  readonly externalParameters: { readonly recipe: Readonly<Record<string, unknown>>; readonly [name: string]: unknown };
  /** What the platform chose, such as the policy and the network mode. */
  readonly internalParameters: Readonly<Record<string, unknown>>;
  /** The lock of a package recipe, or what another one took in. */
  readonly lock: Lock | LockedMaterials;
  /** Digest of the lock as stored. */
  readonly lockDigest: Digest;
  /** A URI of the builder in its security mode; each mode has its own. */
  readonly builderId: string;
  /** Version of each part of the builder. */
  readonly builderVersion: Readonly<Record<string, string>>;
  readonly invocationId: string;
  /** ISO 8601. */
  readonly startedOn: string;
  readonly finishedOn: string;
  /** Further results, such as the build's log. */
  readonly byproducts?: readonly Material[];
}

/** The predicate of SLSA provenance as the door describes it. */
export function slsaProvenance(record: ProvenanceRecord): unknown {
  const { lock } = record;
  return {
    buildDefinition: {
      buildType: record.buildType,
      externalParameters: record.externalParameters,
      internalParameters: record.internalParameters,
      resolvedDependencies: "materials" in lock ? lock.materials : packageMaterials(lock),
    },
    runDetails: {
      builder: { id: record.builderId, version: record.builderVersion },
      metadata: { invocationId: record.invocationId, startedOn: record.startedOn, finishedOn: record.finishedOn },
      byproducts: [
        { name: "lock", uri: `urn:mintmark:lock:${lock.recipe.name}`, digest: digestSet(record.lockDigest) },
        ...(record.byproducts ?? []),
      ],
    },
  };
}

function packageMaterials(lock: Lock): Material[] {
  return [
    { uri: `urn:mintmark:recipe:${lock.recipe.name}`, digest: { sha256: lock.recipe.sha256 } },
    ...lock.indexes.flatMap((index) => indexResources(index, lock)),
    ...lock.packages.map((item) => packageResource(item, lock)),
  ];
}

/** The signed index and the package lists that it vouches for. */
function indexResources(index: LockedIndex, lock: Lock): Material[] {
  const base = `urn:mintmark:apt:${lock.distribution.id}:${index.suite}`;
  const release: Material = {
    uri: `${base}:InRelease`,
    digest: { sha256: index.inReleaseSha256 },
    annotations: {
      origin: index.origin,
      label: index.label,
      codename: index.codename,
      signedBy: index.signedBy,
      dateSeconds: index.dateSeconds,
    },
  };
  return [release, ...index.lists.map((list) => ({ uri: `${base}:${list.path}`, digest: { sha256: list.sha256 } }))];
}

function packageResource(item: LockedPackage, lock: Lock): Material {
  const { id, version } = lock.distribution;
  const qualifiers = { arch: item.architecture, distro: `${id}-${version}` };
  return {
    uri: new PackageURL("deb", id, item.name, item.version, qualifiers, undefined).toString(),
    name: item.path,
    digest: { sha256: item.sha256 },
  };
}

function digestSet(digest: Digest): Record<string, string> {
  const [algorithm, hex] = digest.split(":");
  return { [algorithm ?? ""]: hex ?? "" };
}
