import { type Ask, type MirrorRequest, type Subject } from "../format.ts";
import { type AptPath, readAptPath } from "./paths.ts";

/**
 * What a path of an archive means.
 *
 * The signed Release is a document: what clients get is what {@link locate} reads claims from, so that both are of one
 * generation. All that it lists is vouched for by it; what lies by its own hash never changes.
 */
export function classify(request: MirrorRequest): Ask {
  const named = readAptPath(request.path);
  if (named === undefined) return { kind: "refused", status: 400, reason: "The path cannot be one of an archive" };
  const { path } = named;
  if (path === "" || path.endsWith("/"))
    return { kind: "refused", status: 404, reason: "Folders of an archive are not listed" };
  switch (named.kind) {
    case "release":
      return { kind: "document", source: path, variant: "" };
    case "by-hash":
      return { kind: "file", key: path, lifetime: "immutable" };
    case "index":
      return { kind: "file", key: path, lifetime: "vouched" };
    case "package":
    case "source": {
      const subject = subjectOf(named);
      return { kind: "file", key: path, lifetime: "vouched", ...(subject === undefined ? {} : { subject }) };
    }
    case "other":
      return { kind: "file", key: path, lifetime: "mutable" };
  }
}

function subjectOf(named: AptPath & { readonly kind: "package" | "source" }): Subject | undefined {
  if (named.name === undefined || named.name === "") return undefined;
  return named.kind === "package" ? { name: named.name, version: named.version } : { name: named.name };
}
