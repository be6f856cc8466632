import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../../base/errors.ts";
import type { Distribution } from "../../model/package.ts";
import { parseParagraph, splitParagraphs } from "../control-file.ts";

/** One signed suite of an archive, as the machine's own client is set up to use it. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Key ring files, or one armoured key block. */
  readonly signedBy: string;
}

/** Releases by distribution and version. Names of releases are facts of the distributions. */
const codenames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  debian: { "11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky" },
  ubuntu: { "20.04": "focal", "22.04": "jammy", "24.04": "noble", "26.04": "resolute" },
};

/** Reads `debian:12` and the like; undefined for a release that is not known. */
export function parseDistribution(text: string): Distribution | undefined {
  const [id = "", version = ""] = text.split(":");
  const releases = codenames[id] ?? {};
  const known = Object.entries(releases).find(([number, name]) => number === version || name === version);
  return known === undefined ? undefined : { id, version: known[0], codename: known[1] };
}

interface Found {
  readonly distribution: Distribution;
  readonly sources: readonly AptSource[];
}

/**
 * Picks the first wanted distribution that the sources offer.
 *
 * A release that they do not name is read from the archives of another release of the same distribution,
 * since one archive holds them all, but only if it is the sole wish: a preference list must not guess.
 *
 * @throws Failure `upstream_unreachable` where no source fits
 */
export function chooseDistribution(wanted: readonly string[], sources: readonly AptSource[]): Found {
  const known = wanted.map((text) => ({ text, distribution: parseDistribution(text) }));
  for (const { text, distribution } of known)
    if (distribution === undefined)
      throw new Failure("recipe_invalid", `Cannot use the distribution "${text}": it is not known`, {
        hint: `Known are ${Object.entries(codenames)
          .flatMap(([id, releases]) => Object.keys(releases).map((version) => `${id}:${version}`))
          .join(", ")}`,
      });
  for (const { distribution } of known) {
    const offered = sourcesOf(distribution!.codename, sources);
    if (offered.length > 0) return { distribution: distribution!, sources: offered };
  }
  const sole = known.length === 1 ? known[0]!.distribution! : undefined;
  const derived = sole === undefined ? [] : sourcesOfSibling(sole, sources);
  if (sole !== undefined && derived.length > 0) return { distribution: sole, sources: derived };
  throw new Failure(
    "upstream_unreachable",
    `Cannot find package sources for ${wanted.map((text) => `"${text}"`).join(" or ")}: this machine's apt has none`,
    {
      hint: "Set upstreams.apt in the configuration: uri, suite, components and signedBy of each suite",
    },
  );
}

function sourcesOf(codename: string, sources: readonly AptSource[]): AptSource[] {
  return sources.filter(
    ({ suite }) => suite === codename || suite === `${codename}-updates` || suite === `${codename}-security`,
  );
}

function sourcesOfSibling(distribution: Distribution, sources: readonly AptSource[]): AptSource[] {
  for (const codename of Object.values(codenames[distribution.id] ?? {})) {
    const offered = sourcesOf(codename, sources);
    if (offered.length > 0)
      return offered.map((source) => ({ ...source, suite: source.suite.replace(codename, distribution.codename) }));
  }
  return [];
}

/**
 * Reads the package sources that the machine's apt uses today, in both of apt's formats.
 *
 * Source: sources.list(5).
 *
 * @param etc apt's configuration folder
 */
export async function machineSources(etc = "/etc/apt"): Promise<AptSource[]> {
  const parts = join(etc, "sources.list.d");
  const names = (await readdir(parts).catch((): string[] => [])).sort();
  const paths = [join(etc, "sources.list"), ...names.map((name) => join(parts, name))];
  const found: AptSource[] = [];
  for (const path of paths) {
    const text = await readFile(path, "utf8").catch(() => "");
    found.push(...(path.endsWith(".sources") ? parseDeb822(text) : path.endsWith(".list") ? parseOneLine(text) : []));
  }
  return found;
}

/** Reads the deb822 form of sources. */
export function parseDeb822(text: string): AptSource[] {
  return splitParagraphs(text).flatMap((paragraph) => {
    const fields = parseParagraph(paragraph);
    const words = (name: string): string[] => (fields.get(name) ?? "").split(/\s+/).filter((word) => word !== "");
    if (!words("Types").includes("deb") || fields.get("Enabled") === "no") return [];
    const signedBy = keyBlock(fields.get("Signed-By") ?? "");
    return words("URIs").flatMap((uri) =>
      words("Suites").map((suite) => ({ uri, suite, components: words("Components"), signedBy })),
    );
  });
}

/** A key that stands in the file itself is indented by one column, with a dot for an empty line. */
function keyBlock(value: string): string {
  if (!value.includes("BEGIN PGP")) return value;
  return `${value
    .split("\n")
    .map((line) => line.trim())
    .map((line) => (line === "." ? "" : line))
    .join("\n")
    .trim()}\n`;
}

function parseOneLine(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line.trim());
    if (match === null) return [];
    const signedBy = /signed-by=(\S+)/i.exec(match[1] ?? "")?.[1] ?? "";
    return [
      { uri: match[2]!, suite: match[3]!, components: match[4]!.split(/\s+/).filter((word) => word !== ""), signedBy },
    ];
  });
}
