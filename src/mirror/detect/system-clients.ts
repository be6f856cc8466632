import { type FoundSource, sourceOf, unknownSource } from "./found-source.ts";
import type { NamedText } from "./npm-clients.ts";
import { parseToml, tablesIn, textIn } from "./toml.ts";

/** A suite that apt reads. */
export interface AptSuite {
  readonly uri: string;
  readonly suite: string;
}

interface AptAnswers {
  readonly suites: readonly AptSuite[];
  /** Files of `apt.conf.d`: a proxy for everything may stand there. */
  readonly files: readonly NamedText[];
  readonly folder: string;
}

/** What apt takes packages from: one source for each archive, its suites in the note. Source: sources.list(5), apt.conf(5). */
export function aptSources({ suites, files, folder }: AptAnswers): FoundSource[] {
  const proxy = files
    .map(({ text }) => /^\s*Acquire::https?::Proxy\s+"([^"]+)"/m.exec(text)?.[1])
    .find((value) => value !== undefined && value !== "DIRECT");
  const through = proxy === undefined ? "" : `; apt reaches it through the proxy ${URL.parse(proxy)?.host ?? ""}`;
  const archives = Map.groupBy(suites, ({ uri }) => withSlash(uri));
  return [...archives].map(([uri, named]) => {
    const names = [...new Set(named.map(({ suite }) => suite))];
    return sourceOf(uri.replace(/^(?:mirror\+|tor\+)/, ""), {
      client: "apt",
      format: "apt",
      from: folder,
      name: archiveName(uri),
      note: `suites ${names.join(", ")}${through}`,
    });
  });
}

function withSlash(uri: string): string {
  return uri.endsWith("/") ? uri : `${uri}/`;
}

/** `debian`, `debian-security`, `ubuntu`: the last part of an archive's path; else the first of its host. */
function archiveName(uri: string): string {
  const url = URL.parse(uri);
  const path = url?.pathname.split("/").findLast((part) => part !== "");
  return path ?? url?.hostname.split(".")[0] ?? "apt";
}

/**
 * What container engines pull from, as their registries.conf says: mirrors and registries beside the one in the name.
 *
 * Source: containers-registries.conf(5), version 2.
 */
export function containerSources(files: readonly NamedText[]): FoundSource[] {
  return files.flatMap(({ path, text }) => {
    const table = parseToml(text);
    const facts = { client: "podman", format: "oci", from: path } as const;
    const searched = Array.isArray(table["unqualified-search-registries"])
      ? table["unqualified-search-registries"]
      : [];
    return [
      ...searched
        .filter((name): name is string => typeof name === "string")
        .map((name) => sourceOf(`https://${name}`, { ...facts, name, note: "is asked for names without a registry" })),
      ...tablesIn(table, "registry").flatMap((registry) => {
        const name = textIn(registry, "prefix") ?? textIn(registry, "location") ?? "";
        const mirrors = tablesIn(registry, "mirror").map((mirror) => ({
          location: textIn(mirror, "location") ?? "",
          isPlain: mirror["insecure"] === true,
        }));
        if (registry["blocked"] === true) return [unknownSource({ ...facts, name, note: "is blocked" })];
        return mirrors.map(({ location, isPlain }) =>
          sourceOf(`${isPlain ? "http" : "https"}://${location}`, { ...facts, name, note: `is a mirror of ${name}` }),
        );
      }),
    ];
  });
}
