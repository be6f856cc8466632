import { posix } from "node:path";
import { Failure } from "../../base/errors.ts";
import type { Distribution, Package } from "../../model/package.ts";
import type { ScanScope } from "../../model/pull-gate.ts";
import { readInstalled } from "../apk/installed.ts";
import { readStatus } from "../dpkg/status.ts";
import { readOsRelease } from "../os-release.ts";
import { readImageTree, type ImageEntry, type WantedPaths } from "./image-tree.ts";
import type { LayerBlob } from "./layer-stream.ts";

/** What is installed in an image, or why that cannot be told: then there is no verdict either. */
export type Catalogue = CataloguedImage | { readonly unscannable: string };

/** What is installed in an image. */
interface CataloguedImage extends ScanScope {
  readonly distribution: Distribution;
  readonly packages: readonly Package[];
}

const dpkgStatus = "var/lib/dpkg/status";
const dpkgFolder = "var/lib/dpkg/status.d";
const apkDatabases = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
const osReleases = ["etc/os-release", "usr/lib/os-release"];

/** Databases that are known and not read, by a file that each has. */
const foreignDatabases: Readonly<Record<string, string>> = {
  "var/lib/rpm/Packages": "rpm",
  "var/lib/rpm/Packages.db": "rpm",
  "var/lib/rpm/rpmdb.sqlite": "rpm",
  "usr/lib/sysimage/rpm/Packages": "rpm",
  "usr/lib/sysimage/rpm/Packages.db": "rpm",
  "usr/lib/sysimage/rpm/rpmdb.sqlite": "rpm",
  "usr/share/rpm/rpmdb.sqlite": "rpm",
  "var/lib/pacman/local/ALPM_DB_VERSION": "pacman",
  "usr/lib/opkg/status": "opkg",
  "var/lib/opkg/status": "opkg",
};

const wanted: WantedPaths = {
  files: new Set([dpkgStatus, ...apkDatabases, ...osReleases]),
  folders: [dpkgFolder],
  markers: new Set(Object.keys(foreignDatabases)),
};

/** What no cataloger of ours looks at yet: nothing found there means nothing. */
const omitted = ["packages of languages (npm, PyPI, Maven, Go and others)", "files that no package owns"];

/**
 * Reads what an image's package database says is installed; images that come from elsewhere are read like any.
 *
 * @throws Failure of the store that the layers come from; what is wrong with the image itself is an answer
 */
export async function catalogue(layers: readonly LayerBlob[], signal: AbortSignal): Promise<Catalogue> {
  let tree: ReadonlyMap<string, ImageEntry>;
  try {
    tree = await readImageTree(layers, wanted, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof Failure)) throw error;
    if (error.code !== "archive_hostile" && error.code !== "too_large" && error.code !== "not_found") throw error;
    return { unscannable: error.message.replace(/^Cannot read the (?:image|tar archive): /, "") };
  }
  return catalogueOf(tree);
}

function catalogueOf(tree: ReadonlyMap<string, ImageEntry>): Catalogue {
  const detour = detourIn(tree);
  if (detour !== undefined) return { unscannable: detour };
  const dpkg = textsOf(tree, (path) => path === dpkgStatus || isStatusFile(path))
    .map(readStatus)
    .flat();
  const apk = textsOf(tree, (path) => apkDatabases.includes(path))
    .map(readInstalled)
    .flat();
  if (dpkg.length > 0 && apk.length > 0)
    return { unscannable: "it has two package databases, dpkg and apk, and nothing says which one counts" };
  if (dpkg.length + apk.length === 0) return { unscannable: nothingRead(tree) };
  const release = osReleases
    .flatMap((place) => textsOf(tree, (path) => path === place))
    .map(readOsRelease)
    .find((distribution) => distribution !== undefined);
  if (release === undefined) return { unscannable: "it has no os-release that names its distribution" };
  return {
    distribution: release,
    packages: [...dpkg, ...apk],
    databases: [dpkg.length > 0 ? "dpkg" : "apk"],
    omitted,
  };
}

function nothingRead(tree: ReadonlyMap<string, ImageEntry>): string {
  const foreign = Object.entries(foreignDatabases).find(([path]) => tree.has(path));
  return foreign === undefined ? "it has no package database" : `unsupported package database ${foreign[1]}`;
}

function isStatusFile(path: string): boolean {
  return path.startsWith(`${dpkgFolder}/`) && !path.endsWith(".md5sums");
}

function textsOf(tree: ReadonlyMap<string, ImageEntry>, matches: (path: string) => boolean): string[] {
  const texts: string[] = [];
  for (const [path, entry] of tree)
    if (entry.kind === "file" && matches(path)) texts.push(entry.bytes.toString("utf8"));
  return texts;
}

const decisivePaths = [dpkgStatus, `${dpkgFolder}/x`, ...apkDatabases, ...osReleases];

/** A database behind a link that we do not follow would be passed over in silence; that is said instead. */
function detourIn(tree: ReadonlyMap<string, ImageEntry>): string | undefined {
  for (const [path, entry] of tree) {
    if (!decisivePaths.some((decisive) => decisive === path || decisive.startsWith(`${path}/`))) continue;
    if (entry.kind === "other") return `"${path}" is neither a file nor a link where a package database has its place`;
    if (entry.kind === "link" && !leadsToWanted(path, entry.target))
      return `its package database lies behind the link "${path}"`;
  }
  return undefined;
}

/** `lib` to `usr/lib`, and os-release to its other place: what is behind them is read under its own name. */
function leadsToWanted(path: string, target: string): boolean {
  const end = posix.join("/", target.startsWith("/") ? target : posix.join(posix.dirname(path), target)).slice(1);
  if (osReleases.includes(path)) return osReleases.includes(end);
  return (path === "lib" || path.startsWith("lib/")) && end === `usr/${path}`;
}
