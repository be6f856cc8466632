import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";
import { processEnvironment } from "../../src/config/environment.ts";

/** The packages that are measured: a small document, and one of the largest that people install daily. */
export const packages = { small: "express", large: "typescript" } as const;

/** An npm registry on loopback that has what was fetched from this machine's own before anything is measured. */
export interface BenchUpstream {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Paths of tarballs by package. */
  readonly tarballs: Readonly<Record<string, string>>;
  readonly sizeBytes: Readonly<Record<string, number>>;
  /** How often a path was asked for since the last call. */
  takeCount(path: string): number;
  close(): Promise<void>;
}

/** How long an answer takes to begin: about what a registry across the country needs. */
const latencyMs = 20;

/**
 * Fetches the packages from the registry that this machine's npm uses, and serves them from memory.
 *
 * @throws Failure `upstream_unreachable` where it has them not
 */
export async function openBenchUpstream(): Promise<BenchUpstream> {
  const registry = (await run("npm", ["config", "get", "registry"], { env: npmEnvironment() })).stdout.trim();
  const bodies = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    counts.set(path, (counts.get(path) ?? 0) + 1);
    const body = bodies.get(path);
    setTimeout(() => {
      response.writeHead(body === undefined ? 404 : 200, { "content-type": body?.type ?? "application/json" });
      response.end(body?.bytes ?? "{}");
    }, latencyMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tarballs: Record<string, string> = {};
  for (const name of Object.values(packages)) {
    const document = JSON.parse((await get(`${registry}${name}`)).toString()) as Packument;
    const { tarball } = heaviest(document).dist;
    const path = new URL(tarball).pathname.replace(new URL(registry).pathname, "/");
    for (const { dist } of Object.values(document.versions))
      dist.tarball = `${url}${new URL(dist.tarball).pathname.replace(new URL(registry).pathname, "/")}`;
    bodies.set(`/${name}`, { type: "application/json", bytes: Buffer.from(JSON.stringify(document)) });
    bodies.set(path, { type: "application/octet-stream", bytes: await get(tarball) });
    tarballs[name] = path;
  }
  return {
    url,
    tarballs,
    sizeBytes: Object.fromEntries([...bodies].map(([path, { bytes }]) => [path, bytes.length])),
    takeCount(path) {
      const count = counts.get(path) ?? 0;
      counts.delete(path);
      return count;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

interface Version {
  readonly dist: { tarball: string; readonly unpackedSize?: number };
}

interface Packument {
  readonly versions: Readonly<Record<string, Version>>;
}

/** The version whose tarball is worth measuring. */
function heaviest({ versions }: Packument): Version {
  const weight = ({ dist }: Version): number => dist.unpackedSize ?? 0;
  return Object.values(versions).reduce((best, one) => (weight(one) > weight(best) ? one : best));
}

async function get(address: string): Promise<Buffer> {
  const answer = await fetch(address).catch((error: unknown) => {
    throw new Failure("upstream_unreachable", "Cannot measure: this machine's npm registry does not answer", {
      cause: error,
    });
  });
  if (!answer.ok)
    throw new Failure("upstream_unreachable", `Cannot measure: this machine's npm registry answered ${answer.status}`);
  return Buffer.from(await answer.arrayBuffer());
}

/** npm finds its settings through the user's own surroundings. */
export function npmEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(processEnvironment()).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
