/**
 * Why a path can be none, before any format looks at it; undefined where nothing is wrong.
 *
 * It keeps the promise of `MirrorRequest.path`, and what an address would read otherwise than a path: WHATWG URLs take a
 * backslash for a slash, end at `#`, and leave out tabs and line breaks. An encoded slash is refused by the formats that
 * have no use for it.
 */
export function pathProblem(path: string): string | undefined {
  const parts = path.split("/");
  if (parts.some((part, index) => part === "" && index < parts.length - 1)) return "the path has an empty part";
  if (parts.some((part) => /^(?:\.|%2e){1,2}$/i.test(part))) return "the path goes up";
  if (/[\\?#\p{Cc}\u2028\u2029]|%(?:[01][0-9a-f]|7f|5c)/iu.test(path))
    return "the path has a character that none may have";
  if (path.length > 4096) return "the path is too long";
  return undefined;
}
