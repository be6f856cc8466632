import { createHash } from "node:crypto";
import { mapParallel } from "../../base/pool.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { MirrorAnswer, MirrorRead, MirrorRepository } from "../contract.ts";
import type { LockWishes, Wish } from "./locks/wish.ts";

/** What prefetching asks of the mirror. */
export interface PrefetchGround {
  readonly answer: (read: MirrorRead) => Promise<MirrorAnswer>;
  readonly repositories: readonly MirrorRepository[];
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly onProgress: (report: PrefetchReport) => void;
  /** Makes sure that the store itself has some bytes, by their SHA-256 in hex. */
  readonly keep: (sha256: string, bytes: Buffer | undefined) => Promise<boolean>;
}

/** What a prefetch brought, what was here already, and what could not be had; sizes in bytes. */
export interface PrefetchReport {
  readonly kind: string;
  /** Grows while files tell of others. */
  total: number;
  done: number;
  /** Files that were fetched now, and those that were here already. */
  fetchedCount: number;
  presentCount: number;
  sizeBytes: number;
  readonly failed: { readonly title: string; readonly reason: string }[];
  readonly skipped: readonly { readonly title: string; readonly reason: string }[];
}

/** Upstreams are asked for so many things at the same time. */
const width = 6;
/** An answer that tells of others is read into memory up to here. */
const readBytes = 64 * 1024 * 1024;
/** What the mirror makes up on the spot is small; all else it has stored itself. */
const keptBytes = limits.requestBytes;
const failedMax = 200;

/** Fetches all that a lock names through the mirror, just as its clients would: what comes is verified and kept. */
export async function prefetch(ground: PrefetchGround, lock: LockWishes): Promise<PrefetchReport> {
  const report: PrefetchReport = {
    kind: lock.kind,
    total: 0,
    done: 0,
    fetchedCount: 0,
    presentCount: 0,
    sizeBytes: 0,
    failed: [],
    skipped: lock.skipped,
  };
  const seen = new Set<string>();
  for (const wishes of [lock.first ?? [], lock.wishes]) await grantAll(ground, wishes, { report, seen });
  return report;
}

/** A prefetch under way. */
interface Progress {
  readonly report: PrefetchReport;
  /** What was asked for already, with the repository. */
  readonly seen: Set<string>;
}

/** Asks for wishes, and for what their answers name. */
async function grantAll(ground: PrefetchGround, all: readonly Wish[], { report, seen }: Progress): Promise<void> {
  let wishes = all;
  while (wishes.length > 0) {
    const fresh = wishes.filter(({ paths, repository = "" }) => {
      const key = `${repository} ${paths[0]!}`;
      return !seen.has(key) && seen.add(key);
    });
    report.total += fresh.length;
    const more: Wish[] = [];
    await mapParallel(fresh, width, async (wish) => {
      ground.signal.throwIfAborted();
      more.push(...(await grant(ground, wish, report)));
      report.done += 1;
      ground.onProgress(report);
    });
    wishes = more;
  }
}

async function grant(ground: PrefetchGround, wish: Wish, report: PrefetchReport): Promise<readonly Wish[]> {
  try {
    const { repository, body } = await firstAnswer(ground, wish, report);
    for (const path of wish.paths.slice(1)) await take(ground, { repository, path, wish }, report);
    return body === undefined ? [] : (wish.follow?.(body) ?? []);
  } catch (error) {
    if (ground.signal.aborted) throw error;
    if (wish.isOptional !== true && report.failed.length < failedMax)
      report.failed.push({ title: wish.title, reason: messageOf(error) });
    return [];
  }
}

interface Taken {
  readonly repository: string;
  /** Only where the wish asks for more. */
  readonly body: Buffer | undefined;
}

/** Asks the repositories that may have it one after another. */
async function firstAnswer(ground: PrefetchGround, wish: Wish, report: PrefetchReport): Promise<Taken> {
  const names = repositoriesFor(ground.repositories, wish);
  if (names.length === 0)
    throw new Failure(
      "not_found",
      `Cannot fetch "${wish.title}": the mirror has no repository of the format "${wish.format}"`,
    );
  let reason: unknown;
  for (const repository of names) {
    try {
      const body = await take(ground, { repository, path: wish.paths[0]!, wish, isFirst: true }, report);
      return { repository, body };
    } catch (error) {
      if (ground.signal.aborted) throw error;
      reason ??= error;
    }
  }
  throw reason;
}

/** Groups come first: clients use them. What is a member of one is not asked again. */
function repositoriesFor(repositories: readonly MirrorRepository[], wish: Wish): string[] {
  if (wish.repository !== undefined) return [wish.repository];
  const fitting = repositories.filter(({ format }) => format === wish.format);
  const members = new Set(fitting.flatMap(({ members: names = [] }) => names));
  const order = { group: 0, proxy: 1, hosted: 2 } as const;
  return fitting
    .filter(({ name }) => !members.has(name))
    .toSorted((a, b) => order[a.kind] - order[b.kind])
    .map(({ name }) => name);
}

interface Place {
  readonly repository: string;
  readonly path: string;
  readonly wish: Wish;
  readonly isFirst?: boolean;
}

async function take(
  ground: PrefetchGround,
  { repository, path, wish, isFirst = false }: Place,
  report: PrefetchReport,
): Promise<Buffer | undefined> {
  const { answer: ask, actor } = ground;
  const [bare = "", query = ""] = path.split(/\?(.*)/s);
  const answer = await ask({
    method: "GET",
    repository,
    path: bare,
    query: new URLSearchParams(query),
    headers: { "accept-encoding": "identity", ...(wish.accept === undefined ? {} : { accept: wish.accept }) },
    // What is rendered for this base is thrown away soon; clients of sealed builds use it.
    base: `http://127.0.0.1:5081/mirror/${repository}`,
    actor,
  });
  const hash = createHash("sha256");
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  const mayKeep = isFirst && (wish.follow !== undefined || wish.isKept === true);
  const keeps = mayKeep || answer.status >= 400;
  for await (const chunk of chunksOf(answer)) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    if (keeps && sizeBytes <= (wish.isKept === true ? keptBytes : readBytes)) chunks.push(chunk);
  }
  const exchange = await answer.exchange;
  if (answer.status !== 200)
    throw new Failure("not_found", exchange.reason ?? `"${path}" of "${repository}" is answered with ${answer.status}`);
  const digest = hash.digest("hex");
  if (isFirst && wish.sha256 !== undefined && digest !== wish.sha256)
    throw new Failure("digest_mismatch", `the lock says sha256 ${wish.sha256}, but "${repository}" has ${digest}`);
  const isWhole = sizeBytes <= keptBytes;
  if (isFirst && wish.isKept === true && !(await ground.keep(digest, isWhole ? Buffer.concat(chunks) : undefined)))
    throw new Failure("internal", `the store did not take the ${sizeBytes} bytes of "${path}" of "${repository}"`);
  if (exchange.outcome === "fetched") report.fetchedCount += 1;
  else report.presentCount += 1;
  report.sizeBytes += sizeBytes;
  return wish.follow === undefined ? undefined : Buffer.concat(chunks);
}

async function* chunksOf({ body }: MirrorAnswer): AsyncGenerator<Uint8Array> {
  if (body === undefined) return;
  if (Buffer.isBuffer(body)) yield body;
  else for await (const chunk of body) yield chunk as Uint8Array;
}
