/** Types by the end of a file's name; nothing that a browser would run in our name. */
const mediaTypes: Readonly<Record<string, string>> = {
  asc: "text/plain; charset=utf-8",
  gz: "application/gzip",
  jar: "application/java-archive",
  json: "application/json",
  pem: "application/x-pem-file",
  sha256: "text/plain; charset=utf-8",
  sig: "application/octet-stream",
  tar: "application/x-tar",
  tgz: "application/gzip",
  txt: "text/plain; charset=utf-8",
  xz: "application/x-xz",
  yaml: "application/yaml",
  zip: "application/zip",
  zst: "application/zstd",
};

/** The type that a file is given out as. */
export function mediaTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const end = name.slice(name.lastIndexOf(".") + 1);
  return Object.hasOwn(mediaTypes, end) ? mediaTypes[end]! : "application/octet-stream";
}
