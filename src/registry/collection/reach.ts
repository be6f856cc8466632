import { type Digest } from "../../model/digest.ts";
import { markedAmong } from "../../store/collection-records.ts";
import {
  type Asked,
  heldAmong,
  indexesOver,
  manifestsAmong,
  manifestsBeginning,
  type ReachManifest,
  referrersOf,
  tagsNamed,
  tagsTo,
} from "../../store/collection-reach-records.ts";
import { type Store } from "../../store/store.ts";
import { findRuleHolds } from "../lifetime/holds.ts";
import { attachmentTags } from "../manifest-document.ts";

/** A manifest on a walk: why it stays by itself, or what it would stay for. */
export interface ReachNode {
  readonly manifest: ReachManifest;
  readonly tags: readonly string[];
  /** Why it stays whatever becomes of the others; undefined where only others keep it. */
  readonly root: string | undefined;
  /** Manifests that keep it for as long as they stay themselves, with the way in which they do. */
  readonly keepers: ReadonlyMap<Digest, string>;
}

/** Which manifests the walk begins at. */
export interface ReachQuestion extends Asked {
  /** Touched at this instant or later, a manifest stays by itself. */
  readonly untouchedSince: number;
  /** Whether what a dry run has marked counts as gone. */
  readonly withoutMarked: boolean;
}

/** Names in one query; each manifest has four attachment tags. */
const namesPerQuery = 256;

/**
 * Walks from manifests of a repository to all that could keep them.
 *
 * A tag keeps what it points to, an index its children. What belongs together stays together: a manifest and its
 * subject keep each other, and so do an image and what the tags `sha256-HEX`, `.sig`, `.att` and `.sbom` attach to it,
 * since such a tag is no name that anybody gave. The walk ends where something stays by itself, and meets each
 * manifest once, so circles end.
 */
export async function explore(db: Store["db"], question: ReachQuestion): Promise<Map<Digest, ReachNode>> {
  const nodes = new Map<Digest, ReachNode>();
  const seen = new Set<Digest>(question.digests);
  // The set grows while it is walked: each round looks at what the one before found.
  for (let frontier = [...seen]; frontier.length > 0;) {
    const before = seen.size;
    for (let start = 0; start < frontier.length; start += namesPerQuery) {
      const found = await look(db, { ...question, digests: frontier.slice(start, start + namesPerQuery) });
      for (const node of found) nodes.set(node.manifest.digest, node);
      for (const keeper of found.flatMap(({ keepers }) => [...keepers.keys()])) seen.add(keeper);
    }
    frontier = [...seen].slice(before);
  }
  return nodes;
}

interface MutableNode extends ReachNode {
  root: string | undefined;
  readonly tags: string[];
  readonly keepers: Map<Digest, string>;
}

async function look(db: Store["db"], question: ReachQuestion): Promise<ReachNode[]> {
  const { repository } = question;
  const found = await manifestsAmong(db, question);
  const gone = question.withoutMarked
    ? await markedAmong(db, { kind: "manifest", repository, digests: found.map(({ digest }) => digest) })
    : new Set<Digest>();
  const nodes = new Map<Digest, MutableNode>();
  for (const manifest of found) {
    if (gone.has(manifest.digest)) continue;
    const isTouched = manifest.touchedAt >= question.untouchedSince;
    const root = isTouched ? "it was pushed, pulled or lost a tag lately" : undefined;
    nodes.set(manifest.digest, { manifest, tags: [], root, keepers: new Map() });
  }
  if (nodes.size === 0) return [];
  await findTags(db, repository, nodes);
  const held = await heldAmong(db, { repository, digests: [...nodes.keys()] });
  for (const [digest, reason] of held) nodes.get(digest)!.root ??= reason;
  for (const [digest, { author, reason }] of await findRuleHolds(db, repository, [...nodes.keys()]))
    nodes.get(digest)!.root ??= `it is held by ${author}: ${reason}`;
  // What stays by itself needs no keepers.
  const open = new Map([...nodes].filter(([, { root }]) => root === undefined));
  if (open.size > 0) await findKeepers(db, repository, open);
  for (const node of nodes.values()) if (node.root !== undefined) node.keepers.clear();
  return [...nodes.values()];
}

/** The tags by which clients attach things, without their ending: the digest's beginning of what they attach to. */
const attachmentForm = /^(sha256|sha512)-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?$/;

/** Tags that attach keep only as long as what they attach to; without it, they are names like any other. */
async function findTags(db: Store["db"], repository: string, nodes: ReadonlyMap<Digest, MutableNode>): Promise<void> {
  for (const { name, digest } of await tagsTo(db, { repository, digests: [...nodes.keys()] })) {
    const node = nodes.get(digest)!;
    node.tags.push(name);
    const [, algorithm, hex] = attachmentForm.exec(name) ?? [];
    const subjects = algorithm === undefined ? [] : await manifestsBeginning(db, repository, `${algorithm}:${hex}`);
    if (subjects.length === 0 || subjects.includes(digest)) node.root = `the tag "${name}" points to it`;
    for (const subject of subjects) node.keepers.set(subject, `the tag "${name}" attaches it to`);
  }
}

async function findKeepers(
  db: Store["db"],
  repository: string,
  nodes: ReadonlyMap<Digest, MutableNode>,
): Promise<void> {
  const asked = { repository, digests: [...nodes.keys()] };
  for (const { manifest, keepers } of nodes.values())
    if (manifest.subject !== null) keepers.set(manifest.subject, "its subject is");
  for (const { from, to } of await indexesOver(db, asked)) nodes.get(to)!.keepers.set(from, "it is a child of");
  for (const { from, to } of await referrersOf(db, asked)) nodes.get(to)!.keepers.set(from, "it is the subject of");
  const attached = new Map(asked.digests.flatMap((digest) => attachmentTags(digest).map((tag) => [tag, digest])));
  for (const { name, digest } of await tagsNamed(db, repository, [...attached.keys()])) {
    const subject = attached.get(name)!;
    if (digest !== subject) nodes.get(subject)!.keepers.set(digest, `the tag "${name}" attaches to it`);
  }
}

/** Those manifests of a walk that nothing keeps. */
export function unreached(nodes: ReadonlyMap<Digest, ReachNode>): Set<Digest> {
  const keeps = new Map<Digest, Digest[]>();
  const alive: Digest[] = [];
  for (const [digest, { root, keepers }] of nodes) {
    if (root !== undefined) alive.push(digest);
    for (const keeper of keepers.keys()) {
      const kept = keeps.get(keeper);
      if (kept === undefined) keeps.set(keeper, [digest]);
      else kept.push(digest);
    }
  }
  const garbage = new Set(nodes.keys());
  for (const digest of alive) {
    if (!garbage.delete(digest)) continue;
    for (const kept of keeps.get(digest) ?? []) alive.push(kept);
  }
  return garbage;
}

/** A manifest with all that could have kept it: what goes with it. The manifest comes first. */
export function unitOf(nodes: ReadonlyMap<Digest, ReachNode>, digest: Digest): Digest[] {
  const unit = new Set<Digest>([digest]);
  for (const member of unit)
    for (const keeper of nodes.get(member)!.keepers.keys()) if (nodes.has(keeper)) unit.add(keeper);
  return [...unit];
}
