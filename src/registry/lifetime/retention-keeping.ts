import { newId, nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { type Queue, type RunContext, type Schedules } from "../../jobs/jobs.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findLifetime, listRetentionTexts, type RetentionText, saveRetention } from "../../store/lifetime-records.ts";
import {
  findRetentionRun,
  insertRetentionRun,
  listOutcomes,
  listRetentionRuns,
  type OutcomesPage,
  type RetentionOutcomeRecord,
  type RetentionRunRecord,
} from "../../store/retention-run-records.ts";
import { type Store } from "../../store/store.ts";
import { type PullCounts } from "./pull-counts.ts";
import { readRetentionPolicy, type RetentionPolicy } from "./retention-policy.ts";
import { carryOutRetention } from "./retention-run.ts";
import { requireProject } from "./rule-keeping.ts";

/** A policy as it was given and as it is read. */
interface StoredRetention extends RetentionText {
  readonly policy: RetentionPolicy;
}

/** A run that is asked for. */
interface RetentionWish {
  readonly project: string;
  readonly isDryRun: boolean;
  readonly actor: string;
}

/** Retention policies and their runs. */
export interface RetentionKeeping {
  find(project: string): Promise<StoredRetention | undefined>;
  /** Sets the policy of a project from its YAML. @throws Failure `usage` with the line, `not_found` */
  set(project: string, text: string, actor: string): Promise<StoredRetention>;
  /** False where there was none. */
  remove(project: string, actor: string): Promise<boolean>;
  /** Queues a run, or a dry run that changes nothing, and returns its id. @throws Failure `not_found` */
  start(wish: RetentionWish): Promise<string>;
  run(id: string): Promise<RetentionRunRecord | undefined>;
  /** The runs of a project, newest first. */
  runs(
    project: string,
    page: { readonly before?: string | undefined; readonly limit: number },
  ): Promise<RetentionRunRecord[]>;
  /** What a run decided about every tag, in its order. */
  outcomes(id: string, page: OutcomesPage): Promise<RetentionOutcomeRecord[]>;
}

/** What retention is kept with. */
export interface RetentionOptions {
  readonly store: Store;
  readonly pulls: PullCounts;
  readonly queue: Queue;
  readonly schedules: Schedules;
  /** Whether the process stands for long: only then are schedules and runs that wait taken up by themselves. */
  readonly isStanding: boolean;
  /** Called after a run that dropped something. */
  readonly onDropped?: (project: string) => Promise<void>;
}

const jobName = "retention";

/** Opens the retention of a store; what is scheduled is taken up, and runs that were stopped go on. */
export async function openRetentionKeeping(options: RetentionOptions): Promise<RetentionKeeping> {
  const { store, schedules, isStanding } = options;
  const define = openJob(options);
  const start = async (wish: RetentionWish): Promise<string> => {
    define();
    return await startRun(options, wish);
  };
  const schedule = async (project: string, cron: string | undefined): Promise<void> => {
    const name = `retention:${project}`;
    const begin = async (): Promise<void> => {
      // A policy goes with its project, and nobody tells the schedules.
      if ((await findPolicy(store, project)) === undefined) await schedules.remove(name);
      else await start({ project, isDryRun: false, actor: "schedule" });
    };
    await (cron === undefined ? schedules.remove(name) : schedules.set({ name, cron, start: begin }));
  };
  if (isStanding) {
    define();
    for (const { project, text } of await listRetentionTexts(store.db))
      await schedule(project, readRetentionPolicy(text).schedule);
  }
  return {
    start,
    find: async (project) => await findPolicy(store, project),
    async set(project, text, actor) {
      const policy = readRetentionPolicy(text);
      const stored = { text, setBy: actor, setAt: nowMs() };
      await savePolicy(store, project, { stored, actor });
      await schedule(project, policy.schedule);
      return { ...stored, policy };
    },
    async remove(project, actor) {
      if ((await findPolicy(store, project)) === undefined) return false;
      await savePolicy(store, project, { stored: undefined, actor });
      await schedule(project, undefined);
      return true;
    },
    run: async (id) => await findRetentionRun(store.db, id),
    runs: async (project, page) => await listRetentionRuns(store.db, project, page),
    outcomes: async (id, page) => await listOutcomes(store.db, id, page),
  };
}

/** Says once who does the work, as soon as this process is to do it. */
function openJob({ store, pulls, queue, onDropped }: RetentionOptions): () => void {
  let isDefined = false;
  const work = async ({ input, signal }: RunContext): Promise<unknown> => {
    const { id } = input as { id: string };
    const run = await carryOutRetention({ store, pulls, signal }, id);
    if (!run.isDryRun && run.droppedCount > 0) await onDropped?.(run.project);
    return { kept: run.keptCount, dropped: run.droppedCount, freedBytes: run.freedBytes };
  };
  return () => {
    if (!isDefined) queue.define(jobName, 1, work, { attemptsMax: 1 });
    isDefined = true;
  };
}

async function startRun({ store, queue }: RetentionOptions, wish: RetentionWish): Promise<string> {
  const { project, isDryRun, actor } = wish;
  if ((await findPolicy(store, project)) === undefined)
    throw new Failure("not_found", `Cannot run retention: the project "${project}" has no policy`, {
      hint: `Set one with \`mintmark retention set ${project} --file retention.yaml\``,
    });
  const id = newId();
  await insertRetentionRun(store.db, { id, project, actor, isDryRun });
  await queue.enqueue({ name: jobName, input: { id, project }, concurrencyKey: `retention:${project}` });
  return id;
}

async function findPolicy({ db }: Store, project: string): Promise<StoredRetention | undefined> {
  const { retention } = await findLifetime(db, project);
  return retention === undefined ? undefined : { ...retention, policy: readRetentionPolicy(retention.text) };
}

interface PolicyChange {
  readonly stored: RetentionText | undefined;
  readonly actor: string;
}

async function savePolicy(store: Store, project: string, { stored, actor }: PolicyChange): Promise<void> {
  await store.transaction(async (db) => {
    await requireProject(db, project);
    await saveRetention(db, project, stored);
    const details = { retention: stored === undefined ? "removed" : stored.text };
    await addAuditEvent(db, { actor, action: "project.changed", subject: project, details });
  });
}
