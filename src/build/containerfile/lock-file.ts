import { join } from "node:path";
import { writeFileAtomic } from "../../base/files.ts";
import { containerfileLockSchema, type ContainerfileLock, type LockedRequest } from "../../model/containerfile-lock.ts";
import { parseLockText, readLockFile, type LockForm } from "../lock-text.ts";

/** Where the lock of a Containerfile recipe lies: beside its image.yaml, one for each architecture. */
export function containerfileLockPath(folder: string, architecture: string): string {
  return join(folder, `lock.containerfile-${architecture}.json`);
}

/** A lock as text: one request a line, so that a diff shows requests. */
export function formatContainerfileLock(lock: ContainerfileLock): string {
  const { aptSources = [], bases, upstreams, requests, ...head } = lock;
  const lines = (items: readonly unknown[]): string =>
    items.length === 0 ? "[]" : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`;
  const body = JSON.stringify(head, undefined, 2).slice(0, -2);
  const sources = aptSources.length === 0 ? "" : `\n  "aptSources": ${lines(aptSources)},`;
  return `${body},${sources}\n  "bases": ${lines(bases)},\n  "upstreams": ${lines(upstreams)},\n  "requests": ${lines(requests)}\n}\n`;
}

/** Writes a lock so that no reader sees half of it. */
export function writeContainerfileLock(path: string, lock: ContainerfileLock): Promise<void> {
  return writeFileAtomic(path, formatContainerfileLock(lock));
}

const form: LockForm<ContainerfileLock> = {
  schema: containerfileLockSchema,
  remedy: "mintmark build RECIPE --update",
};

/** Reads a lock; undefined where there is none. @throws Failure `lock_invalid` */
export async function readContainerfileLock(path: string): Promise<ContainerfileLock | undefined> {
  return await readLockFile(path, form);
}

/** Reads the text of a lock; `name` is for the message. @throws Failure `lock_invalid` */
export function parseContainerfileLock(text: string, name: string): ContainerfileLock {
  return parseLockText(text, name, form);
}

/** Whether a text is a lock of this kind and not of packages. */
export function isContainerfileLock(text: string): boolean {
  return /^\s*\{\s*"schemaVersion":\s*1,\s*"kind":\s*"containerfile"/.test(text);
}

/** What changed between two locks, a line each: packages first, by name and version; then bases; then the rest by address. */
export function containerfileLockChanges(before: ContainerfileLock | undefined, after: ContainerfileLock): string[] {
  return [
    ...packageChanges(before?.requests ?? [], after.requests),
    ...changesOf(
      new Map(before?.bases.map(({ reference, digest }) => [reference, digest])),
      new Map(after.bases.map(({ reference, digest }) => [reference, digest])),
      "base ",
    ),
    ...changesOf(others(before?.requests ?? []), others(after.requests), ""),
  ];
}

/** Whether something that ends up in an image is another: what only indexes say moves with every day. */
export function isOtherContent(before: ContainerfileLock, after: ContainerfileLock): boolean {
  const content = ({ bases, requests, recipe, args, target }: ContainerfileLock): string =>
    JSON.stringify([
      bases,
      recipe.sha256,
      args,
      target,
      requests.filter(({ purl }) => purl !== undefined).map(({ address, sha256, status }) => [address, sha256, status]),
    ]);
  return content(before) !== content(after);
}

/** `pkg:npm/ms` of `pkg:npm/ms@2.1.3?x=y`, and the version. */
function splitPurl(purl: string): { readonly name: string; readonly version: string } {
  const plain = purl.replace(/[?#].*$/s, "");
  const at = plain.lastIndexOf("@");
  return at <= 0
    ? { name: plain, version: "" }
    : { name: plain.slice(0, at), version: decodeURIComponent(plain.slice(at + 1)) };
}

function packageChanges(before: readonly LockedRequest[], after: readonly LockedRequest[]): string[] {
  const versions = (requests: readonly LockedRequest[]): Map<string, string> => {
    const found = new Map<string, Set<string>>();
    for (const { purl, status } of requests)
      if (purl !== undefined && status < 400) {
        const { name, version } = splitPurl(purl);
        if (version !== "") found.set(name, (found.get(name) ?? new Set()).add(version));
      }
    return new Map([...found].map(([name, set]) => [name, [...set].sort().join(", ")]));
  };
  return changesOf(versions(before), versions(after), "");
}

function others(requests: readonly LockedRequest[]): Map<string, string> {
  return new Map(
    requests
      .filter(({ purl }) => purl === undefined || splitPurl(purl).version === "")
      .map(({ method, address, accept, status, sha256 }) => [
        `${method} ${address}${accept === undefined ? "" : ` (${accept})`}`,
        sha256 === undefined ? String(status) : sha256.slice(0, 12),
      ]),
  );
}

function changesOf(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>, prefix: string): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((name) => {
    const was = before.get(name);
    const is = after.get(name);
    if (was === is) return [];
    if (was === undefined) return [`+ ${prefix}${name} ${is}`];
    return is === undefined ? [`- ${prefix}${name} ${was}`] : [`~ ${prefix}${name} ${was} → ${is}`];
  });
}
