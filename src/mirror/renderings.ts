import { ageMs, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { type Digest } from "../model/digest.ts";
import {
  confirmMirrorRendering,
  findMirrorRendering,
  type MirrorRendering,
  putMirrorRendering,
} from "../store/mirror-rendering-records.ts";
import { type DocumentAsk } from "./format.ts";
import { documentFile } from "./reader.ts";
import { type Leaf } from "./repositories.ts";
import { isDiskFull, placeOfLeaf, whereCurrent } from "./kept-entries.ts";
import { isOfUpstream, shared, type Site } from "./site.ts";
import { type HeldDocument, holdDocument } from "./source-documents.ts";
import { generationOf, judgeDocument } from "./verdicts.ts";

/** A document as it is asked for. */
export interface DocumentWish {
  readonly asked: Leaf;
  /** Those that answer for it, hosted ones first. */
  readonly leaves: readonly Leaf[];
  readonly ask: DocumentAsk;
  readonly base: string;
}

/** A rendering that is in memory alone. */
interface RenderingBytes {
  readonly identity: Uint8Array;
  readonly gzip: Uint8Array | undefined;
}

/** What clients get of a document, or why they do not. */
export type FoundRendering =
  | {
      readonly state: "made";
      readonly rendering: MirrorRendering;
      /** Where it is not stored. */
      readonly bytes?: RenderingBytes | undefined;
      readonly outcome: "hit" | "fetched" | "stale";
      readonly reason?: string | undefined;
    }
  | { readonly state: "missing" }
  | { readonly state: "denied"; readonly reason: string };

/**
 * Finds what clients get of a document; made once, and given out until what it is made of changes.
 *
 * @throws Failure of an upstream where nothing can be given out
 */
export async function findRendering(site: Site, wish: DocumentWish): Promise<FoundRendering> {
  const { asked, leaves, ask, base } = wish;
  const name = { repository: asked.settings.name, source: ask.source, variant: ask.variant, base };
  const known = await findMirrorRendering(site.store.db, name);
  await site.policy?.refreshed?.();
  const generation = generationOf(site, asked, leaves);
  if (known !== undefined && isFresh(site, wish, { known, generation }))
    return { state: "made", rendering: known, outcome: "hit" };
  const key = `rendering ${placeOfLeaf(asked)}\0${name.source}\0${name.variant}\0${base}`;
  return await shared(site, key, async () => await renew(site, wish, { known, generation }));
}

interface Known {
  readonly known: MirrorRendering | undefined;
  readonly generation: string;
}

interface Rendered extends Known {
  readonly known: MirrorRendering;
}

function isFresh(site: Site, { asked, leaves }: DocumentWish, { known, generation }: Rendered): boolean {
  if (known.generation !== generation || known.checkedAt === 0) return false;
  if (known.until !== undefined && nowMs() >= known.until) return false;
  if (site.isOffline || asked.settings.isOffline) return true;
  const seconds = leaves.map(({ settings }) =>
    settings.kind === "hosted" || settings.isOffline ? Infinity : settings.metadataSeconds,
  );
  return ageMs(known.checkedAt) < Math.min(...seconds) * 1000;
}

interface Part {
  readonly leaf: Leaf;
  readonly document: HeldDocument;
}

async function renew(site: Site, wish: DocumentWish, { known, generation }: Known): Promise<FoundRendering> {
  const { asked, ask } = wish;
  const epoch = site.epochs.get(asked.settings.name) ?? 0;
  const { parts, failure } = await collect(site, wish);
  if (parts.length === 0) {
    if (failure !== undefined) throw failure;
    return { state: "missing" };
  }
  const verdict = await verdictOf(site, wish, parts);
  const reason = verdict.withheld.get("*");
  if (reason !== undefined && asked.format.tellsByFiles !== true) return { state: "denied", reason };
  const stale = parts.find(({ document }) => document.outcome === "stale");
  const outcome =
    stale !== undefined ? "stale" : parts.some(({ document }) => document.outcome === "fetched") ? "fetched" : "hit";
  const why = stale?.document.reason ?? failure?.message;
  const hasChanged = (site.epochs.get(asked.settings.name) ?? 0) !== epoch;
  // What is incomplete, or was overtaken by a publication, is looked at anew by the next request.
  const isWhole = failure === undefined && stale === undefined && !hasChanged;
  const checkedAt = isWhole ? Math.min(...parts.map(({ leaf, document }) => checkedOf(leaf, document))) : 0;
  const state = { generation, until: verdict.until, checkedAt };
  const madeOf = fingerprint(site, wish, { parts, withheld: verdict.withheld });
  if (known?.madeOf === madeOf && (await site.store.blobs.stat(known.digest)) !== undefined) {
    await whereCurrent(site, asked, async () => await confirmMirrorRendering(site.store.db, known, state));
    return { state: "made", rendering: { ...known, ...state }, outcome, reason: why };
  }
  const made = await make(site, wish, { known, parts, withheld: verdict.withheld, state: { ...state, madeOf } });
  if (made === undefined) return { state: "missing" };
  const rendering = { ...made.rendering, subject: ask.subject?.name };
  return { state: "made", rendering, bytes: made.bytes, outcome, reason: why };
}

function checkedOf(leaf: Leaf, { entry }: HeldDocument): number {
  return leaf.settings.kind === "hosted" ? nowMs() : entry.checkedAt;
}

/** The documents of all leaves that may be asked; a failure is told where it left something out. */
async function collect(
  site: Site,
  { leaves, ask }: DocumentWish,
): Promise<{ readonly parts: readonly Part[]; readonly failure: Failure | undefined }> {
  let failure: Failure | undefined;
  const names = [...(ask.subject === undefined ? [] : [ask.subject.name]), ...(ask.mentions ?? [])];
  const found = await Promise.all(
    leaves.map(async (leaf): Promise<Part | undefined> => {
      if (leaf.settings.kind === "proxy" && (await isAnyReserved(site, leaf, names))) return undefined;
      try {
        const document = await holdDocument(site, leaf, ask);
        return document === undefined ? undefined : { leaf, document };
      } catch (error) {
        if (!isOfUpstream(error) && !isDiskFull(error)) throw error;
        failure ??= error;
        return undefined;
      }
    }),
  );
  return { parts: found.filter((part) => part !== undefined), failure };
}

async function isAnyReserved(site: Site, leaf: Leaf, names: readonly string[]): Promise<boolean> {
  for (const name of names) if (await site.repositories.isReserved(leaf.settings.name, name)) return true;
  return false;
}

async function verdictOf(
  site: Site,
  { asked, ask }: DocumentWish,
  parts: readonly Part[],
): Promise<{ readonly withheld: ReadonlyMap<string, string>; readonly until: number | undefined }> {
  const withheld = new Map<string, string>();
  let until: number | undefined;
  for (const { leaf, document } of parts) {
    const verdict = await judgeDocument(site, { asked, leaf }, { subject: ask.subject, document });
    for (const [version, reason] of verdict.withheld) if (!withheld.has(version)) withheld.set(version, reason);
    if (verdict.until !== undefined) until = Math.min(until ?? Infinity, verdict.until);
  }
  return { withheld, until };
}

interface Ingredients {
  readonly parts: readonly Part[];
  readonly withheld: ReadonlyMap<string, string>;
}

function fingerprint(site: Site, { asked, base }: DocumentWish, { parts, withheld }: Ingredients): string {
  const documents = parts.map(({ leaf, document }) => [
    leaf.settings.name,
    document.entry.digest,
    document.entry.mediaType,
    document.entry.url,
  ]);
  const kept = [...withheld].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sha256Hex(JSON.stringify([site.version, asked.settings, base, documents, kept]));
}

interface Making extends Ingredients {
  readonly state: Pick<MirrorRendering, "generation" | "until" | "checkedAt" | "madeOf">;
  /** What there was before. */
  readonly known: MirrorRendering | undefined;
}

interface Made {
  readonly rendering: MirrorRendering;
  /** Where it is not stored. */
  readonly bytes: RenderingBytes | undefined;
}

/** Makes it and stores it; undefined where the documents do not have what the variant names. */
async function make(site: Site, wish: DocumentWish, making: Making): Promise<Made | undefined> {
  const { asked, ask, base } = wish;
  const { known, parts, withheld, state } = making;
  const documents = await Promise.all(
    parts.map(async ({ leaf, document }) => await documentFile(site, leaf, document)),
  );
  const sizeBytes = parts.reduce((sum, { document }) => sum + document.entry.sizeBytes, 0);
  const { source, variant } = ask;
  const task = { task: "render", variant, source, base, withheld: [...withheld], documents } as const;
  const rendered = await site.room.work(asked.format, task, sizeBytes).catch((error: unknown) => {
    if (error instanceof Failure && error.code === "not_found") return undefined;
    throw error;
  });
  if (rendered === undefined) return undefined;
  site.count.rendering();
  const rendering: MirrorRendering = {
    repository: asked.settings.name,
    source,
    variant,
    base,
    ...named(rendered.bytes),
    gzip: rendered.gzip === undefined ? undefined : named(rendered.gzip),
    mediaType: rendered.mediaType,
    headers: rendered.headers ?? originalHeaders(asked, parts),
    subject: ask.subject?.name,
    url: parts[0]?.document.entry.url,
    ...state,
  };
  const bytes = { identity: rendered.bytes, gzip: rendered.gzip };
  // Of an address that is one of too many nothing new is kept; without room on the disk nothing is.
  const isKept = known !== undefined || (await site.bases.admit(asked.settings.name, base));
  return { rendering, bytes: isKept && (await keep(site, asked, { rendering, bytes })) ? undefined : bytes };
}

/** The name and size that bytes have in the store. */
function named(bytes: Uint8Array): Pick<MirrorRendering, "digest" | "sizeBytes"> {
  return { digest: `sha256:${sha256Hex(bytes)}`, sizeBytes: bytes.byteLength };
}

/** Stores a rendering; whether its bytes are in the store. */
async function keep(
  site: Site,
  asked: Leaf,
  { rendering, bytes }: { readonly rendering: MirrorRendering; readonly bytes: RenderingBytes },
): Promise<boolean> {
  const { blobs } = site.store;
  try {
    const parts = [bytes.identity, bytes.gzip].filter((part) => part !== undefined);
    const digests: Digest[] = [];
    for (const part of parts) digests.push((await blobs.put(part)).digest);
    const note = async (): Promise<void> =>
      await site.store.transaction(async (db) => await putMirrorRendering(db, rendering, nowMs()));
    return await blobs.holding(digests, async () => await whereCurrent(site, asked, note));
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    return false;
  }
}

/** What is given out as it came keeps its date: some clients know no other validator. */
function originalHeaders({ format }: Leaf, parts: readonly Part[]): Readonly<Record<string, string>> | undefined {
  const modified = parts[0]?.document.entry.modified;
  return format.render !== undefined || modified === undefined ? undefined : { "last-modified": modified };
}
