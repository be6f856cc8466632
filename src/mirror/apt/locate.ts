import type { Claim, DocumentAsk, FileAsk, Location, UpstreamReader } from "../format.ts";
import { type AptPath, encodedPath, readAptPath } from "./paths.ts";
import { findInPool, type PoolEntry, poolIndex, readableEnds } from "./pool-index.ts";
import { type ListedFile, plainPath, readRelease, type Release } from "./release.ts";

/**
 * Finds the digest of what is asked for: of an index in the signed Release of its suite, of a package in the index that
 * names it, of what lies by its hash in its own path. Nothing of a pool is given out that no index lists.
 */
export async function locate(ask: FileAsk | DocumentAsk, reader: UpstreamReader): Promise<Location | undefined> {
  if (ask.kind === "document") return locateDocument(ask.source);
  const named = readAptPath(encodedPath(ask.key));
  if (named === undefined) return undefined;
  const url = encodedPath(named.path);
  switch (named.kind) {
    case "by-hash":
      return { url, claim: { algorithm: named.algorithm, value: named.hex } };
    case "index":
      return await locateIndex(named.path, reader);
    case "package":
    case "source":
      return await locatePackage(named, reader);
    default:
      return { url };
  }
}

/** A source of ours may name an index together with its digest: see {@link pinnedSource}. */
function locateDocument(source: string): Location {
  const pinned = /^([^?]*)\?(sha512|sha256|sha1|md5)=([0-9a-f]+)(&by-hash)?$/.exec(source);
  if (pinned === null) return { url: encodedPath(source) };
  const [, path = "", algorithm = "", value = "", byHash] = pinned;
  return indexLocation(path, { algorithm: algorithm as Claim["algorithm"], value }, byHash !== undefined);
}

/** Where an index is of which one generation is wanted: by its hash, where the archive keeps it there. */
function indexLocation(path: string, claim: Claim, isByHash: boolean): Location {
  const plain = encodedPath(path);
  if (!isByHash) return { url: plain, claim };
  const folder = claim.algorithm === "md5" ? "MD5Sum" : claim.algorithm.toUpperCase();
  return { url: `${encodedPath(folderOf(path))}by-hash/${folder}/${claim.value}`, claim, otherwise: plain };
}

/** The folder of a path with a slash at its end; empty for the archive's own. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** A suite with its Release as it was last given out. */
interface Suite {
  /** With a slash at its end, or empty. */
  readonly folder: string;
  readonly release: Release;
}

async function readSuite(folder: string, reader: UpstreamReader): Promise<Suite | undefined> {
  for (const name of ["InRelease", "Release"]) {
    const bytes = await reader.read(`${folder}${name}`);
    if (bytes !== undefined) return { folder, release: readRelease(bytes.toString("latin1")) };
  }
  return undefined;
}

/** Folders in which the Release of an index can lie: suites may have slashes in their names, and flat archives none. */
function suiteFolders(path: string): string[] {
  const segments = path.split("/").slice(0, -1);
  const folders = segments.map((_, at) => `${segments.slice(0, at + 1).join("/")}/`);
  return path.startsWith("dists/") ? folders.slice(1, 5) : ["", ...folders].reverse().slice(0, 6);
}

async function locateIndex(path: string, reader: UpstreamReader): Promise<Location | undefined> {
  for (const folder of suiteFolders(path)) {
    const suite = await readSuite(folder, reader);
    if (suite === undefined) continue;
    const below = path.slice(folder.length);
    const listed = suite.release.find(below);
    if (listed !== undefined) return indexLocation(path, listed.claim, suite.release.isByHash);
    const within = await listedWithin(suite, below, reader);
    if (within !== undefined) return { url: encodedPath(path), claim: within };
  }
  return undefined;
}

/** Patches of an index are listed by `Index` beside them, images of the installer by `SHA256SUMS` above them. */
async function listedWithin(suite: Suite, below: string, reader: UpstreamReader): Promise<Claim | undefined> {
  for (let folder = folderOf(below); folder !== ""; folder = folderOf(folder.slice(0, -1))) {
    for (const [name, find] of [["Index", findPatch] as const, ["SHA256SUMS", findSum] as const]) {
      const listed = suite.release.find(`${folder}${name}`);
      if (listed === undefined) continue;
      const text = await reader.read(pinnedSource(suite, `${folder}${name}`, listed));
      return text === undefined ? undefined : find(text.toString("latin1"), below.slice(folder.length));
    }
  }
  return undefined;
}

function findPatch(index: string, name: string): Claim | undefined {
  const field = /^SHA256-Download:[^\n]*\n((?: [^\n]*\n?)*)/m.exec(index)?.[1] ?? "";
  const line = field
    .split("\n")
    .map((text) => text.trim().split(/\s+/))
    .find((words) => words[2] === name);
  return sha256Claim(line?.[0]);
}

function findSum(sums: string, path: string): Claim | undefined {
  const line = sums
    .split("\n")
    .map((text) => text.split(/\s+\*?/))
    .find((words) => plainPath(words[1] ?? "") === path);
  return sha256Claim(line?.[0]);
}

function sha256Claim(hex: string | undefined): Claim | undefined {
  return hex === undefined || !/^[0-9a-f]{64}$/i.test(hex)
    ? undefined
    : { algorithm: "sha256", value: hex.toLowerCase() };
}

/** One generation of an index: what is read by this name is the same for ever, whatever the archive publishes next. */
function pinnedSource({ folder, release }: Suite, below: string, { claim }: ListedFile): string {
  return `${folder}${below}?${claim.algorithm}=${claim.value}${release.isByHash ? "&by-hash" : ""}`;
}

