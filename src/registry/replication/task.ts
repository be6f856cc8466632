import { Failure } from "../../base/errors.ts";
import { type RunContext } from "../../jobs/jobs.ts";
import { type Digest } from "../../model/digest.ts";
import { projectOf } from "../../model/permission.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { labelsOfImages } from "../../store/label-records.ts";
import { findReplicationRule, recordReplicationOutcome } from "../../store/replication-records.ts";
import { type Store } from "../../store/store.ts";
import { moveTag } from "../../store/tag-records.ts";
import { refuseTagMove } from "../lifetime/guard.ts";
import { failureOf } from "../refusal-failure.ts";
import { type Registry } from "../registry.ts";
import { type OpenPeer, type Peers } from "../remote/peers.ts";
import { type Throttle } from "../remote/throttle.ts";
import { pullUnit } from "./pull-unit.ts";
import { pushUnit, unitName } from "./push-unit.ts";
import { destinationOf, readSettings, type RuleSettings, type Selection } from "./rules.ts";
import { type Wanted } from "./selection.ts";
import { remoteSignatures, type SignatureCheck, type SignatureSource } from "./signatures.ts";
import { localSource, remoteSource } from "./sources.ts";
import { type Moved, type Transfer } from "./transfer.ts";
import { findUnit, hasSignature, type TravellingUnit } from "./unit.ts";

/** What the jobs of replication work with. */
export interface TaskSite {
  readonly store: Store;
  readonly registry: Registry;
  readonly peers: Peers;
  readonly checkSignature: SignatureCheck;
  /** Our own registry as a place to look for signatures. */
  readonly localSignatures: SignatureSource;
  /** All transfers of a rule share its bandwidth. */
  readonly throttleOf: (rule: string, settings: RuleSettings) => Throttle;
  readonly countBytes: (direction: "push" | "pull", byteCount: number) => void;
}

/** The input of one job: the rule by its id. */
export interface TaskInput extends Wanted {
  readonly rule: string;
}

interface Result extends Omit<Moved, "outcome"> {
  readonly outcome: Moved["outcome"] | "deleted" | "absent";
}

/** Moves or removes one image as its rule says now, and notes what it came to. */
export async function runTask(site: TaskSite, job: RunContext): Promise<Result> {
  const { rule: id, ...wanted } = job.input as TaskInput;
  const rule = await findReplicationRule(site.store.db, id);
  if (rule === undefined || !rule.isEnabled) return without("skipped", "the rule was removed or switched off");
  const selection = readSettings(JSON.parse(rule.settings) as RuleSettings);
  const peer = await site.peers.open(rule.peer);
  const { name, direction } = rule;
  const context: TaskContext = {
    site,
    job,
    wanted,
    peer,
    direction,
    selection,
    ruleId: id,
    actor: `replication:${name}`,
  };
  try {
    const result = wanted.operation === "delete" ? await remove(context) : await copy(context);
    await recordReplicationOutcome(site.store.db, job.runId, result);
    if (result.outcome !== "unchanged" && result.outcome !== "absent") await tell(context, name, result);
    return result;
  } catch (error) {
    if (!job.signal.aborted && error instanceof Failure)
      await tell(context, name, { ...without("skipped"), outcome: "failed", note: error.message });
    throw error;
  }
}

interface TaskContext {
  readonly site: TaskSite;
  readonly job: RunContext;
  readonly wanted: Wanted;
  readonly peer: OpenPeer;
  readonly direction: "push" | "pull";
  readonly selection: Selection;
  readonly ruleId: string;
  readonly actor: string;
}

function without(outcome: Result["outcome"], note?: string): Result {
  return { outcome, note, sentBytes: 0, sentCount: 0 };
}

async function tell(
  { site, wanted, peer, direction, actor, job }: TaskContext,
  rule: string,
  { outcome, note, sentBytes, sentCount }: Omit<Result, "outcome"> & { readonly outcome: string },
): Promise<void> {
  const { operation, source, destination, tag } = wanted;
  await addAuditEvent(site.store.db, {
    actor,
    action: "replication.ran",
    subject: rule,
    project: projectOf(direction === "push" ? source : destination),
    details: {
      peer: peer.name,
      direction,
      operation,
      source,
      destination,
      tag,
      outcome,
      note,
      sentBytes,
      sentCount,
      attempt: job.attempt,
    },
  });
}

