/** The longest name of a crate, in characters; what the public registry takes. */
const nameChars = 64;

const nameForm = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;

const versionForm = /^\d{1,20}\.\d{1,20}\.\d{1,20}(?:-[0-9A-Za-z.-]{1,100})?(?:\+[0-9A-Za-z.-]{1,100})?$/;

/** Whether a text can be the name of a crate. */
export function isCrateName(text: string): boolean {
  return text.length <= nameChars && nameForm.test(text);
}

/** Whether a text can be the version of a crate. */
export function isCrateVersion(text: string): boolean {
  return versionForm.test(text);
}

/** The form in which one name counts: without case. */
export function crateKey(name: string): string {
  return name.toLowerCase();
}

/** The folders that the index file of a crate lies in. Source: The Cargo Book, "Index Format", index files. */
export function indexPrefix(name: string): string {
  if (name.length <= 2) return String(name.length);
  return name.length === 3 ? `3/${name[0]}` : `${name.slice(0, 2)}/${name.slice(2, 4)}`;
}

/** The path of a crate's index file. */
export function indexPath(name: string): string {
  const key = crateKey(name);
  return `${indexPrefix(key)}/${key}`;
}

/** The key that a crate's archive is kept under. */
export function archiveKey(name: string, version: string): string {
  const key = crateKey(name);
  return `crates/${key}/${key}-${version}.crate`;
}
