import type { FormatName } from "../format.ts";

/** A place that a client of this machine takes packages from today. */
export interface FoundSource {
  /** The client program: `npm`, `pip`, `uv`, `go`, `cargo`, `mvn`, `gradle`, `nuget`, `apt`, `podman`. */
  readonly client: string;
  readonly format: FormatName | "oci";
  /** Without credentials; undefined where nothing that can be asked says it. */
  readonly url: string | undefined;
  /** The file, variable or program that says so. */
  readonly from: string;
  /** Empty for what the client takes everything from; else a scope, an id or a suite. */
  readonly name: string;
  /** What the client signs in with; it never leaves this process. */
  readonly login?: Login;
  /** Whether credentials of any kind are there, also such as cannot be taken over. */
  readonly hasCredentials: boolean;
  /** What a person should know of it. */
  readonly note?: string;
  /** Go: the name of the checksum database that it asks. */
  readonly checksumDatabase?: string;
}

/** A name and a password, as basic authentication has them; an empty name stands for a bearer token. */
interface Login {
  readonly username: string;
  readonly password: string;
}

/** The facts of a source beside its address. */
type SourceFacts = Omit<FoundSource, "url" | "hasCredentials" | "login" | "name"> & {
  readonly name?: string;
  readonly login?: Login | undefined;
  readonly hasCredentials?: boolean;
};

/** Makes a source of an address as a client wrote it: its credentials are taken out; what is no web address stays undefined, with a note. */
export function sourceOf(address: string, facts: SourceFacts): FoundSource {
  const url = URL.parse(address.trim());
  const { name = "", login, hasCredentials = false, ...rest } = facts;
  if (url === null || !/^https?:$/.test(url.protocol))
    return { ...rest, name, url: undefined, hasCredentials, note: facts.note ?? "is no web address" };
  const own = loginOf(url) ?? login;
  url.username = "";
  url.password = "";
  url.hash = "";
  return {
    ...rest,
    name,
    url: url.href,
    hasCredentials: hasCredentials || own !== undefined,
    ...(own === undefined ? {} : { login: own }),
  };
}

/** A client that is there, but does not say where it takes packages from. */
export function unknownSource(facts: SourceFacts): FoundSource {
  const { name = "", login: _login, hasCredentials = false, ...rest } = facts;
  return { ...rest, name, url: undefined, hasCredentials };
}

function loginOf(url: URL): Login | undefined {
  if (url.username === "" && url.password === "") return undefined;
  return { username: decoded(url.username), password: decoded(url.password) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Replaces `${NAME}` by a variable's value, as npm, NuGet and others do in their files; unknown ones stay. */
export function withVariables(text: string, environment: Readonly<Record<string, string | undefined>>): string {
  return text.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_.]*)\}/g, (whole, name: string) => environment[name] ?? whole);
}
