import { createHash } from "node:crypto";
import type { Publication, Shelf, WriteRefusal } from "../format.ts";
import { attestationsKey, tarballKey } from "./classify.ts";
import { isTagName, tarballName, tarballPath } from "./package-name.ts";
import { isObject, type JsonObject, type Manifest, ownMember, type Packument } from "./packument.ts";
import { refuse } from "./refuse.ts";
import { compareVersions } from "../version-order.ts";
import { parseVersion } from "./semver.ts";
import { instant, publication } from "./shelved.ts";
import { claimOf } from "./facts.ts";

interface Place {
  readonly name: string;
  readonly shelf: Shelf;
  readonly packument: Packument | undefined;
}

/**
 * Takes a publication: one version, its tarball inside the document in base64, and the tags that point to it.
 *
 * The tarball has to have the digests that the document says; a version is never published twice.
 */
export async function publish(body: JsonObject, place: Place): Promise<Publication | WriteRefusal> {
  const { name, shelf } = place;
  const release = readRelease(body, place);
  if ("refused" in release) return release;
  const { version, manifest, tarball } = release;
  const packument: Packument = place.packument ?? {
    name,
    "dist-tags": {},
    versions: {},
    time: { created: instant() },
  };
  delete packument.time["unpublished"];
  const subject = { name, version };
  const stored = await shelf.put(tarball);
  const files = [
    {
      key: tarballKey(name, tarballName(name, version)),
      ...sized(stored),
      mediaType: "application/octet-stream",
      subject,
    },
  ];
  const bundle = attestationsIn(body);
  if (bundle !== undefined) {
    const kept = await shelf.put(Buffer.from(JSON.stringify({ attestations: [bundle] })));
    files.push({ key: attestationsKey(name, version), ...sized(kept), mediaType: "application/json", subject });
    manifest.dist!.attestations = { url: "", provenance: { predicateType: bundle.predicateType } };
  }
  manifest.dist!.tarball = `${shelf.base}/${tarballPath(name, version)}`;
  packument.versions[version] = manifest;
  packument.time[version] = instant();
  const latest = ownMember(packument["dist-tags"], "latest");
  for (const tag of release.tags) packument["dist-tags"][tag] = version;
  if (latest === undefined) packument["dist-tags"]["latest"] = version;
  describe(packument, manifest);
  return await publication({ name, shelf, packument }, { status: 201, version, files, removed: [] });
}

function sized(stored: Awaited<ReturnType<Shelf["put"]>>): Pick<Publication["files"][number], "digest" | "sizeBytes"> {
  return { digest: stored.digest, sizeBytes: stored.sizeBytes };
}

interface Release {
  readonly version: string;
  readonly manifest: Manifest;
  readonly tarball: Buffer;
  readonly tags: readonly string[];
}

function readRelease(body: JsonObject, { name, packument }: Place): Release | WriteRefusal {
  const versions = isObject(body["versions"]) ? Object.entries(body["versions"]) : [];
  const [version, manifest] = versions[0] ?? [];
  if (versions.length !== 1 || version === undefined || !isObject(manifest))
    return refuse(400, "A publication has exactly one version");
  if (parseVersion(version) === undefined || /^[v=\s]/.test(version) || version.includes("+"))
    return refuse(400, `"${version.slice(0, 100)}" is no version without build metadata`);
  if (manifest["name"] !== name || manifest["version"] !== version)
    return refuse(400, "The manifest is of another package or version");
  if (
    packument !== undefined &&
    (ownMember(packument.versions, version) ?? ownMember(packument.time, version)) !== undefined
  )
    return refuse(403, `You cannot publish over the previously published version ${version} of "${name}"`);
  const tags = isObject(body["dist-tags"]) ? Object.keys(body["dist-tags"]) : [];
  const wrongTag = tags.find((tag) => !isTagName(tag));
  if (wrongTag !== undefined) return refuse(400, `"${wrongTag.slice(0, 100)}" cannot be a tag`);
  const tarball = tarballIn(body);
  if (tarball === undefined) return refuse(400, "A publication has one tarball in base64");
  const dist = isObject(manifest["dist"]) ? manifest["dist"] : {};
  const release: Manifest = { ...manifest, dist };
  const reason = compareDigests(release, tarball);
  return reason === undefined ? { version, manifest: release, tarball, tags } : refuse(400, reason);
}

function tarballIn(body: JsonObject): Buffer | undefined {
  const attachments = isObject(body["_attachments"]) ? Object.entries(body["_attachments"]) : [];
  const tarballs = attachments.filter(([file]) => file.endsWith(".tgz"));
  const content = tarballs[0]?.[1];
  if (tarballs.length !== 1 || !isObject(content) || typeof content["data"] !== "string") return undefined;
  const bytes = Buffer.from(content["data"], "base64");
  return typeof content["length"] === "number" && content["length"] !== bytes.length ? undefined : bytes;
}

/** Why a tarball is not what its manifest says; fills in the digests that the manifest lacks. */
function compareDigests(manifest: Manifest, tarball: Buffer): string | undefined {
  const dist = manifest.dist!;
  const claim = claimOf(manifest);
  const digest = (algorithm: string, encoding: "hex" | "base64"): string =>
    createHash(algorithm).update(tarball).digest(encoding);
  if (claim !== undefined && digest(claim.algorithm, "hex") !== claim.value)
    return `The tarball does not have the ${claim.algorithm} ${claim.value} of the manifest`;
  const shasum = digest("sha1", "hex");
  if (dist.shasum !== undefined && dist.shasum !== shasum)
    return `The tarball has the SHA-1 ${shasum}, not the manifest's`;
  dist.shasum = shasum;
  dist.integrity = `sha512-${digest("sha512", "base64")}`;
  return undefined;
}

/** The provenance that `npm publish --provenance` sends beside the tarball. */
function attestationsIn(body: JsonObject): { predicateType: string; bundle: unknown } | undefined {
  const attachments = isObject(body["_attachments"]) ? body["_attachments"] : {};
  const found = Object.entries(attachments).find(([file]) => file.endsWith(".sigstore"))?.[1];
  if (!isObject(found) || typeof found["data"] !== "string") return undefined;
  try {
    const bundle: unknown = JSON.parse(found["data"]);
    return { predicateType: predicateTypeOf(bundle), bundle };
  } catch {
    return undefined;
  }
}

const provenanceType = "https://slsa.dev/provenance/v1";

function predicateTypeOf(bundle: unknown): string {
  const envelope = isObject(bundle) ? bundle["dsseEnvelope"] : undefined;
  const payload = isObject(envelope) && typeof envelope["payload"] === "string" ? envelope["payload"] : "";
  const statement: unknown = JSON.parse(Buffer.from(payload, "base64").toString("utf8"));
  const type = isObject(statement) ? statement["predicateType"] : undefined;
  return typeof type === "string" ? type : provenanceType;
}

/** The members that a registry shows of a package are those of its newest version. */
function describe(packument: Packument, manifest: Manifest): void {
  const newest = Object.keys(packument.versions).sort(compareVersions).at(-1);
  if (newest !== manifest.version) return;
  for (const member of ["description", "keywords", "license", "repository", "homepage", "bugs", "author"] as const)
    if (manifest[member] === undefined) delete packument[member];
    else packument[member] = manifest[member];
}
