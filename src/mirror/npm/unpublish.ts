import type { Publication, WriteRefusal } from "../format.ts";
import { attestationsKey, tarballKey } from "./classify.ts";
import { repointTags } from "./dist-tags.ts";
import { tarballName } from "./package-name.ts";
import { isObject, type JsonObject, ownMember } from "./packument.ts";
import { refuse } from "./refuse.ts";
import { instant, publication, type Shelved } from "./shelved.ts";

/** Takes over from a changed document which versions are deprecated; nothing else of it counts. */
export async function deprecate(body: JsonObject, shelved: Shelved): Promise<Publication | WriteRefusal> {
  const changed = body["versions"];
  if (!isObject(changed)) return refuse(400, "The body has no versions");
  for (const [version, manifest] of Object.entries(shelved.packument.versions)) {
    const wanted = ownMember(changed, version);
    const reason = isObject(wanted) ? wanted["deprecated"] : undefined;
    if (!isObject(wanted)) continue;
    if (typeof reason === "string" && reason !== "") manifest.deprecated = reason.slice(0, 4096);
    else delete manifest.deprecated;
  }
  return await publication(shelved, { status: 200, files: [], removed: [] });
}

/**
 * Removes the versions that a changed document has no more, with their tarballs.
 *
 * The instant of a removed version stays: its number is never given to other bytes.
 */
export async function removeVersions(kept: unknown, shelved: Shelved): Promise<Publication | WriteRefusal> {
  if (!isObject(kept)) return refuse(501, "Owners are not kept here: the rights of accounts are given by the server");
  const { name, packument } = shelved;
  const gone = Object.keys(packument.versions).filter((version) => !Object.hasOwn(kept, version));
  const removed = gone.flatMap((version) => keysOf(name, version));
  for (const version of gone) delete packument.versions[version];
  repointTags(packument);
  return await publication(shelved, {
    status: 200,
    files: [],
    removed,
    ...(gone.length === 1 ? { version: gone[0]! } : {}),
  });
}

/** Removes all of a package; its name stays ours, or a group would ask the upstream for it. */
export async function removePackage(shelved: Shelved): Promise<Publication | WriteRefusal> {
  const { name, packument } = shelved;
  const versions = Object.keys(packument.versions);
  packument.versions = {};
  packument["dist-tags"] = {};
  packument.time["unpublished"] = { time: instant(), versions };
  return await publication(shelved, {
    status: 200,
    files: [],
    removed: versions.flatMap((version) => keysOf(name, version)),
  });
}

function keysOf(name: string, version: string): string[] {
  return [tarballKey(name, tarballName(name, version)), attestationsKey(name, version)];
}
