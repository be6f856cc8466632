import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import type { StoredBlob } from "../store/blobs.ts";
import { type MirrorEntry } from "../store/mirror-entry-records.ts";
import { claimText, openClaimCheck } from "./claims.ts";
import { doubtDocuments } from "./doubt.ts";
import { FileFlow, type FlowHead, type FlowTry } from "./file-flow.ts";
import { type Claim, type FileAsk, type Location } from "./format.ts";
import { confirmEntry, keepEntry } from "./kept-entries.ts";
import { hasRoom } from "./quota.ts";
import { type Leaf } from "./repositories.ts";
import { recordMismatch, type Site } from "./site.ts";
import { type Upstream, type UpstreamResponse } from "./upstream.ts";

/** A file that is here. */
export type StoredEntry = MirrorEntry & { readonly digest: NonNullable<MirrorEntry["digest"]> };

/** A download that is under way. */
export interface RunningFile {
  readonly flow: FileFlow;
  /** What it came to in the end. */
  entry(): Promise<StoredEntry>;
}

/** How a file is wanted. */
export interface FileWish {
  readonly ask: FileAsk;
  readonly isHead: boolean;
  /** Whether the whole must be stored before anything is answered: a part is read from the whole. */
  readonly isWhole: boolean;
}

/** A file that is to be fetched. */
export interface Fetching extends FileWish {
  /** What is here already and may be old. */
  readonly entry: MirrorEntry | undefined;
  /** Called where the document that vouched for what is here says another digest now. */
  readonly onOutdated?: () => void;
}

/** Where an upstream has a file. */
export interface Place {
  readonly location: Location;
  readonly claim: Claim | undefined;
  readonly upstream: Upstream;
  /** The documents that it was found in. */
  readonly sources: ReadonlySet<string>;
}

const fileBytesMax = 16 * 1024 * 1024 * 1024;

interface Beginning {
  readonly wish: Fetching;
  readonly place: Place;
}

/** Begins a download; every reader of the file follows it. */
export function beginFile(site: Site, leaf: Leaf, { wish, place }: Beginning): RunningFile {
  const { ask, entry } = wish;
  const { location, claim } = place;
  let check = openClaimCheck(claim, leaf.format);
  let kept = entry;
  // What must have another digest now is not asked whether it is still the same.
  const isAsked = isStored(entry) && (claim === undefined || claimText(claim) === entry.claim);
  let hasAsked = !isAsked;
  let { url } = location;
  const isSecond = (): boolean => location.otherwise === undefined || url === location.otherwise;
  const flow = new FileFlow({
    blobs: site.store.blobs,
    limitBytes: fileBytesMax,
    async open(from, head) {
      const asked = hasAsked ? undefined : entry;
      const got = await request(site, { place, url, from, head, entry: asked });
      hasAsked = true;
      if (got.status === 404 && !isSecond()) {
        url = location.otherwise!;
        return await this.open(0, undefined);
      }
      if (got.status === 304 && isStored(asked)) {
        got.discard();
        kept = await confirm(site, leaf, asked);
        return "unchanged";
      }
      if (got.status === 404) await forgetFile(site, leaf, wish);
      return opened(got, from);
    },
    hash(chunk, at) {
      if (at === 0) check = openClaimCheck(claim, leaf.format);
      check.update(chunk);
    },
    async check(path) {
      try {
        await check.finish(path, `"${ask.key}"`);
        return "right";
      } catch (failure) {
        await recordMismatch(site, { repository: leaf.settings.name, key: ask.key, failure });
        if (isSecond()) {
          await doubtDocuments(site, leaf, place.sources);
          throw failure;
        }
        url = location.otherwise!;
        return "again";
      }
    },
    async onStored(blob, head) {
      site.count.bytes(blob.sizeBytes);
      kept = await keep(site, leaf, { wish, place, blob, head });
    },
  });
  return {
    flow,
    async entry() {
      await flow.done;
      if (!isStored(kept)) throw new Failure("not_found", `Cannot find "${ask.key}": the upstream has none`);
      return kept;
    },
  };
}

