import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findLifetime, type LifetimeRecord } from "../../store/lifetime-records.ts";
import { listRepositoriesOf } from "../../store/retention-fact-records.ts";
import {
  endRetentionRun,
  findRetentionRun,
  insertOutcomes,
  pruneRetentionRuns,
  startRetentionRun,
  type RetentionOutcomeRecord,
  type RetentionRunRecord,
} from "../../store/retention-run-records.ts";
import { type Store } from "../../store/store.ts";
import { paced } from "../collection/run.ts";
import { type PullCounts } from "./pull-counts.ts";
import { dropUnit, type PlannedDrop } from "./retention-drop.ts";
import { readRepositoryFacts } from "./retention-facts.ts";
import { planRetention, type RepositoryFacts, type RetentionPlan } from "./retention-plan.ts";
import { readRetentionPolicy, type RetentionPolicy } from "./retention-policy.ts";
import { measureUnits } from "./retention-sizes.ts";

/** What a run is carried out with. */
export interface RetentionRunOptions {
  readonly store: Store;
  readonly pulls: PullCounts;
  readonly signal: AbortSignal;
}

/** Runs of a project that are remembered with the outcome of every tag, and runs that are remembered at all. */
const historyBounds = { withOutcomes: 10, all: 200 };

/** Manifests that go in one transaction, at least one unit: pushes wait no longer for them than for each other. */
const membersPerTransaction = 30;

/** Outcomes that are written in one transaction. */
const outcomesPerTransaction = 1000;

/**
 * Carries a run out that was written down before; the dry run and the run make the same plan of the same facts.
 *
 * Stopped at any moment, it can be carried out again: what was dropped is written down with the drop itself.
 *
 * @throws Failure `not_found` where the project has no policy, `conflict` where it was changed meanwhile
 */
export async function carryOutRetention(options: RetentionRunOptions, id: string): Promise<RetentionRunRecord> {
  const { store } = options;
  const run = await findRetentionRun(store.db, id);
  if (run === undefined) throw new Failure("not_found", `Cannot find the retention run "${id}"`);
  try {
    const progress = await store.transaction(async (db) => await startRetentionRun(db, id));
    const sums = await runThrough(options, run, progress);
    await store.transaction(async (db) => {
      await endRetentionRun(db, id, sums);
      if (!run.isDryRun)
        await addAuditEvent(db, {
          actor: run.actor,
          action: "retention.ran",
          subject: run.project,
          details: { run: id, ...sums },
        });
      await pruneRetentionRuns(db, run.project, historyBounds);
    });
  } catch (error) {
    if (!options.signal.aborted)
      await endRetentionRun(store.db, id, { failure: error instanceof Error ? error.message : String(error) });
    throw error;
  }
  return (await findRetentionRun(store.db, id)) ?? run;
}

interface Sums {
  readonly keptCount: number;
  readonly droppedCount: number;
  readonly freedBytes: number;
}

type Progress = Awaited<ReturnType<typeof startRetentionRun>>;

async function runThrough(options: RetentionRunOptions, run: RetentionRunRecord, progress: Progress): Promise<Sums> {
  const { store, signal } = options;
  const lifetime = await findLifetime(store.db, run.project);
  if (lifetime.retention === undefined)
    throw new Failure("not_found", `Cannot run retention: the project "${run.project}" has no policy`, {
      hint: "Set one with `mintmark retention set`",
    });
  const policy = readRetentionPolicy(lifetime.retention.text);
  let { nextPosition } = progress;
  const sums = { keptCount: 0, droppedCount: progress.droppedCount, freedBytes: progress.freedBytes };
  for await (const names of repositoryGroups(store, run.project, policy)) {
    signal.throwIfAborted();
    await options.pulls.flush();
    const group: RepositoryFacts[] = [];
    for (const repository of names)
      group.push(await readRepositoryFacts(store.db, { repository, holdRules: lifetime.holdRules, signal }));
    const plan = planRetention(policy, group, nowMs());
    const work = { ...options, run, lifetime, group, plan, firstPosition: nextPosition };
    for await (const { keptCount, droppedCount, freedBytes } of carryOutPlan(work)) {
      sums.keptCount += keptCount;
      sums.droppedCount += droppedCount;
      sums.freedBytes += freedBytes;
    }
    nextPosition += plan.outcomes.length;
  }
  return sums;
}

const repositoriesPerLook = 500;

