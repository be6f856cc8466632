import { Failure } from "../../base/errors.ts";
import { type Digest } from "../../model/digest.ts";
import { projectOf } from "../../model/permission.ts";
import { findSubject, listIndexesOver } from "../../store/manifest-records.ts";
import { listProxyProjects } from "../../store/proxy-records.ts";
import { listRepositories } from "../../store/repository-records.ts";
import { type Store } from "../../store/store.ts";
import { listTagsOf } from "../../store/tag-records.ts";
import { attachedTo } from "../manifest-document.ts";
import { type Registry } from "../registry.ts";
import { type OpenPeer } from "../remote/peers.ts";
import { destinationOf, type Selection } from "./rules.ts";

/** An image that a rule is to move, or a tag that it is to remove. */
export interface Wanted {
  readonly operation: "copy" | "delete";
  /** The name at the source. */
  readonly source: string;
  readonly destination: string;
  readonly tag: string;
}

interface Sides {
  readonly store: Store;
  readonly registry: Registry;
  readonly peer: OpenPeer;
  readonly direction: "push" | "pull";
  readonly signal: AbortSignal;
}

/** Repositories of a peer that are looked through. */
const repositoriesMax = 100_000;
const pageCount = 1000;

/**
 * Lists what a rule is to do now: every tag that it covers, and, where it deletes, what is gone at the source.
 *
 * @throws Failure `conflict` where the peer offers no catalog and the rule has patterns, and those of the peer
 */
export async function listWanted(sides: Sides, selection: Selection): Promise<Wanted[]> {
  const wanted: Wanted[] = [];
  const isPartial = await partialProjects(sides.store.db);
  for (const source of await sourceRepositories(sides, selection)) {
    if (sides.direction === "push" && isPartial(source)) continue;
    const destination = destinationOf(selection.settings, source);
    const tags = await tagsAt(sides, "source", source);
    // Without an answer nothing is deleted: a source that is away is not one that is empty.
    if (tags === undefined) continue;
    const kept = new Set(tags);
    for (const tag of tags) if (isWanted(selection, tag)) wanted.push({ operation: "copy", source, destination, tag });
    if (!selection.settings.deletion) continue;
    for (const tag of (await tagsAt(sides, "destination", destination)) ?? [])
      if (isWanted(selection, tag) && !kept.has(tag)) wanted.push({ operation: "delete", source, destination, tag });
  }
  return wanted;
}

/** Tells what is in a proxy cache: it holds images in part, and is not where they come from. */
export async function partialProjects(db: Store["db"]): Promise<(repository: string) => boolean> {
  const projects = new Set((await listProxyProjects(db)).map(({ project }) => project));
  return (repository) => projects.has(projectOf(repository));
}

/** Attachments travel with their image. */
function isWanted(selection: Selection, tag: string): boolean {
  return selection.fits(tag) && attachedTo(tag) === undefined;
}

async function sourceRepositories({ store, peer, direction, signal }: Sides, selection: Selection): Promise<string[]> {
  if (selection.names !== undefined) return [...selection.names];
  if (direction === "push") {
    const found: string[] = [];
    for (let after = ""; ;) {
      const page = await listRepositories(store.db, { after, limit: pageCount });
      found.push(...page.filter(selection.covers));
      if (page.length < pageCount) return found;
      after = page.at(-1)!;
    }
  }
  const listed = await peer.remote.repositories(repositoriesMax, signal);
  if (listed === undefined)
    throw new Failure("conflict", `Cannot list the repositories of "${peer.name}": it has no catalog`, {
      hint: "Name the repositories of the rule without patterns",
    });
  return listed.filter(selection.covers);
}

async function tagsAt(
  { registry, peer, direction, signal }: Sides,
  side: "source" | "destination",
  repository: string,
): Promise<string[] | undefined> {
  const isHere = (direction === "push") === (side === "source");
  return isHere ? await registry.tags(repository) : await peer.remote.tags(repository, signal);
}

/** Whether a rule moves a tag of a repository. */
export function selects(selection: Selection, { repository, tag }: { repository: string; tag: string }): boolean {
  return selection.covers(repository) && isWanted(selection, tag);
}

/**
 * The tags whose images change when something happens to a manifest: its own, those of the image that it is attached
 * to, and those of the index that it is a part of, however far up.
 */
export async function tagsAbove(db: Store["db"], repository: string, digest: Digest): Promise<string[]> {
  const seen = new Set<Digest>([digest]);
  const tags = new Set<string>();
  // The set grows while it is walked.
  for (const member of seen) {
    for (const tag of await listTagsOf(db, repository, member)) {
      const stem = attachedTo(tag);
      if (stem === undefined) tags.add(tag);
      else if (stem.startsWith("sha256-")) seen.add(`sha256:${stem.slice("sha256-".length)}`);
    }
    for (const index of await listIndexesOver(db, repository, member)) seen.add(index.digest);
    const subject = await findSubject(db, repository, member);
    if (subject !== undefined) seen.add(subject);
  }
  return [...tags];
}
