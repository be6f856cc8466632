import { compareVersions } from "../version-order.ts";

/** A module path or version as the protocol writes it: an upper-case letter is `!` and its lower-case form. */
export function escapeModule(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);
}

/**
 * Undoes {@link escapeModule}; undefined where the text is not escaped as it should be.
 *
 * Source: golang.org/x/mod/module, "Escaped Paths".
 */
export function unescapeModule(text: string): string | undefined {
  if (/[A-Z]|!(?![a-z])/.test(text)) return undefined;
  return text.replace(/!([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Whether a text can be a module path. Source: golang.org/x/mod/module, CheckPath; without its rules for Windows. */
export function isModulePath(text: string): boolean {
  if (text.length > 1024) return false;
  return text.split("/").every((element) => /^[A-Za-z0-9\-._~]+$/.test(element) && !/^\.|\.$/.test(element));
}

/** Whether go can be told to download such a path: its first element is a host name in lower case. */
export function isDownloadable(path: string): boolean {
  const [host = ""] = path.split("/");
  return isModulePath(path) && host.includes(".") && /^[a-z0-9.][a-z0-9.-]*$/.test(host) && majorOf(path) !== undefined;
}

const canonicalForm =
  /^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?(\+incompatible)?$/;

/** Whether a version names one commit for ever; branch names, `v1` and `v1.2` do not. Source: go.dev/ref/mod, "Versions". */
export function isCanonicalVersion(version: string): boolean {
  return canonicalForm.test(version);
}

/** Whether a version is before its release: `v1.2.3-rc.1` and every pseudo-version. */
export function isPrerelease(version: string): boolean {
  return canonicalForm.exec(version)?.[4] !== undefined;
}

/** Orders canonical versions from old to new. */
export function compareModuleVersions(left: string, right: string): number {
  return compareVersions(left.slice(1), right.slice(1)) || (left < right ? -1 : left > right ? 1 : 0);
}

/** Whether a version may stand with a path: `/v2` goes with `v2.…`, and `+incompatible` with paths that have no such end. */
export function fitsPath(path: string, version: string): boolean {
  const major = majorOf(path);
  const found = canonicalForm.exec(version);
  if (major === undefined || found === null) return false;
  const isLow = found[1] === "0" || found[1] === "1";
  if (major !== "") return found[1] === major && found[5] === undefined;
  return isLow ? found[5] === undefined : found[5] !== undefined;
}

/** The number of the `/vN` or `.vN` at the end of a path; empty where it has none, undefined where it has a wrong one. */
function majorOf(path: string): string | undefined {
  if (path.startsWith("gopkg.in/")) return /\.v(0|[1-9]\d*)(?:-unstable)?$/.exec(path)?.[1];
  const end = /\/v(\d[\d.]*)$/.exec(path);
  if (end === null) return "";
  return /^(?:[2-9]|[1-9]\d+)$/.test(end[1]!) ? end[1] : undefined;
}
