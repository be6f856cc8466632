import { type Ask, type MirrorRequest, type RepositorySettings } from "../format.ts";
import { mediaTypeOf } from "./media-types.ts";
import { isPlainPath, ruleFor, ruleRefusal, splitAddress } from "./rules.ts";

/**
 * What a path of a raw repository means: a file, which stays as it was when it was first fetched or put here.
 *
 * Where rules say what may be fetched, paths are `<host>/<path>`.
 */
export function classify(request: MirrorRequest, settings: RepositorySettings): Ask {
  const { path, query } = request;
  if (path === "" || path.endsWith("/"))
    return { kind: "refused", status: 404, reason: "A raw repository lists no folders" };
  if (!isPlainPath(path)) return { kind: "refused", status: 400, reason: "The path is not that of a file" };
  if (query.size > 0)
    return {
      kind: "refused",
      status: 400,
      reason: "A file of a raw repository is named by its path alone, without a query",
    };
  if (settings.kind !== "proxy" || settings.allowed === undefined) return file(path);
  const { host, rest } = splitAddress(path);
  if (ruleFor(settings.allowed, host, rest) === undefined)
    return { kind: "refused", status: 403, reason: ruleRefusal(settings.allowed, host, rest) };
  return file(`${host}/${rest}`);
}

function file(key: string): Ask {
  return { kind: "file", key, lifetime: "immutable", subject: { name: key }, mediaType: mediaTypeOf(key) };
}
