import { parseDigest, type Digest } from "./digest.ts";

/** A name of an image: `[host[:port]/]repository[:tag][@digest]`. */
export interface Reference {
  /** Host and port, or undefined where the name is local. */
  readonly registry: string | undefined;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const repositoryForm = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagForm = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Whether a text is a repository name. Source: OCI distribution spec, "Pulling manifests". */
export function isRepository(text: string): boolean {
  return text.length <= 255 && repositoryForm.test(text);
}

/** Whether a text is a tag. Source: OCI distribution spec, "Pulling manifests". */
export function isTag(text: string): boolean {
  return tagForm.test(text);
}

/** Reads a reference; undefined where the text is none. The first part is a host if it has a dot, a colon, or is `localhost`. */
export function parseReference(text: string): Reference | undefined {
  let rest = text;
  let digest: Digest | undefined;
  const at = rest.indexOf("@");
  if (at >= 0) {
    digest = parseDigest(rest.slice(at + 1));
    if (digest === undefined) return undefined;
    rest = rest.slice(0, at);
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(":");
  if (colon > rest.lastIndexOf("/")) {
    tag = rest.slice(colon + 1);
    if (!isTag(tag)) return undefined;
    rest = rest.slice(0, colon);
  }
  const slash = rest.indexOf("/");
  const first = slash < 0 ? "" : rest.slice(0, slash);
  const isHost = first === "localhost" || first.includes(".") || first.includes(":");
  const repository = isHost ? rest.slice(slash + 1) : rest;
  if (!isRepository(repository)) return undefined;
  return { registry: isHost ? first : undefined, repository, tag, digest };
}