/** Repositories that must be planned together: each by itself, unless a rule counts across the project. */
async function* repositoryGroups(store: Store, project: string, policy: RetentionPolicy): AsyncGenerator<string[]> {
  const all: string[] = [];
  for (let after = ""; ;) {
    const page = await listRepositoriesOf(store.db, project, { after, limit: repositoriesPerLook });
    all.push(...page);
    if (page.length < repositoriesPerLook) break;
    after = page.at(-1)!;
  }
  if (policy.rules.some(({ scope }) => scope === "per_project")) yield all;
  else for (const name of all) yield [name];
}

interface PlanWork extends RetentionRunOptions {
  readonly run: RetentionRunRecord;
  readonly lifetime: LifetimeRecord;
  readonly group: readonly RepositoryFacts[];
  readonly plan: RetentionPlan;
  readonly firstPosition: number;
}

async function* carryOutPlan(work: PlanWork): AsyncGenerator<Sums> {
  const { store, plan, group, firstPosition } = work;
  const records = plan.outcomes.map((outcome, index): RetentionOutcomeRecord => ({
    ...outcome,
    position: firstPosition + index,
    freedBytes: 0,
  }));
  for (const facts of group) {
    const units = plan.units.filter(({ repository }) => repository === facts.repository);
    if (units.length === 0) continue;
    const bytes = await measureUnits(store.db, { repository: facts.repository, units, signal: work.signal });
    for (const [index, unit] of units.entries()) {
      const first = unit.outcomes[0];
      if (first !== undefined) records[first] = { ...records[first]!, freedBytes: bytes[index]! };
    }
    if (!work.run.isDryRun) yield* dropAll(work, facts, { units, records });
  }
  // Of a run, what was dropped is written down by now.
  const left = records.filter(({ decision }) => work.run.isDryRun || decision === "kept");
  for (let start = 0; start < left.length; start += outcomesPerTransaction) {
    const part = left.slice(start, start + outcomesPerTransaction);
    await paced(work.signal, () => store.transaction(async (db) => await insertOutcomes(db, work.run.id, part)));
    yield sumsOf(part);
  }
}

interface Drops {
  readonly units: RetentionPlan["units"];
  /** By position in the plan; what stays after all is changed here. */
  readonly records: RetentionOutcomeRecord[];
}

async function* dropAll(work: PlanWork, facts: RepositoryFacts, { units, records }: Drops): AsyncGenerator<Sums> {
  const plannedTags = new Map(facts.tags.map((tag) => [tag.name, tag]));
  const { plan, run, store, pulls, signal } = work;
  for (let start = 0; start < units.length;) {
    const end = batchEnd(units, start);
    const batch = units.slice(start, end);
    start = end;
    const dropBatch = async (db: Store["db"]): Promise<Sums> => {
      await checkPolicy(db, work);
      const dropped: RetentionOutcomeRecord[] = [];
      for (const unit of batch) {
        const outcomes = unit.outcomes.map((position) => plan.outcomes[position]!);
        const drop: PlannedDrop = { unit, outcomes, facts, plannedTags };
        const change = await dropUnit(db, drop, { actor: run.actor, pulls });
        if (change === undefined) dropped.push(...unit.outcomes.map((position) => records[position]!));
        else
          for (const position of unit.outcomes)
            records[position] = { ...records[position]!, decision: "kept", reason: change, freedBytes: 0 };
      }
      await insertOutcomes(db, run.id, dropped);
      return sumsOf(dropped);
    };
    yield await paced(signal, () => store.transaction(dropBatch));
  }
}

function batchEnd(units: RetentionPlan["units"], start: number): number {
  let end = start;
  for (let count = 0; end < units.length && (end === start || count < membersPerTransaction); end++)
    count += units[end]!.members.length;
  return end;
}

/** A policy that was changed while it is carried out is not carried out any further. */
async function checkPolicy(db: Store["db"], { run, lifetime }: PlanWork): Promise<void> {
  const { retention } = await findLifetime(db, run.project);
  if (retention?.text !== lifetime.retention?.text)
    throw new Failure("conflict", `Cannot go on with retention: the policy of "${run.project}" was changed meanwhile`, {
      hint: "Run it again: what the old policy dropped is in the trash",
    });
}

function sumsOf(records: readonly RetentionOutcomeRecord[]): Sums {
  const dropped = records.filter(({ decision }) => decision === "dropped");
  return {
    keptCount: records.length - dropped.length,
    droppedCount: dropped.length,
    freedBytes: dropped.reduce((sum, { freedBytes }) => sum + freedBytes, 0),
  };
}
