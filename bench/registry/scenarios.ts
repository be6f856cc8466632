import { createHash, randomBytes } from "node:crypto";
import type { Contender } from "./contenders.ts";
import { chunksOf, type LoadClient, type LoadResult, openLoadClient, runLoad, type Task } from "./load.ts";
import { digestOf, manifestOf, stockCounts, stockRepository, stockSubject } from "./stock.ts";

/** One thing that both registries are asked to do. */
export interface RegistryScenario {
  readonly name: string;
  /** What the ratio compares: bytes or tasks in a second. */
  readonly measure: "bytes" | "tasks";
  readonly count: number;
  /** Tasks at the same time. */
  readonly width: number;
  /** False where the peer does not offer it. */
  readonly hasPeer: boolean;
  /** Readies the registry and returns what is timed. */
  prepare(site: ScenarioSite): Promise<Task>;
}

/** What a scenario works with. */
interface ScenarioSite {
  readonly contender: Contender;
  readonly client: LoadClient;
}

const mebibyte = 1024 * 1024;
const chunk = randomBytes(mebibyte);
const repository = "bench/app";
const octets = { "content-type": "application/octet-stream" };

/** In the order of running. */
export const registryScenarios: readonly RegistryScenario[] = [
  ...[
    [1, 60, 4],
    [10, 12, 4],
    [100, 4, 2],
    [1024, 1, 1],
  ].flatMap(([size = 0, count = 0, width = 0]) => [pushOf(size, count, width), pullOf(size, count * 3, width)]),
  {
    name: "blob head",
    measure: "tasks",
    count: 3000,
    width: 4,
    hasPeer: true,
    async prepare(site) {
      const { digest } = await pushBlob(site, repository, blobOf(0));
      const headers = await site.contender.headers(repository);
      return async () =>
        (await site.client.send({ method: "HEAD", path: `/v2/${repository}/blobs/${digest}`, headers, status: 200 }))
          .bytes;
    },
  },
  {
    name: "manifest put",
    measure: "tasks",
    count: 800,
    width: 4,
    hasPeer: true,
    async prepare(site) {
      await pushBlob(site, repository, Buffer.from("{}"));
      const headers = await site.contender.headers(repository);
      const run = randomBytes(4).toString("hex");
      return async (index) => {
        const body = Buffer.from(manifestOf(`${run} ${index}`));
        await putManifest(site, { repository, tag: `${run}-${index}`, body, headers });
        return body.length;
      };
    },
  },
  {
    name: "manifest get",
    measure: "tasks",
    count: 3000,
    width: 4,
    hasPeer: true,
    async prepare(site) {
      await pushBlob(site, repository, Buffer.from("{}"));
      const headers = await site.contender.headers(repository);
      await putManifest(site, { repository, tag: "get", body: Buffer.from(manifestOf("get")), headers });
      const path = `/v2/${repository}/manifests/get`;
      return async () =>
        (await site.client.send({ method: "GET", path, headers: { ...headers, ...acceptOci }, status: 200 })).bytes;
    },
  },
  {
    name: `tags, all ${stockCounts.tags}`,
    measure: "tasks",
    count: 3,
    width: 1,
    hasPeer: true,
    prepare: async (site) => async () =>
      await listAll(site, {
        repository: stockRepository,
        path: `/v2/${stockRepository}/tags/list`,
        key: "tags",
        expected: stockCounts.tags,
      }),
  },
  {
    name: "tags, first 100",
    measure: "tasks",
    count: 200,
    width: 4,
    hasPeer: true,
    async prepare({ contender, client }) {
      const headers = await contender.headers(stockRepository);
      const path = `/v2/${stockRepository}/tags/list?n=100`;
      return async () => (await client.send({ method: "GET", path, headers, status: 200 })).bytes;
    },
  },
  {
    name: `catalog, all ${stockCounts.repositories}`,
    measure: "tasks",
    count: 3,
    width: 1,
    hasPeer: true,
    prepare: async (site) => async () =>
      await listAll(site, {
        repository: stockRepository,
        path: "/v2/_catalog?n=1000",
        key: "repositories",
        expected: stockCounts.repositories,
      }),
  },
  {
    name: `referrers, ${stockCounts.referrers}`,
    measure: "tasks",
    count: 50,
    width: 2,
    hasPeer: false,
    async prepare({ contender, client }) {
      const headers = await contender.headers(stockRepository);
      const path = `/v2/${stockRepository}/referrers/${digestOf(stockSubject)}`;
      return async () => (await client.send({ method: "GET", path, headers, status: 200 })).bytes;
    },
  },
  {
    name: "16 clients, push and pull",
    measure: "tasks",
    count: 160,
    width: 16,
    hasPeer: true,
    async prepare(site) {
      const run = randomBytes(4).toString("hex");
      await pushBlob(site, repository, Buffer.from("{}"));
      const headers = await site.contender.headers(repository);
      return async (index) => await wholeRound(site, { name: `${run}-${index}`, headers });
    },
  },
];

/** Runs a scenario against one registry. */
export async function runScenario(scenario: RegistryScenario, contender: Contender): Promise<LoadResult> {
  const client = openLoadClient(contender.url, scenario.width);
  try {
    const task = await scenario.prepare({ contender, client });
    return await runLoad({ contender, task, count: scenario.count, width: scenario.width });
  } finally {
    client.close();
  }
}

