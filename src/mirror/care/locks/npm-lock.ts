import { packumentPath, tarballPath } from "../../npm/package-name.ts";
import type { LockWishes, Skipped, Wish } from "./wish.ts";

interface LockedPackage {
  readonly version?: unknown;
  readonly resolved?: unknown;
  readonly name?: unknown;
  readonly link?: unknown;
  readonly inBundle?: unknown;
}

/**
 * Reads a package-lock.json of version 2 or 3.
 *
 * Source: npm's package-lock.json(5), "packages".
 */
export function readNpmLock(text: string): LockWishes | undefined {
  const packages = packagesOf(text);
  if (packages === undefined) return undefined;
  const wishes = new Map<string, Wish>();
  const skipped: Skipped[] = [];
  for (const [place, found] of Object.entries(packages)) {
    if (place === "" || !place.includes("node_modules/") || found.link === true || found.inBundle === true) continue;
    const name = typeof found.name === "string" ? found.name : place.slice(place.lastIndexOf("node_modules/") + 13);
    const { version, resolved } = found;
    const title = `${name} ${String(version)}`;
    if (typeof version !== "string") continue;
    if (typeof resolved === "string" && !/^https?:/.test(resolved))
      skipped.push({ title, reason: "comes from no registry" });
    else wishes.set(title, { format: "npm", title, paths: [tarballPath(name, version), packumentPath(name)] });
  }
  return { kind: "package-lock.json", wishes: [...wishes.values()], skipped };
}

function packagesOf(text: string): Readonly<Record<string, LockedPackage>> | undefined {
  try {
    const lock = JSON.parse(text) as { lockfileVersion?: unknown; packages?: unknown };
    if (lock === null || typeof lock !== "object" || typeof lock.lockfileVersion !== "number") return undefined;
    return lock.packages !== null && typeof lock.packages === "object"
      ? (lock.packages as Readonly<Record<string, LockedPackage>>)
      : undefined;
  } catch {
    return undefined;
  }
}
