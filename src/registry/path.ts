import { isRepository } from "../model/reference.ts";

/** What a path under `/v2/` names. References, digests and ids are texts that nobody has checked yet. */
export type DistributionPath =
  | { readonly kind: "base" }
  | { readonly kind: "catalog" }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "manifest"; readonly repository: string; readonly reference: string }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: string }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: string }
  | { readonly kind: "uploads"; readonly repository: string }
  | { readonly kind: "upload"; readonly repository: string; readonly id: string };

/**
 * Reads a path from the right: a repository may itself have parts that are called `blobs`, `tags` or `manifests`.
 *
 * Source: OCI distribution spec, "Endpoints".
 *
 * @param path of the request without its query, from `/v2` on, percent-encoded
 * @returns `invalid name` where only the repository is at fault, undefined where the path names nothing
 */
export function parsePath(path: string): DistributionPath | "invalid name" | undefined {
  const parts = decode(path)?.split("/");
  if (parts === undefined || parts[0] !== "" || parts[1] !== "v2") return undefined;
  const rest = parts.slice(2);
  if (rest.length === 0 || (rest.length === 1 && rest[0] === "")) return { kind: "base" };
  if (rest.length === 1 && rest[0] === "_catalog") return { kind: "catalog" };
  const found = readEnding(rest);
  if (found === undefined) return undefined;
  const repository = rest.slice(0, -found.partCount).join("/");
  return isRepository(repository) ? found.make(repository) : "invalid name";
}

interface Ending {
  readonly partCount: number;
  readonly make: (repository: string) => DistributionPath;
}

function readEnding(parts: readonly string[]): Ending | undefined {
  const [third, second, last] = [parts.at(-3), parts.at(-2), parts.at(-1)!];
  if (third === "blobs" && second === "uploads")
    return {
      partCount: 3,
      make: (repository) => (last === "" ? { kind: "uploads", repository } : { kind: "upload", repository, id: last }),
    };
  switch (second) {
    case "tags":
      return last === "list" ? { partCount: 2, make: (repository) => ({ kind: "tags", repository }) } : undefined;
    case "manifests":
      return { partCount: 2, make: (repository) => ({ kind: "manifest", repository, reference: last }) };
    case "referrers":
      return { partCount: 2, make: (repository) => ({ kind: "referrers", repository, digest: last }) };
    case "blobs":
      return {
        partCount: 2,
        make: (repository) =>
          last === "uploads" ? { kind: "uploads", repository } : { kind: "blob", repository, digest: last },
      };
    default:
      return undefined;
  }
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