async function confirm(site: Site, leaf: Leaf, entry: StoredEntry): Promise<StoredEntry> {
  const now = { checkedAt: nowMs(), etag: entry.etag, modified: entry.modified };
  await confirmEntry(site, leaf, { entry, now });
  return { ...entry, ...now };
}

interface Request {
  readonly place: Place;
  readonly url: string;
  readonly from: number;
  readonly head: FlowHead | undefined;
  /** What is here, to be asked whether it is still right. */
  readonly entry: MirrorEntry | undefined;
}

async function request(site: Site, { place, url, from, head, entry }: Request): Promise<UpstreamResponse> {
  const { location, claim, upstream } = place;
  const validator = head?.etag?.startsWith('"') === true ? head.etag : head?.modified;
  // Without a validator only a claim can tell whether the rest belongs to what came before.
  const canResume = from > 0 && (validator !== undefined || claim !== undefined);
  const isAsked = isStored(entry) && (await site.store.blobs.stat(entry.digest)) !== undefined;
  return await upstream.fetch({
    url: upstream.resolve(url),
    accept: location.accept,
    mayCompress: false,
    signal: site.signal,
    ...(canResume ? { resume: { from, validator } } : {}),
    ...(isAsked && from === 0 ? { etag: entry.etag, modified: entry.modified } : {}),
  });
}

function opened(answer: UpstreamResponse, from: number): FlowTry | undefined {
  const { headers, url } = answer;
  if (answer.status === 404) return undefined;
  const isRest = answer.status === 206 && /^bytes (\d+)-/.exec(headers["content-range"] ?? "")?.[1] === String(from);
  if (answer.status !== 200 && !isRest) {
    answer.discard();
    throw new Failure("upstream_unreachable", `Cannot fetch "${url.href}": it answered ${answer.status} unasked`, {
      details: { status: answer.status },
    });
  }
  const length = headers["content-length"];
  const start = isRest ? from : 0;
  return {
    from: start,
    body: answer.body,
    head: {
      sizeBytes: length === undefined ? undefined : start + Number(length),
      mediaType: headers["content-type"],
      url: url.href,
      etag: headers.etag,
      modified: headers["last-modified"],
    },
  };
}

interface Kept extends Beginning {
  readonly blob: StoredBlob;
  readonly head: FlowHead;
}

async function keep(site: Site, leaf: Leaf, { wish, place, blob, head }: Kept): Promise<MirrorEntry> {
  const { ask } = wish;
  const subject = place.location.subject ?? ask.subject;
  const at = nowMs();
  const entry: MirrorEntry = {
    repository: leaf.settings.name,
    kind: "file",
    key: ask.key,
    ...blob,
    mediaType: ask.mediaType ?? head.mediaType ?? "application/octet-stream",
    lifetime: ask.lifetime,
    url: head.url,
    etag: head.etag,
    modified: head.modified,
    claim: place.claim === undefined ? undefined : claimText(place.claim),
    subject: subject?.name,
    version: subject?.version,
    publishedAt: place.location.publishedAt,
    fetchedAt: at,
    checkedAt: at,
  };
  if (await hasRoom(site, leaf.settings, blob.sizeBytes)) await keepEntry(site, leaf, entry);
  // The clients get their bytes all the same.
  else site.log.warn({ repository: entry.repository, key: entry.key }, "a file is not kept: the quota is used up");
  return entry;
}

/** Whether an entry has bytes. */
export function isStored(entry: MirrorEntry | undefined): entry is StoredEntry {
  return entry?.digest !== undefined;
}

/** The upstream has none, or has it no more: what is immutable stays all the same, since nobody asked for it here. */
export async function forgetFile(site: Site, leaf: Leaf, { ask }: FileWish): Promise<undefined> {
  const at = nowMs();
  await keepEntry(site, leaf, {
    repository: leaf.settings.name,
    kind: "file",
    key: ask.key,
    digest: undefined,
    sizeBytes: 0,
    mediaType: "",
    lifetime: ask.lifetime,
    url: undefined,
    etag: undefined,
    modified: undefined,
    claim: undefined,
    subject: ask.subject?.name,
    version: ask.subject?.version,
    publishedAt: undefined,
    fetchedAt: at,
    checkedAt: at,
  });
}