type PoolPath = AptPath & { readonly kind: "package" | "source" };

/** A package that is looked for, and what is here to look for it in. */
interface Search {
  readonly named: PoolPath;
  readonly reader: UpstreamReader;
  /** Sources and keys below `dists/` that are here. */
  readonly held: readonly string[];
}

async function locatePackage(named: PoolPath, reader: UpstreamReader): Promise<Location | undefined> {
  const search = { named, reader, held: (await reader.held?.("dists/")) ?? [] };
  const suites: Suite[] = [];
  for (const folder of knownFolders(search)) {
    const suite = await readSuite(folder, reader);
    if (suite !== undefined) suites.push(suite);
  }
  const found = await findInIndexes(search, suites);
  return found === undefined ? undefined : packageLocation(found);
}

/**
 * Looks into what clients have read of any suite, and only then into the rest.
 *
 * An index that cannot be had, since the upstream is between two states of it, does not hide what another one vouches for.
 */
async function findInIndexes(search: Search, suites: readonly Suite[]): Promise<PoolEntry | undefined> {
  const { named, reader } = search;
  const all = suites.flatMap((suite) => indexesFor(search, suite).map((index) => ({ suite, ...index })));
  const failures: unknown[] = [];
  for (const { suite, below } of [...all.filter(({ isRead }) => isRead), ...all.filter(({ isRead }) => !isRead)])
    try {
      const found = await findThrough(pinnedSource(suite, below, suite.release.find(below)!), named.path, reader);
      if (found !== undefined) return found;
    } catch (error) {
      failures.push(error);
    }
  const older = await findInOlder(search, suites);
  if (older === undefined && failures.length > 0) throw failures[0];
  return older;
}

/** The suites whose Release was read through the mirror; without any the folders around the path, of a flat archive. */
function knownFolders({ named, held }: Search): readonly string[] {
  const folders = new Set(held.filter((key) => /\/(?:In)?Release$/.test(key)).map(folderOf));
  return folders.size > 0 ? [...folders] : suiteFolders(named.path);
}

async function findThrough(source: string, path: string, reader: UpstreamReader): Promise<PoolEntry | undefined> {
  const list = await reader.derived(source, "pool", poolIndex);
  return list === undefined ? undefined : await findInPool(list, path);
}

function packageLocation({ path, algorithm, value, name, version }: PoolEntry): Location {
  return { url: encodedPath(path), claim: { algorithm, value }, subject: { name, version } };
}

interface SuiteIndex {
  /** From the folder of the suite on. */
  readonly below: string;
  /** Whether clients have read it. */
  readonly isRead: boolean;
}

/**
 * The indexes of a suite that can list a package: of the package's own architecture and component, in the best
 * compression, or all where the names tell nothing.
 */
function indexesFor({ named, held }: Search, { folder, release }: Suite): SuiteIndex[] {
  const best = new Map<string, string>();
  for (const path of release.packageIndexes()) {
    const match = /^(.*?)(Packages|Sources)(\.[a-z0-9]+)?$/.exec(path);
    if (match === null || (match[2] === "Sources") !== (named.kind === "source")) continue;
    if (!isRankedAbove(match[3] ?? "", best.get(match[1]!))) continue;
    if (canList(named, match[1]!, release.components)) best.set(match[1]!, path);
  }
  return [...best].map(([place, below]) => ({
    below,
    isRead: held.some((key) => key.startsWith(`${folder}${place}`)),
  }));
}

function isRankedAbove(end: string, current: string | undefined): boolean {
  const rank = (readableEnds as readonly string[]).indexOf(end);
  if (rank < 0 || current === undefined) return rank >= 0;
  const currentEnd = /(?:Packages|Sources)(\.[a-z0-9]+)?$/.exec(current)?.[1] ?? "";
  return rank < (readableEnds as readonly string[]).indexOf(currentEnd);
}

/** Whether an index in this folder can list the package: its architecture, its kind and its component fit. */
function canList(named: PoolPath, folder: string, components: readonly string[]): boolean {
  const own = components.filter((component) => named.path.includes(`/${component}/`));
  const component = components.find((one) => folder.startsWith(`${one}/`));
  if (own.length > 0 && component !== undefined && !own.includes(component)) return false;
  if (named.kind === "source") return true;
  if (named.path.endsWith(".udeb") !== folder.includes("debian-installer/")) return false;
  const architecture = /_([a-z0-9-]+)\.[ud]?deb$/.exec(named.path)?.[1];
  const binary = /(?:^|\/)binary-([a-z0-9-]+)\/$/.exec(folder)?.[1];
  return architecture === undefined || architecture === "all" || binary === undefined || binary === architecture;
}

/** Clients may hold lists of the day before: what an older generation listed was vouched for then, and is so for ever. */
async function findInOlder(search: Search, suites: readonly Suite[]): Promise<PoolEntry | undefined> {
  const { named, reader } = search;
  const word = named.kind === "source" ? "Sources" : "Packages";
  for (const { folder, release } of suites) {
    const held = folder.startsWith("dists/") ? search.held : ((await reader.held?.(folder)) ?? []);
    const older = held.filter((key) => key.startsWith(folder) && key.includes("?") && key.includes(word));
    for (const source of older.slice(-olderCount)) {
      const below = source.slice(folder.length, source.indexOf("?"));
      if (!canList(named, folderOf(below), release.components)) continue;
      const found = await findThrough(source, named.path, reader);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Generations that are looked into before a package is taken for unknown. */
const olderCount = 32;
