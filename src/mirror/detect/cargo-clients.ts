import { type FoundSource, sourceOf, unknownSource } from "./found-source.ts";
import type { Variables } from "./machine.ts";
import type { NamedText } from "./npm-clients.ts";
import { parseToml, tableIn, textIn, type TomlTable } from "./toml.ts";

interface CargoAnswers {
  /** The one that counts most first. */
  readonly files: readonly NamedText[];
  readonly environment: Variables;
  /** The index that the program was built with; undefined where it could not be asked. */
  readonly builtIn: string | undefined;
  readonly isInstalled: boolean;
}

/** How Cargo's files name the index that it was built with. Source: the Cargo book, "Source Replacement". */
const defaultSource = "crates-io";

/** What Cargo takes crates from: what replaces its own index, and registries beside it. */
export function cargoSources({ files, environment, builtIn, isInstalled }: CargoAnswers): FoundSource[] {
  const tables = files.map(({ path, text }) => ({ path, table: parseToml(text) }));
  const facts = { client: "cargo", format: "cargo" } as const;
  const replaced = replacement(tables);
  const found: FoundSource[] = [];
  if (replaced !== undefined) found.push(sourceOf(withoutScheme(replaced.url), { ...facts, from: replaced.path }));
  else if (builtIn !== undefined) found.push(sourceOf(builtIn, { ...facts, from: "cargo itself" }));
  else if (isInstalled)
    found.push(unknownSource({ ...facts, from: "cargo", note: "it does not say which index it uses" }));
  const seen = new Set<string>();
  for (const { path, table } of tables)
    for (const [name, registry] of Object.entries(tableIn(table, "registries"))) {
      const index = typeof registry === "object" ? textIn(registry as TomlTable, "index") : undefined;
      if (index === undefined || seen.has(name) || withoutScheme(index) === replaced?.url) continue;
      seen.add(name);
      found.push(registrySource(name, index, { from: path, hasCredentials: hasToken(name, registry, environment) }));
    }
  return found;
}

function registrySource(
  name: string,
  index: string,
  facts: { readonly from: string; readonly hasCredentials: boolean },
): FoundSource {
  const all = { client: "cargo", format: "cargo", name, ...facts } as const;
  return index.startsWith("sparse+")
    ? sourceOf(withoutScheme(index), all)
    : unknownSource({ ...all, note: "is a git index, not a sparse one" });
}

function hasToken(name: string, registry: unknown, environment: Variables): boolean {
  const variable = `CARGO_REGISTRIES_${name.toUpperCase().replaceAll("-", "_")}_TOKEN`;
  return textIn(registry as TomlTable, "token") !== undefined || environment[variable] !== undefined;
}

/** Follows `replace-with` from the built-in source to the one that takes its place. */
function replacement(
  tables: readonly { readonly path: string; readonly table: TomlTable }[],
): { readonly path: string; readonly url: string } | undefined {
  let name = defaultSource;
  for (let steps = 0; steps < 8; steps++) {
    const at = tables.find(({ table }) => name in tableIn(table, "source") || name in tableIn(table, "registries"));
    if (at === undefined) return undefined;
    const source = tableIn(tableIn(at.table, "source"), name);
    const next = textIn(source, "replace-with");
    if (next !== undefined) {
      name = next;
      continue;
    }
    const url = textIn(source, "registry") ?? textIn(tableIn(tableIn(at.table, "registries"), name), "index");
    return url === undefined || !url.startsWith("sparse+") ? undefined : { path: at.path, url: withoutScheme(url) };
  }
  return undefined;
}

function withoutScheme(address: string): string {
  return address.replace(/^sparse\+/, "");
}