const acceptOci = { accept: "application/vnd.oci.image.manifest.v1+json" };

type Blob = Buffer | { readonly head: Buffer; readonly chunk: Buffer; readonly count: number };

/** A blob of so many mebibytes that no registry has yet; 0 is a small one. */
function blobOf(mebibytes: number): Blob {
  const head = randomBytes(64);
  return mebibytes === 0 ? head : { head, chunk, count: mebibytes };
}

function digestOfBlob(blob: Blob): string {
  const hash = createHash("sha256");
  for (const piece of chunksOf(blob)) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

function lengthOf(blob: Blob): number {
  return Buffer.isBuffer(blob) ? blob.length : blob.head.length + blob.chunk.length * blob.count;
}

/** As containerd and skopeo push: a session, then all bytes with its end. */
async function sendBlob(
  { client }: ScenarioSite,
  { name, body, digest, headers }: { name: string; body: Blob; digest: string; headers: Record<string, string> },
): Promise<number> {
  const session = await client.send({ method: "POST", path: `/v2/${name}/blobs/uploads/`, headers, status: 202 });
  const location = String(session.headers["location"]);
  const path = `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`;
  await client.send({ method: "PUT", path, headers: { ...headers, ...octets }, body, status: 201 });
  return lengthOf(body);
}

async function pushBlob(site: ScenarioSite, name: string, body: Blob): Promise<{ readonly digest: string }> {
  const digest = digestOfBlob(body);
  await sendBlob(site, { name, body, digest, headers: await site.contender.headers(name) });
  return { digest };
}

interface ManifestPut {
  readonly repository: string;
  readonly tag: string;
  readonly body: Buffer;
  readonly headers: Record<string, string>;
}

async function putManifest({ client }: ScenarioSite, put: ManifestPut): Promise<void> {
  await client.send({
    method: "PUT",
    path: `/v2/${put.repository}/manifests/${put.tag}`,
    headers: { ...put.headers, "content-type": "application/vnd.oci.image.manifest.v1+json" },
    body: put.body,
    status: 201,
  });
}

/** Bodies and digests are made before the clock starts. */
function pushOf(mebibytes: number, count: number, width: number): RegistryScenario {
  return {
    name: `push ${mebibytes} MiB`,
    measure: "bytes",
    count,
    width,
    hasPeer: true,
    async prepare(site) {
      const blobs = Array.from({ length: count }, () => blobOf(mebibytes));
      const digests = blobs.map(digestOfBlob);
      const headers = await site.contender.headers(repository);
      return async (index) =>
        await sendBlob(site, { name: repository, body: blobs[index]!, digest: digests[index]!, headers });
    },
  };
}

function pullOf(mebibytes: number, count: number, width: number): RegistryScenario {
  return {
    name: `pull ${mebibytes} MiB`,
    measure: "bytes",
    count,
    width,
    hasPeer: true,
    async prepare(site) {
      const { digest } = await pushBlob(site, repository, blobOf(mebibytes));
      const headers = await site.contender.headers(repository);
      const path = `/v2/${repository}/blobs/${digest}`;
      return async () => (await site.client.send({ method: "GET", path, headers, status: 200 })).bytes;
    },
  };
}

interface Listing {
  readonly repository: string;
  readonly path: string;
  readonly key: "tags" | "repositories";
  /** At least so many must come. */
  readonly expected: number;
}

/** Follows the pages of a list to its end. */
async function listAll({ contender, client }: ScenarioSite, listing: Listing): Promise<number> {
  const headers = await contender.headers(listing.repository);
  let bytes = 0;
  let found = 0;
  for (let path: string | undefined = listing.path; path !== undefined;) {
    const answer = await client.send({ method: "GET", path, headers, status: 200, wantsText: true });
    bytes += answer.bytes;
    found += (JSON.parse(answer.text) as Record<string, string[]>)[listing.key]?.length ?? 0;
    path = /<([^>]+)>/.exec(String(answer.headers["link"] ?? ""))?.[1];
  }
  if (found < listing.expected) throw new Error(`${listing.path}: ${found} of ${listing.expected} entries came`);
  return bytes;
}

/** What one client does for one image: push a layer and its manifest, then pull both. */
async function wholeRound(
  site: ScenarioSite,
  { name, headers }: { name: string; headers: Record<string, string> },
): Promise<number> {
  const layer = blobOf(1);
  const digest = digestOfBlob(layer);
  const pushed = await sendBlob(site, { name: repository, body: layer, digest, headers });
  const document = JSON.parse(manifestOf(name)) as { layers: unknown[] };
  document.layers.push({ mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: lengthOf(layer) });
  await putManifest(site, { repository, tag: name, body: Buffer.from(JSON.stringify(document)), headers });
  const path = `/v2/${repository}/manifests/${name}`;
  await site.client.send({ method: "GET", path, headers: { ...headers, ...acceptOci }, status: 200 });
  const pulled = await site.client.send({
    method: "GET",
    path: `/v2/${repository}/blobs/${digest}`,
    headers,
    status: 200,
  });
  return pushed + pulled.bytes;
}
