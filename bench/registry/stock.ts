import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../src/model/digest.ts";
import { openRegistry } from "../../src/registry/registry.ts";
import { ensureRepository } from "../../src/store/repository-records.ts";
import { openStore } from "../../src/store/store.ts";
import { moveTag } from "../../src/store/tag-records.ts";
import { peerStorage } from "./contenders.ts";

/** How much is in a registry before it is measured. */
export const stockCounts = { tags: 100_000, repositories: 10_000, referrers: 1000 } as const;

/** The repository with the many tags. */
export const stockRepository = "stock/tags";

/** The image with the many referrers. */
export const stockSubject = manifestOf("subject");

const emptyConfig = "{}";
const batchCount = 2000;
const tagOf = (index: number): string => `t${String(index).padStart(6, "0")}`;
const repositoryOf = (index: number): string => `stock/r${String(index).padStart(5, "0")}`;

/** An artifact's manifest, unlike any other with the name, about a subject where one is given. */
export function manifestOf(name: string, subject?: { readonly digest: string; readonly size: number }): string {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  return JSON.stringify({
    schemaVersion: 2,
    mediaType,
    artifactType: "application/x.bench",
    config: { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf("{}"), size: 2 },
    layers: [{ mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf("{}"), size: 2 }],
    ...(subject === undefined ? {} : { subject: { mediaType, ...subject } }),
    annotations: { name },
  });
}

/** `sha256:…` of a text or bytes. */
export function digestOf(bytes: string | Buffer): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Fills our data folder through the program's own store, which takes a hundredth of the time of pushing. */
export async function stockMintmark(folder: string): Promise<void> {
  const store = await openStore({ dataDir: folder });
  try {
    const registry = openRegistry(store);
    const config = await store.blobs.put(Buffer.from(emptyConfig));
    await registry.linkBlob(stockRepository, config.digest);
    const put = async (text: string, reference: string): Promise<void> =>
      void (await registry.putManifest({
        repository: stockRepository,
        reference,
        mediaType: undefined,
        bytes: Buffer.from(text),
        actor: "bench",
      }));
    await put(stockSubject, "subject");
    const digest = digestOf(stockSubject);
    for (let index = 0; index < stockCounts.referrers; index++) {
      const text = manifestOf(`referrer ${index}`, { digest, size: Buffer.byteLength(stockSubject) });
      await put(text, digestOf(text));
    }
    for (let start = 0; start < stockCounts.tags; start += batchCount)
      await store.transaction(async (db) => {
        for (let index = start; index < Math.min(start + batchCount, stockCounts.tags); index++)
          await moveTag(db, { repository: stockRepository, tag: tagOf(index), to: digest, actor: "bench" });
      });
    for (let start = 0; start < stockCounts.repositories; start += batchCount)
      await store.transaction(async (db) => {
        for (let index = start; index < Math.min(start + batchCount, stockCounts.repositories); index++)
          await ensureRepository(db, repositoryOf(index));
      });
  } finally {
    await store.close();
  }
}

/** Lays the same out in the files of the peer. */
export async function stockPeer(folder: string): Promise<void> {
  const root = join(folder, peerStorage);
  const manifests = join(root, "repositories", stockRepository, "_manifests");
  const digest = digestOf(stockSubject);
  await link(join(manifests, "revisions/sha256", hexOf(digest)), digest);
  await blob(root, stockSubject);
  await blob(root, emptyConfig);
  await link(
    join(root, "repositories", stockRepository, "_layers/sha256", hexOf(digestOf(emptyConfig))),
    digestOf(emptyConfig),
  );
  for (let start = 0; start < stockCounts.tags; start += 200)
    await Promise.all(
      Array.from(
        { length: 200 },
        async (_, at) => await link(join(manifests, "tags", tagOf(start + at), "current"), digest),
      ),
    );
  for (let start = 0; start < stockCounts.repositories; start += 200)
    await Promise.all(
      Array.from({ length: 200 }, async (_, at) => {
        const home = join(root, "repositories", repositoryOf(start + at));
        await link(join(home, "_manifests/revisions/sha256", hexOf(digest)), digest);
        await link(join(home, "_layers/sha256", hexOf(digestOf(emptyConfig))), digestOf(emptyConfig));
      }),
    );
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

async function link(folder: string, digest: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "link"), digest);
}

async function blob(root: string, text: string): Promise<void> {
  const hex = hexOf(digestOf(text));
  const folder = join(root, "blobs/sha256", hex.slice(0, 2), hex);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "data"), text);
}
