import type { BaseSource, Exit, ExitClient } from "../build/build.ts";
import { chooseDistribution, exitAddress, machineSources } from "../build/build.ts";
import type { Config } from "../config/config.ts";
import { Failure } from "../base/errors.ts";
import type { Mirror } from "../mirror/mirror.ts";
import { parseReference } from "../model/reference.ts";
import type { Registry } from "../registry/registry.ts";
import type { Movement } from "./movement.ts";

/** What a sealed build is let in by: packages through the mirror, bases through the registry. */
export interface SealedDoors {
  readonly exit: Exit;
  readonly bases: BaseSource;
}

interface Parts {
  readonly mirror: Mirror;
  readonly registry: Registry;
  readonly movement: Movement;
  readonly config: Config;
  /** Host and port by which clients name this registry. */
  readonly registryHost: () => string;
}

/** Opens the doors of sealed builds. */
export function openSealedDoors(parts: Parts): SealedDoors {
  return { exit: mirrorExit(parts), bases: registryBases(parts) };
}

function mirrorExit({ mirror, config }: Parts): Exit {
  return {
    answer: (read) => mirror.answer(read),
    repositoryFor: (address) => mirror.repositoryFor(address),
    clients: () => clientsOf(mirror),
    async aptSources(release) {
      const { apt } = config.upstreams;
      const all = await offered(release, apt.length === 0 ? await machineSources() : [...apt]);
      const found = await Promise.all(
        all.map(async ({ uri, suite, components }) => {
          const place = await mirror.repositoryFor(uri);
          // A path below a repository would be another archive.
          const isWhole = place !== undefined && /^\/*$/.test(place.path);
          return isWhole ? [{ repository: place.repository, suite, components: [...components] }] : [];
        }),
      );
      return found.flat();
    },
  };
}

/** The sources that images of packages of the same release are made from. */
async function offered(release: string, sources: Awaited<ReturnType<typeof machineSources>>) {
  try {
    return chooseDistribution([release], sources).sources;
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
}

/** For each format the first of its groups, else of its proxies, else what is published here. */
async function clientsOf(mirror: Mirror): Promise<ExitClient[]> {
  const rank = { group: 0, proxy: 1, hosted: 2 } as const;
  const ordered = (await mirror.list()).toSorted((a, b) => rank[a.kind] - rank[b.kind] || (a.name < b.name ? -1 : 1));
  const seen = new Set<string>();
  return ordered.flatMap(({ name, format }) => {
    if (seen.has(format)) return [];
    seen.add(format);
    const base = `${exitAddress}/mirror/${name}`;
    return [...(mirror.formatOf(name)?.clients({ base, isSealed: true }) ?? [])];
  });
}

function registryBases({ registry, movement: { proxies }, registryHost }: Parts): BaseSource {
  const find: BaseSource["find"] = async (text) => {
    const reference = parseReference(text);
    if (reference === undefined) return undefined;
    const { registry: host, repository: named, tag, digest } = reference;
    const wanted = digest ?? tag ?? "latest";
    const repository =
      host === undefined || host === registryHost() ? named : await proxies.upstreams.mirrorOf(host, named);
    if (repository === undefined) return undefined;
    if (!proxies.upstreams.serves(repository)) return await registry.getManifest(repository, wanted);
    await proxies.upstreams.manifest(repository, wanted);
    const found = await registry.getManifest(repository, wanted);
    const isImage = found !== undefined && "layers" in (JSON.parse(found.bytes.toString("utf8")) as object);
    if (isImage && !proxies.isWhole(repository, found.digest)) await proxies.fetchWhole(repository, found.digest);
    return found;
  };
  return {
    async find(text) {
      const found = await find(text);
      if (found !== undefined || !isDockerName(text)) return found;
      const name = text.includes("/") ? text : `library/${text}`;
      return await find(`docker.io/${name}`);
    },
  };
}

/** A name without a host is ours first, and then what Docker takes it for. */
function isDockerName(text: string): boolean {
  return parseReference(text)?.registry === undefined;
}
