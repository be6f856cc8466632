import type { Claim } from "../format.ts";

/** What a Release file says of the files of its suite. */
export interface Release {
  /** What is listed of a path below the folder of the Release. */
  find(path: string): ListedFile | undefined;
  /** The paths of the indexes of packages and sources. */
  packageIndexes(): readonly string[];
  /** Whether the files lie by their hash too. */
  readonly isByHash: boolean;
  readonly components: readonly string[];
}

/** The strongest digest that is published of a file. */
export interface ListedFile {
  readonly claim: Claim;
  readonly sizeBytes: number;
}

/** The strongest first; the others list the same files. */
const digestFields = [
  ["SHA512", "sha512"],
  ["SHA256", "sha256"],
  ["SHA1", "sha1"],
  ["MD5Sum", "md5"],
  ["MD5sum", "md5"],
] as const;

/**
 * Reads a Release or InRelease file; of a signed one only what the signature covers.
 *
 * It is read for each request of a package, so it goes over the strongest digests alone.
 *
 * Source: the Debian repository format, "Release files"; RFC 9580 section 7 for the cleartext form.
 */
export function readRelease(text: string): Release {
  const signed = `\n${signedText(text)}\n`;
  const field = digestFields.find(([name]) => signed.includes(`\n${name}:`)) ?? digestFields[0];
  const listed = `${fieldOf(signed, field[0])}\n`;
  return {
    find: (path) => findListed(listed, { path, algorithm: field[1] }),
    packageIndexes: () => Array.from(listed.matchAll(indexLine), ([, path]) => plainPath(path!)),
    isByHash: fieldOf(signed, "Acquire-By-Hash").trim() === "yes",
    components: fieldOf(signed, "Components")
      .split(/\s+/)
      .filter((word) => word !== ""),
  };
}

/** The value of a field with its continuation lines; empty where there is none. */
function fieldOf(signed: string, name: string): string {
  const from = signed.indexOf(`\n${name}:`);
  if (from < 0) return "";
  let until = signed.indexOf("\n", from + 1);
  while (signed.startsWith("\n ", until)) until = signed.indexOf("\n", until + 1);
  return signed.slice(from + name.length + 2, until);
}

const indexLine = /^ \S+ +\d+ +((?:\S*\/)?(?:Packages|Sources)(?:\.\w+)?)$/gm;

function findListed(
  listed: string,
  { path, algorithm }: { readonly path: string; readonly algorithm: ListedFile["claim"]["algorithm"] },
): ListedFile | undefined {
  for (const written of [path, `./${path}`]) {
    const end = listed.indexOf(` ${written}\n`);
    const line = end < 0 ? "" : listed.slice(listed.lastIndexOf("\n", end) + 1, end);
    const match = /^ *([0-9a-fA-F]{32,128}) +(\d+) *$/.exec(line);
    if (match !== null) return { claim: { algorithm, value: match[1]!.toLowerCase() }, sizeBytes: Number(match[2]) };
  }
  return undefined;
}

/** A path of an index without `./` at its beginning and doubled slashes. */
export function plainPath(path: string): string {
  if (!path.includes("//") && !/^\.?\//.test(path)) return path;
  return path.replaceAll(/\/{2,}/g, "/").replace(/^(?:\.?\/)+/, "");
}

function signedText(text: string): string {
  const begin = text.indexOf("-----BEGIN PGP SIGNED MESSAGE-----");
  if (begin < 0) return text;
  const blank = /\r?\n\r?\n/.exec(text.slice(begin));
  const end = text.indexOf("\n-----BEGIN PGP SIGNATURE-----", begin);
  if (blank === null || end < 0) return "";
  const signed = text.slice(begin + blank.index + blank[0].length, end + 1);
  const plain = signed.includes("\r") ? signed.replaceAll("\r", "") : signed;
  return plain.startsWith("- ") || plain.includes("\n- ") ? plain.replaceAll(/^- /gm, "") : plain;
}
