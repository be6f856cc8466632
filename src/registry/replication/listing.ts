import { toFailure } from "../../base/errors.ts";
import { type RunContext } from "../../jobs/jobs.ts";
import {
  addReplicationExecution,
  addReplicationTasks,
  endReplicationExecution,
  findReplicationRule,
  listReplicationTasks,
  newExecutionId,
} from "../../store/replication-records.ts";
import { type ReplicationOptions } from "./replication.ts";
import { readSettings, type RuleSettings } from "./rules.ts";
import { listWanted, type Wanted } from "./selection.ts";
import { type TaskInput } from "./task.ts";

interface Start {
  readonly trigger: "manual" | "schedule";
  readonly actor: string;
}

/** Starts a rule and gives the id of the execution. One list of a rule is made at a time. */
export async function startRule(
  { store, queue }: ReplicationOptions,
  rule: { readonly id: string },
  start: Start,
): Promise<string> {
  const id = newExecutionId();
  const input: ListingInput = { ...start, execution: id, rule: rule.id };
  const runId = await queue.enqueue({ name: "replication", input, concurrencyKey: `replication:${rule.id}` });
  await store.transaction(async (db) => await addReplicationExecution(db, { ...start, id, rule: rule.id, runId }));
  return id;
}

/** Lists what a rule is to do now, and queues it. */
export async function runListing(
  options: ReplicationOptions,
  job: RunContext,
): Promise<{ readonly taskCount: number }> {
  const { store, registry, peers } = options;
  const { execution, rule: id, trigger, actor } = job.input as ListingInput;
  const rule = await findReplicationRule(store.db, id);
  if (rule === undefined) return { taskCount: 0 };
  // The job may be quicker than who queued it.
  await store.transaction(
    async (db) => await addReplicationExecution(db, { id: execution, rule: id, trigger, actor, runId: job.runId }),
  );
  try {
    const selection = readSettings(JSON.parse(rule.settings) as RuleSettings);
    const peer = await peers.open(rule.peer);
    const wanted = await listWanted(
      { store, registry, peer, direction: rule.direction, signal: job.signal },
      selection,
    );
    await addTasks(options, { execution, rule: id }, wanted);
    await endReplicationExecution(store.db, execution, undefined);
    return { taskCount: wanted.length };
  } catch (error) {
    if (!job.signal.aborted) await endReplicationExecution(store.db, execution, toFailure(error).message);
    throw error;
  }
}

interface ListingInput extends Start, ExecutionName {}

interface ExecutionName {
  readonly execution: string;
  readonly rule: string;
}

/** Queues what an execution is to do; what an earlier try of it has queued is left alone. */
export async function addTasks(
  { store, queue }: ReplicationOptions,
  { execution, rule }: ExecutionName,
  wanted: readonly Wanted[],
): Promise<void> {
  const queued = new Set<string>();
  for (let after = ""; ;) {
    const page = await listReplicationTasks(store.db, { execution, after, limit: 500 });
    for (const { operation, source, reference } of page) queued.add(`${operation} ${source} ${reference}`);
    if (page.length < 500) break;
    after = page.at(-1)!.id;
  }
  for (const one of wanted) {
    const { operation, source, destination, tag } = one;
    if (queued.has(`${operation} ${source} ${tag}`)) continue;
    const input: TaskInput = { ...one, rule };
    const runId = await queue.enqueue({
      name: "replication-task",
      input,
      concurrencyKey: laneOf(`${rule} ${source}`),
      dedupeKey: `replication:${execution}:${operation}:${source}:${tag}`,
    });
    await addReplicationTasks(store.db, [{ execution, rule, operation, source, destination, reference: tag, runId }]);
  }
}

/** Jobs of replication at the same time: builds and scans need slots too. */
const laneCount = 2;

/** Images of one repository share most of their blobs: one after the other, the second finds them there. */
function laneOf(text: string): string {
  let sum = 0;
  for (const char of text) sum = (sum * 31 + char.codePointAt(0)!) % 65_521;
  return `replication-lane:${sum % laneCount}`;
}
