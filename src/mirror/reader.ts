import { findMirrorDerived, putMirrorDerived } from "../store/mirror-rendering-records.ts";
import { listMirrorKeys } from "../store/mirror-entry-records.ts";
import { type DerivedFile, type DocumentAsk, type PackageFacts, type UpstreamReader } from "./format.ts";
import { isDiskFull, placeOfLeaf, whereCurrent } from "./kept-entries.ts";
import { type DocumentFile } from "./rendering-work.ts";
import { type Leaf } from "./repositories.ts";
import { shared, type Site } from "./site.ts";
import { type HeldDocument, holdDocument } from "./source-documents.ts";

const documentBytesMax = 256 * 1024 * 1024;
/** Keys of one listing. */
const heldMax = 100_000;

/** Opens the documents of one leaf to its format: all through the cache. The sources that it reads are added to `read`. */
export function openReader(site: Site, leaf: Leaf, read: Set<string> = new Set()): UpstreamReader {
  const hold = async (source: string): Promise<HeldDocument | undefined> => {
    read.add(source);
    return await holdDocument(site, leaf, askFor(source));
  };
  return {
    address: leaf.settings.kind === "proxy" ? site.upstreamOf(leaf).address : "",
    ...(leaf.settings.checksumDatabase === undefined ? {} : { checksumDatabase: leaf.settings.checksumDatabase }),
    async read(source) {
      const found = await hold(source);
      return found === undefined ? undefined : await site.store.blobs.read(found.entry.digest, documentBytesMax);
    },
    async facts(source) {
      const found = await hold(source);
      return found === undefined ? undefined : await factsOfDocument(site, leaf, found);
    },
    async derived(source, name, derive) {
      const found = await hold(source);
      if (found === undefined) return undefined;
      return await derivedFile(site, leaf, { found, name, derive });
    },
    held: async (prefix) =>
      await listMirrorKeys(site.store.db, { repository: leaf.settings.name, prefix, limit: heldMax }),
  };
}

/** A document that nobody but the format itself asked for. */
export function askFor(source: string): DocumentAsk {
  return { kind: "document", source, variant: "" };
}

/** A document as those who work with it take it. */
export async function documentFile({ store }: Site, leaf: Leaf, { entry }: HeldDocument): Promise<DocumentFile> {
  const lastModified = Date.parse(entry.modified ?? "");
  return {
    ...(Number.isNaN(lastModified) ? {} : { lastModified }),
    path: await store.blobs.localPath(entry.digest),
    mediaType: entry.mediaType,
    url: entry.url ?? "",
    isHosted: leaf.settings.kind === "hosted",
  };
}

/** Facts in memory; parsing them anew for each file would cost more than sending it. */
const rememberedMax = 200;

/** What a document says of its package; worked out once for each version of it. */
export async function factsOfDocument(site: Site, leaf: Leaf, found: HeldDocument): Promise<PackageFacts | undefined> {
  if (leaf.format.facts === undefined) return undefined;
  const known = site.facts;
  const key = `${leaf.format.name} ${found.entry.digest}`;
  if (known.has(key)) {
    const facts = known.get(key);
    known.delete(key);
    known.set(key, facts);
    return facts;
  }
  const bytes = await factBytes(site, leaf, { found, name: "facts", derive: undefined });
  const facts = (JSON.parse(bytes.toString("utf8")) as PackageFacts | null) ?? undefined;
  known.set(key, facts);
  const oldest = known.keys().next();
  if (known.size > rememberedMax && oldest.done !== true) known.delete(oldest.value);
  return facts;
}

/** Facts are needed to give out what is here, so that a full disk costs time alone. */
async function factBytes(site: Site, leaf: Leaf, derivation: Derivation): Promise<Buffer> {
  try {
    return await site.store.blobs.read((await derivedFile(site, leaf, derivation)).digest, documentBytesMax);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    return Buffer.from(await derive(site, leaf, derivation));
  }
}

interface Derivation {
  readonly found: HeldDocument;
  readonly name: string;
  /** Undefined for facts. */
  readonly derive: Parameters<UpstreamReader["derived"]>[2] | undefined;
}

async function derivedFile(site: Site, leaf: Leaf, derivation: Derivation): Promise<DerivedFile> {
  const { entry } = derivation.found;
  const { db, blobs } = site.store;
  const named = { repository: entry.repository, source: entry.key, name: derivation.name };
  const known = await findMirrorDerived(db, named);
  if (known?.sourceDigest === entry.digest && (await blobs.stat(known.digest)) !== undefined)
    return { ...known, path: await blobs.localPath(known.digest) };
  return await shared(
    site,
    `derived ${placeOfLeaf(leaf)} ${entry.key} ${entry.digest} ${derivation.name}`,
    async () => {
      const stored = await blobs.put(await derive(site, leaf, derivation));
      await blobs.holding(
        [stored.digest],
        async () =>
          await whereCurrent(
            site,
            leaf,
            async () => await putMirrorDerived(db, { ...named, ...stored, sourceDigest: entry.digest }),
          ),
      );
      return { ...stored, path: await blobs.localPath(stored.digest) };
    },
  );
}

async function derive(site: Site, leaf: Leaf, { found, name, derive: given }: Derivation): Promise<Uint8Array> {
  const { entry } = found;
  const isElsewhere = given === undefined || leaf.format.derivations?.[name] !== undefined;
  if (!isElsewhere) return await given(await site.store.blobs.read(entry.digest, documentBytesMax));
  const document = await documentFile(site, leaf, found);
  const task =
    given === undefined ? ({ task: "facts", document } as const) : ({ task: "derive", name, document } as const);
  return (await site.room.work(leaf.format, task, entry.sizeBytes)).bytes;
}
