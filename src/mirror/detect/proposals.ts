import { formatNames, type FormatName } from "../format.ts";
import type { FoundSource } from "./found-source.ts";
import type { ListedRepository } from "./products.ts";

/** A repository that would stand for what clients use today. */
export interface Proposal {
  readonly name: string;
  readonly format: FormatName;
  /** Without credentials; undefined for a repository of allow-listed hosts. */
  readonly url: string | undefined;
  readonly login?: FoundSource["login"];
  /** Go: the checksum database that its client asks. */
  readonly checksumDatabase?: string;
  /** The clients that use it. */
  readonly clients: readonly string[];
  readonly note?: string;
}

/** How the repository is called that everything of a format comes from. */
const mainNames: Readonly<Record<Exclude<FormatName, "apt">, string>> = {
  npm: "npm",
  pypi: "pypi",
  maven: "maven",
  go: "go",
  cargo: "cargo",
  nuget: "nuget",
  raw: "raw",
};

/**
 * The repositories that sources ask for: one for each address, named by its format, or by what its client calls it.
 *
 * @param own addresses of this server: a client that is pointed at the mirror already asks for nothing
 * @param others proposals that have their names already
 */
export function proposalsOf(
  sources: readonly FoundSource[],
  own: readonly string[],
  others: readonly Proposal[],
): Proposal[] {
  const found = new Map<string, { source: FoundSource; format: FormatName; url: string; clients: Set<string> }>();
  for (const source of sources) {
    const { url, format } = source;
    if (url === undefined || !isMirrored(format) || own.some((address) => isBelow(url, address))) continue;
    const key = `${format} ${url.replace(/\/+$/, "")}`;
    const known = found.get(key) ?? { source, format, url, clients: new Set<string>() };
    known.clients.add(source.client);
    // What everything comes from names a repository before what only a part does.
    if (known.source.name !== "" && source.name === "") known.source = source;
    found.set(key, known);
  }
  const names = new Set(others.map(({ name }) => name));
  const inOrder = [...found.values()]
    .filter(({ source, format, url }) => !others.some((one) => one.name === nameFor(source, format) && one.url === url))
    .toSorted((a, b) => Number(a.source.name !== "") - Number(b.source.name !== ""));
  const proposals = inOrder.map(({ source, format, url, clients }): Proposal => ({
    name: freeName(nameFor(source, format), names),
    format,
    url,
    ...(source.login === undefined ? {} : { login: source.login }),
    ...(source.checksumDatabase === undefined ? {} : { checksumDatabase: source.checksumDatabase }),
    clients: [...clients],
    ...(source.note === undefined ? {} : { note: source.note }),
  }));
  const hosts = "takes files from hosts that you allow; none yet";
  return [...proposals, { name: freeName("raw", names), format: "raw", url: undefined, clients: [], note: hosts }];
}

/** The repositories of another product's server under their own names, with what its list was asked for with. */
export function takenOver(repositories: readonly ListedRepository[], login: FoundSource["login"]): Proposal[] {
  const names = new Set<string>();
  return repositories.flatMap(({ name, format, url }): Proposal[] => {
    // What is generic there is fetched from one host here, by its path.
    if (format === undefined || !isMirrored(format) || format === "raw") return [];
    const note = `stands for "${name}" there`;
    const access = login === undefined ? {} : { login };
    return [{ name: freeName(plainName(name), names), format, url, ...access, clients: [], note }];
  });
}

function isMirrored(format: FoundSource["format"]): format is FormatName {
  return formatNames.some((name) => name === format);
}

function isBelow(url: string, address: string): boolean {
  return url === address || url.startsWith(address.endsWith("/") ? address : `${address}/`);
}

function nameFor(source: FoundSource, format: FormatName): string {
  if (format === "apt") return plainName(source.name);
  const main = mainNames[format];
  if (source.name === "" || source.name === "gradle-plugins") return source.name === "" ? main : source.name;
  return `${main}-${plainName(source.name)}`;
}

/** Letters, digits, dots, dashes and underscores in lower case, as repositories are named. */
function plainName(text: string): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
    .slice(0, 60);
  return plain === "" ? "packages" : plain;
}

function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted}-${number}`;
  taken.add(name);
  return name;
}
