/** What a path of an archive names. */
export type AptPath =
  | { readonly kind: "release"; readonly path: string }
  | { readonly kind: "by-hash"; readonly path: string; readonly algorithm: HashName; readonly hex: string }
  | { readonly kind: "index"; readonly path: string }
  | { readonly kind: "package"; readonly path: string; readonly name: string; readonly version: string }
  | { readonly kind: "source"; readonly path: string; readonly name?: string }
  | { readonly kind: "other"; readonly path: string };

/** Algorithms of by-hash folders that a claim can name. */
type HashName = "sha512" | "sha256" | "sha1" | "md5";

const hashFolders: Readonly<Record<string, { readonly algorithm: HashName; readonly digits: number }>> = {
  SHA512: { algorithm: "sha512", digits: 128 },
  SHA256: { algorithm: "sha256", digits: 64 },
  SHA1: { algorithm: "sha1", digits: 40 },
  MD5Sum: { algorithm: "md5", digits: 32 },
};

/**
 * Reads a path of an archive, percent-encoded as it came; undefined where it cannot be one.
 *
 * apt writes `+` and `~` as `%2b` and `%7e`, other clients do not: the path is decoded, so that both name one thing.
 *
 * Source: the Debian repository format, and apt's `URIEncode`.
 */
export function readAptPath(encoded: string): AptPath | undefined {
  const path = decodedPath(encoded);
  if (path === undefined) return undefined;
  const slash = path.lastIndexOf("/");
  const folder = path.slice(0, slash + 1);
  const name = path.slice(slash + 1);
  if (name === "") return { kind: "other", path };
  if (name === "InRelease" || (/^Release(?:\.gpg)?$/.test(name) && !isInsideSuite(folder)))
    return { kind: "release", path };
  const byHash = /(?:^|\/)by-hash\/([A-Za-z0-9]+)\/$/.exec(folder);
  if (byHash !== null) return byHashPath(path, byHash[1]!, name);
  if (isIndexName(name) || (/^[TF0-9]/.test(name) && folder.endsWith(".diff/")) || name === "Release")
    return { kind: "index", path };
  if (/(?:^|\/)installer-[a-z0-9-]+\/.+\/$/.test(folder) && folder.startsWith("dists/")) return { kind: "index", path };
  const archive = /^([a-z0-9][a-z0-9+.-]*)_([^_/]+)_([a-z0-9-]+)\.(?:u|d)?deb$/i.exec(name);
  if (archive !== null) return { kind: "package", path, name: archive[1]!, version: plainVersion(archive[2]!) };
  if (/\.(?:u|d)?deb$/.test(name)) return { kind: "package", path, name: "", version: "" };
  if (name.endsWith(".dsc") || /(?:^|\/)pool\//.test(folder)) return sourcePath(path, name);
  return { kind: "other", path };
}

/** The path of an address below the archive's own: each segment encoded, so that none can be taken for a scheme or a query. */
export function encodedPath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function decodedPath(encoded: string): string | undefined {
  const segments: string[] = [];
  for (const segment of encoded.split("/")) {
    const plain = decoded(segment);
    if (plain === undefined || plain === "." || plain === ".." || /[/\\]|\p{Cc}/u.test(plain)) return undefined;
    segments.push(plain);
  }
  return segments.join("/");
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** `binary-amd64/Release` is listed by the suite's own Release; only that one is asked for by itself. */
function isInsideSuite(folder: string): boolean {
  return /(?:^|\/)(?:binary-[a-z0-9-]+|source)\/$/.test(folder);
}

function byHashPath(path: string, folder: string, hex: string): AptPath | undefined {
  const hash = hashFolders[folder];
  if (hash === undefined || hex.length !== hash.digits || !/^[0-9a-f]+$/.test(hex)) return undefined;
  return { kind: "by-hash", path, algorithm: hash.algorithm, hex };
}

function isIndexName(name: string): boolean {
  return /^(?:Packages|Sources|Contents-[\w.-]+|Translation-[\w@.-]+|Components-[\w.-]+|Commands-[\w.-]+|icons-[\w@.-]+|Index)(?:\.(?:xz|gz|bz2|zst|lzma|lz4|yml|tar))*$/.test(
    name,
  );
}

/** A colon stands in file names as `%3a` where the archive keeps the epoch there at all. */
function plainVersion(text: string): string {
  return text.replaceAll(/%3a/gi, ":");
}

function sourcePath(path: string, fileName: string): AptPath {
  const name = /^([a-z0-9][a-z0-9+.-]*)_/.exec(fileName)?.[1];
  return { kind: "source", path, ...(name === undefined ? {} : { name }) };
}
