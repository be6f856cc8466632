import { parseIni } from "./ini.ts";
import { type FoundSource, sourceOf } from "./found-source.ts";
import type { Variables } from "./machine.ts";
import type { NamedText } from "./npm-clients.ts";
import { parseToml, tableIn, tablesIn, textIn, type TomlTable } from "./toml.ts";

interface PipAnswers {
  /** The one that counts most first. */
  readonly files: readonly NamedText[];
  readonly environment: Variables;
  /** What `pip install --help` printed; undefined where pip is not there. */
  readonly help: string | undefined;
}

/**
 * What pip takes packages from: variables before files before what it was built with, which its help names.
 *
 * Source: pip's user guide, "Configuration": the section of a command counts before `global`.
 */
export function pipSources({ files, environment, help }: PipAnswers): FoundSource[] {
  const rows = files.flatMap(({ path, text }) =>
    parseIni(text)
      .filter(({ section }) => ["global", "install", "download"].includes(section))
      .toSorted((a, b) => Number(a.section === "global") - Number(b.section === "global"))
      .map(({ key, value }) => ({ path, key: key.toLowerCase().replaceAll("_", "-"), value })),
  );
  const find = (key: string, variable: string): { path: string; value: string } | undefined => {
    const given = environment[variable];
    if (given !== undefined && given !== "") return { path: `the variable ${variable}`, value: given };
    return rows.find((row) => row.key === key);
  };
  const builtIn = help === undefined ? undefined : builtInIndex(help);
  const main =
    find("index-url", "PIP_INDEX_URL") ??
    (builtIn === undefined ? undefined : { path: "pip install --help", value: builtIn });
  const extra = find("extra-index-url", "PIP_EXTRA_INDEX_URL");
  return [
    ...(main === undefined ? [] : [sourceOf(main.value, { client: "pip", format: "pypi" as const, from: main.path })]),
    ...(extra?.value ?? "")
      .split(/\s+/)
      .filter((word) => word !== "")
      .map((address) =>
        sourceOf(address, {
          client: "pip",
          format: "pypi",
          from: extra!.path,
          name: `extra-${URL.parse(address)?.hostname ?? "index"}`,
          note: "pip asks it beside the first index: either may answer for any name",
        }),
      ),
  ];
}

/** pip's help names the index that it was built with; the terminal's width breaks the line. */
function builtInIndex(help: string): string | undefined {
  const text = help.replaceAll(/\s+/g, " ");
  return /--index-url <url>.{0,200}?\(default (https?:\/\/[^\s)]+)\)/.exec(text)?.[1];
}

/** What uv takes packages from, where its files or variables say so: its built-in index is that of pip. */
export function uvSources(files: readonly NamedText[], environment: Variables): FoundSource[] {
  const variable = ["UV_DEFAULT_INDEX", "UV_INDEX_URL"].find((name) => (environment[name] ?? "") !== "");
  const found: FoundSource[] = [];
  if (variable !== undefined)
    found.push(sourceOf(environment[variable]!, { client: "uv", format: "pypi", from: `the variable ${variable}` }));
  for (const { path, text } of files) {
    const whole = parseToml(text);
    const table = path.endsWith("pyproject.toml") ? tableIn(tableIn(whole, "tool"), "uv") : whole;
    found.push(...indexesOf(table, path));
  }
  return found;
}

function indexesOf(table: TomlTable, path: string): FoundSource[] {
  const facts = { client: "uv", format: "pypi", from: path } as const;
  const main = textIn(table, "index-url") ?? textIn(tableIn(table, "pip"), "index-url");
  return [
    ...(main === undefined ? [] : [sourceOf(main, facts)]),
    ...tablesIn(table, "index").flatMap((index) => {
      const url = textIn(index, "url");
      const name = index["default"] === true ? "" : (textIn(index, "name") ?? "index");
      return url === undefined ? [] : [sourceOf(url, { ...facts, name })];
    }),
  ];
}