async function remove({ site, wanted, peer, direction, actor, job }: TaskContext): Promise<Result> {
  const { destination: repository, tag } = wanted;
  if (direction === "push")
    return without((await peer.remote.deleteManifest(repository, tag, job.signal)) ? "deleted" : "absent");
  const isGone = await site.store.transaction(async (db) => {
    const refusal = await refuseTagMove(db, { repository, tag, to: undefined });
    if (refusal !== undefined) throw failureOf(refusal);
    return await moveTag(db, { repository, tag, to: undefined, actor, cause: "replication" });
  });
  return without(isGone ? "deleted" : "absent");
}

async function copy(context: TaskContext): Promise<Result> {
  const { site, job, wanted, peer, direction, selection } = context;
  const isPush = direction === "push";
  const source = isPush
    ? localSource(site.registry, wanted.source)
    : remoteSource(peer.remote, wanted.source, job.signal);
  const root = await source.manifest(wanted.tag);
  if (root === undefined) return without("absent", "the source does not have it any more");
  const unit = await findUnit(source, root);
  const unlabelled = await whyUnlabelled(context, root.digest);
  if (unlabelled !== undefined) return without("skipped", unlabelled);
  const there = isPush ? site.localSignatures : remoteSignatures(peer.remote, job.signal);
  const unsigned = await whyUnsigned(context, unit, { source: there, repository: wanted.source });
  if (unsigned !== undefined) return without("skipped", unsigned);
  const transfer = transferOf(context, unit);
  const { override } = selection.settings;
  if (!isPush)
    return await pullUnit(transfer, {
      unit,
      tag: wanted.tag,
      override,
      actor: context.actor,
      check: async () =>
        await checkArrival(context, unit, { source: site.localSignatures, repository: wanted.destination }),
    });
  const moved = await pushUnit(transfer, {
    unit,
    tag: wanted.tag,
    override,
    nameAtPeer: (name) => nameAtPeer(selection, name),
  });
  if (moved.outcome === "copied")
    await checkArrival(context, unit, {
      source: remoteSignatures(peer.remote, job.signal),
      repository: wanted.destination,
    });
  return moved;
}

async function whyUnlabelled({ site, wanted, selection }: TaskContext, digest: Digest): Promise<string | undefined> {
  const { labels } = selection.settings;
  if (labels.length === 0) return undefined;
  const found = await labelsOfImages(site.store.db, [{ repository: wanted.source, digest }]);
  const carried = new Set(found.get(`${wanted.source}@${digest}`)?.map(({ name }) => name));
  const missing = labels.filter((label) => !carried.has(label));
  return missing.length === 0 ? undefined : `it does not carry ${missing.map((label) => `"${label}"`).join(", ")}`;
}

interface SignedPlace {
  readonly source: SignatureSource;
  readonly repository: string;
}

async function whyUnsigned(
  { site, selection }: TaskContext,
  unit: TravellingUnit,
  { source, repository }: SignedPlace,
): Promise<string | undefined> {
  const { signed, keys } = selection.settings;
  if (signed === "any") return undefined;
  if (signed === "present") return hasSignature(unit) ? undefined : "it has no signature";
  return await site.checkSignature({ source, repository, digest: unit.root, keys });
}

async function checkArrival(context: TaskContext, unit: TravellingUnit, place: SignedPlace): Promise<void> {
  const problem = context.selection.settings.signed === "key" ? await whyUnsigned(context, unit, place) : undefined;
  if (problem !== undefined)
    throw new Failure("verification_failed", `Cannot trust what arrived as "${place.repository}": ${problem}`);
}

function nameAtPeer({ settings, covers }: Selection, repository: string): string | undefined {
  return covers(repository) ? destinationOf(settings, repository) : undefined;
}

function transferOf(context: TaskContext, unit: TravellingUnit): Transfer {
  const { site, job, wanted, peer, direction, selection } = context;
  const isPush = direction === "push";
  const sizes = new Map(unit.manifests.flatMap(({ blobs }) => blobs).map((blob) => [blob.digest, blob.sizeBytes]));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const inputDigest = unitName(unit);
  let done = 0;
  return {
    store: site.store,
    registry: site.registry,
    peer,
    local: isPush ? wanted.source : wanted.destination,
    remote: isPush ? wanted.destination : wanted.source,
    throttle: site.throttleOf(context.ruleId, selection.settings),
    signal: job.signal,
    once: async (name, work, isStillTrue) => await job.step(name, inputDigest, work, { validate: isStillTrue }),
    onBytes(byteCount) {
      done += byteCount;
      site.countBytes(direction, byteCount);
      job.emit({
        kind: "progress",
        phase: direction,
        done,
        total,
        unit: "bytes",
        note: `${wanted.source}:${wanted.tag}`,
      });
    },
  };
}
