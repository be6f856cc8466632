import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerfileLock } from "../../model/containerfile-lock.ts";
import { exitAddress, type Exit } from "./exit.ts";

/** Suites of a repository of the mirror that apt reads during a build. */
type LockedSources = NonNullable<ContainerfileLock["aptSources"]>;

interface Wish {
  /** Graph roots of the laid out bases. */
  readonly roots: readonly string[];
  /** The Containerfile. */
  readonly text: string;
  readonly exit: Exit;
}

/**
 * What apt reads where nobody else says it: images made of packages carry no sources, since those are the site's.
 *
 * Nothing where a base has sources, where the Containerfile writes some, or where bases are of several releases.
 *
 * @returns undefined where apt needs none of us
 */
export async function missingAptSources({ roots, text, exit }: Wish): Promise<LockedSources | undefined> {
  if (roots.length === 0 || /sources\.list|\.sources\b/.test(text)) return undefined;
  const bases = await Promise.all(roots.map(describeBase));
  if (bases.some(({ hasSources }) => hasSources)) return undefined;
  const releases = new Set(bases.flatMap(({ release }) => release ?? []));
  if (releases.size !== 1) return undefined;
  const found = await exit.aptSources([...releases][0]!);
  return found.length === 0 ? undefined : [...found];
}

/** Where apt looks for sources beside those of the image; shown to RUN, never in the image. */
export const aptSourcesPath = "/etc/apt/sources.list.d/mintmark.sources";

/** Sources in the deb822 form; which keys are good is up to the image. Source: sources.list(5). */
export function aptSourcesFile(sources: LockedSources): string {
  return sources
    .map(
      ({ repository, suite, components }) =>
        `Types: deb\nURIs: ${exitAddress}/mirror/${repository}\nSuites: ${suite}\nComponents: ${components.join(" ")}\n`,
    )
    .join("\n");
}

interface Base {
  /** Such as `debian:13`. */
  readonly release: string | undefined;
  readonly hasSources: boolean;
}

/** Each store holds the layers of one base; what a later one takes away is rare here, and then only sources more. */
async function describeBase(graph: string): Promise<Base> {
  const overlay = join(graph, "overlay");
  let release: string | undefined;
  let hasSources = false;
  for (const layer of await readdir(overlay).catch((): string[] => [])) {
    const diff = join(overlay, layer, "diff");
    release ??= releaseOf(await readText(join(diff, "usr/lib/os-release")));
    hasSources ||= await namesSources(join(diff, "etc/apt"));
  }
  return { release, hasSources };
}

function releaseOf(text: string): string | undefined {
  const [, id] = /^ID="?([a-z]+)"?$/m.exec(text) ?? [];
  const [, version] = /^VERSION_ID="?([\d.]+)"?$/m.exec(text) ?? [];
  return id === undefined || version === undefined ? undefined : `${id}:${version}`;
}

async function namesSources(etc: string): Promise<boolean> {
  const parts = join(etc, "sources.list.d");
  const names = (await readdir(parts).catch((): string[] => [])).filter((name) => /\.(?:list|sources)$/.test(name));
  const texts = await Promise.all([join(etc, "sources.list"), ...names.map((name) => join(parts, name))].map(readText));
  return texts.some((text) => /^\s*(?:deb\b|URIs:)/m.test(text));
}

async function readText(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}
