/** What a registry asks for with a 401. */
export type Challenge =
  | { readonly scheme: "basic" }
  | {
      readonly scheme: "bearer";
      readonly realm: string;
      readonly service: string | undefined;
      readonly scope: string | undefined;
    };

/**
 * Reads `WWW-Authenticate`; undefined where it offers nothing that we speak. Bearer goes before Basic.
 *
 * Source: RFC 9110 section 11.6.1; distribution's token authentication.
 */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const found = [...schemes(header ?? "")];
  const bearer = found.find(({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm"));
  if (bearer !== undefined)
    return {
      scheme: "bearer",
      realm: bearer.parameters.get("realm")!,
      service: bearer.parameters.get("service"),
      scope: bearer.parameters.get("scope"),
    };
  return found.some(({ scheme }) => scheme === "basic") ? { scheme: "basic" } : undefined;
}

interface Scheme {
  readonly scheme: string;
  readonly parameters: Map<string, string>;
}

/** No backtracking: each alternative begins with another character class and is bounded. */
const token = /([A-Za-z][\w-]{0,40})(?:\s{0,4}=\s{0,4}(?:"((?:[^"\\]|\\.){0,4096})"|([^\s,"]{0,4096})))?/gy;

function* schemes(header: string): Generator<Scheme> {
  let current: Scheme | undefined;
  const text = header.slice(0, 8192);
  for (let at = 0; at < text.length;) {
    token.lastIndex = at;
    const match = token.exec(text);
    if (match === null) {
      at += 1;
      continue;
    }
    at = token.lastIndex;
    const [, name = "", quoted, bare] = match;
    if (quoted === undefined && bare === undefined) {
      if (current !== undefined) yield current;
      current = { scheme: name.toLowerCase(), parameters: new Map() };
    } else current?.parameters.set(name.toLowerCase(), (quoted ?? bare ?? "").replace(/\\(.)/g, "$1"));
  }
  if (current !== undefined) yield current;
}
