const form = /^(?:@[a-z0-9~_-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/i;

/**
 * Reads the name of an npm package, `name` or `@scope/name`; undefined where the text is none.
 *
 * Upper case is allowed: some old packages have it. Source: the npm documentation of package.json, "name".
 */
export function parsePackageName(text: string): string | undefined {
  return text.length <= 214 && form.test(text) && !reserved.has(text.toLowerCase()) ? text : undefined;
}

const reserved = new Set(["node_modules", "favicon.ico", "-"]);

/** The name of the tarball of a version, as npm itself names it: without the scope. */
export function tarballName(name: string, version: string): string {
  return `${name.slice(name.indexOf("/") + 1)}-${version}.tgz`;
}

/** The version that a tarball's name says; undefined where it is not a tarball of this package. */
export function versionOfTarball(name: string, file: string): string | undefined {
  const start = `${name.slice(name.indexOf("/") + 1)}-`;
  if (!file.startsWith(start) || !file.endsWith(".tgz")) return undefined;
  const version = file.slice(start.length, -".tgz".length);
  return /^[0-9A-Za-z.+-]{1,256}$/.test(version) ? version : undefined;
}

/** Where a package's tarball is below a registry's address. */
export function tarballPath(name: string, version: string): string {
  return `${name}/-/${encodeURIComponent(tarballName(name, version))}`;
}

/** Where a package's document is below a registry's address: a scope's slash is escaped, as npm does it. */
export function packumentPath(name: string): string {
  return name.replace("/", "%2f");
}

/** Where the attestations of a version are below a registry's address. */
export function attestationsPath(name: string, version: string): string {
  return `-/npm/v1/attestations/${packumentPath(name)}@${encodeURIComponent(version)}`;
}

/** Whether a word can be a tag: what reads as a range of versions cannot. */
export function isTagName(tag: string): boolean {
  return /^[A-Za-z][A-Za-z0-9._-]{0,127}$/.test(tag) && !/^(?:v?\d|x$)/i.test(tag);
}
