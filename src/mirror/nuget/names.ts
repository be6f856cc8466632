/** The longest id of a package, in characters; what the public gallery takes. */
const idChars = 100;

const idForm = /^[\p{L}\p{N}\p{M}_]+(?:[.-][\p{L}\p{N}\p{M}_]+)*$/u;

const versionForm =
  /^(\d{1,10})(?:\.(\d{1,10}))?(?:\.(\d{1,10}))?(?:\.(\d{1,10}))?(-[\da-z-]+(?:\.[\da-z-]+)*)?(?:\+[\da-z-]+(?:\.[\da-z-]+)*)?$/i;

/** The form of an id that counts: in lower case; undefined where the text is none. */
export function normalId(text: string): string | undefined {
  return text.length <= idChars && idForm.test(text) ? text.toLowerCase() : undefined;
}

/**
 * The form of a version that counts: three or four numbers without leading zeros, no build metadata, in lower case.
 *
 * Source: NuGet documentation, "Package versioning", normalized version numbers.
 *
 * @returns undefined where the text is no version
 */
export function normalVersion(text: string): string | undefined {
  return properVersion(text)?.toLowerCase();
}

/** As {@link normalVersion}, in the case it was written in: what people are shown. */
export function properVersion(text: string): string | undefined {
  const found = text.length <= 128 ? versionForm.exec(text) : null;
  if (found === null) return undefined;
  const [, major = "0", minor = "0", patch = "0", revision = "0", label = ""] = found;
  const numbers = [major, minor, patch, revision].map((number) => number.replace(/^0+(?=\d)/, ""));
  if (numbers[3] === "0") numbers.pop();
  return `${numbers.join(".")}${label}`;
}

/** The key of a package's archive; `id` and `version` normal. */
export function archiveKey(id: string, version: string): string {
  return `flat/${id}/${version}/${id}.${version}.nupkg`;
}

/** Where things stand below the address of a repository; ids and versions normal. */
export const places = {
  versions: (id: string) => `v3/flat/${encodeURIComponent(id)}/index.json`,
  archive: (id: string, version: string) =>
    `v3/flat/${encodeURIComponent(id)}/${version}/${encodeURIComponent(id)}.${version}.nupkg`,
  beside: (id: string, version: string, file: string) => `v3/flat/${encodeURIComponent(id)}/${version}/${file}`,
  registration: (id: string) => `v3/registrations/${encodeURIComponent(id)}/index.json`,
  page: (id: string, lower: string, upper: string) =>
    `v3/registrations/${encodeURIComponent(id)}/page/${lower}/${upper}.json`,
  leaf: (id: string, version: string) => `v3/registrations/${encodeURIComponent(id)}/${version}.json`,
  catalog: (id: string, version: string) => `v3/catalog/${encodeURIComponent(id)}/${version}.json`,
} as const;
