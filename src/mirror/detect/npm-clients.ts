import { parseIni } from "./ini.ts";
import { type FoundSource, sourceOf, withVariables } from "./found-source.ts";
import type { Variables } from "./machine.ts";

/** A configuration file with its path, the one that counts most first. */
export interface NamedText {
  readonly path: string;
  readonly text: string;
}

interface NpmAnswers {
  /** Project, user, global: the first that says something counts. */
  readonly files: readonly NamedText[];
  readonly environment: Variables;
  /** What `npm config get registry` printed; undefined where npm is not there. */
  readonly asked: string | undefined;
}

/**
 * What npm takes packages from: its registry, and those of scopes.
 *
 * Source: npm's npmrc(5), "Auth related configuration" and "scope".
 */
export function npmSources({ files, environment, asked }: NpmAnswers): FoundSource[] {
  const rows = files.flatMap(({ path, text }) =>
    parseIni(text).map(({ key, value }) => ({ path, key, value: withVariables(value, environment) })),
  );
  const first = (key: string): { path: string; value: string } | undefined => rows.find((row) => row.key === key);
  const variable = environment["npm_config_registry"] ?? environment["NPM_CONFIG_REGISTRY"];
  const own =
    variable === undefined || variable === ""
      ? first("registry")
      : { path: "the variable npm_config_registry", value: variable };
  const main = own ?? (asked === undefined ? undefined : { path: "npm config get registry", value: asked });
  const scopes = new Map<string, { path: string; value: string }>();
  for (const { path, key, value } of rows) {
    const scope = /^(@[^:]+):registry$/.exec(key)?.[1];
    if (scope !== undefined && !scopes.has(scope)) scopes.set(scope, { path, value });
  }
  const credentials = (address: string): Pick<FoundSource, "login" | "hasCredentials"> =>
    credentialsFor(address, (key) => first(key)?.value);
  return [
    ...(main === undefined ? [] : [{ ...main, name: "" }]),
    ...[...scopes].map(([name, at]) => ({ ...at, name })),
  ].map(({ path, value, name }) =>
    sourceOf(value, { client: "npm", format: "npm", from: path, name, ...credentials(value) }),
  );
}

/** npm keeps credentials under the address without its scheme, from its whole path up to its host. */
function credentialsFor(
  address: string,
  read: (key: string) => string | undefined,
): Pick<FoundSource, "login" | "hasCredentials"> {
  const url = URL.parse(address);
  if (url === null) return { hasCredentials: false };
  const parts = url.pathname.split("/").filter((part) => part !== "");
  for (let length = parts.length; length >= 0; length--) {
    const place = `//${url.host}/${parts
      .slice(0, length)
      .map((part) => `${part}/`)
      .join("")}`;
    for (const at of [place, place.slice(0, -1)]) {
      const login = loginOf(read(`${at}:_auth`), read(`${at}:username`), read(`${at}:_password`));
      if (login !== undefined) return { login, hasCredentials: true };
      const token = read(`${at}:_authToken`);
      if (token !== undefined) return { login: { username: "", password: token }, hasCredentials: true };
    }
  }
  return { hasCredentials: read("_auth") !== undefined || read("_authToken") !== undefined };
}

/** `_password` is base64 of the password, `_auth` of `name:password`. */
function loginOf(
  both: string | undefined,
  username: string | undefined,
  password: string | undefined,
): { username: string; password: string } | undefined {
  if (both !== undefined) {
    const [name = "", ...rest] = Buffer.from(both, "base64").toString("utf8").split(":");
    return { username: name, password: rest.join(":") };
  }
  if (username === undefined || password === undefined) return undefined;
  return { username, password: Buffer.from(password, "base64").toString("utf8") };
}
