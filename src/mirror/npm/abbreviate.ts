import { isObject, type JsonObject, type Manifest, ownMember, type Packument } from "./packument.ts";

/**
 * What installing needs of a version. Source: npm registry, "Package metadata", abbreviated version object.
 *
 * Its `devDependencies` are left out: no client installs those of a package that it depends on, and they are most of a
 * large document.
 */
const manifestMembers = [
  "name",
  "version",
  "deprecated",
  "bin",
  "dist",
  "directories",
  "dependencies",
  "acceptDependencies",
  "bundleDependencies",
  "bundledDependencies",
  "optionalDependencies",
  "peerDependencies",
  "peerDependenciesMeta",
  "engines",
  "cpu",
  "os",
  "libc",
  "funding",
  "_hasShrinkwrap",
  "hasInstallScript",
] as const;

/** The short form of a package's document, which clients ask for when they install. */
export function abbreviate(packument: Packument): JsonObject {
  const versions: Record<string, JsonObject> = Object.create(null) as Record<string, JsonObject>;
  for (const [version, manifest] of Object.entries(packument.versions))
    versions[version] = abbreviateManifest(manifest);
  const modified = ownMember(packument.time, "modified") ?? packument["modified"];
  return {
    name: packument.name,
    "dist-tags": packument["dist-tags"],
    versions,
    ...(modified === undefined ? {} : { modified }),
    ...(packument["policyRestrictions"] === undefined ? {} : { policyRestrictions: packument["policyRestrictions"] }),
  };
}

function abbreviateManifest(manifest: Manifest): JsonObject {
  const short: JsonObject = {};
  for (const member of manifestMembers) if (manifest[member] !== undefined) short[member] = manifest[member];
  if (hasInstallScript(manifest)) short["hasInstallScript"] = true;
  return short;
}

function hasInstallScript({ scripts }: Manifest): boolean {
  return isObject(scripts) && ["preinstall", "install", "postinstall"].some((name) => Object.hasOwn(scripts, name));
}
