import { sql } from "kysely";
import { newId, nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** A rule as it is stored; its settings are the registry's own document. */
export interface ReplicationRuleRecord {
  readonly id: string;
  readonly name: string;
  /** The id of the peer. */
  readonly peer: string;
  readonly direction: "push" | "pull";
  /** JSON. */
  readonly settings: string;
  readonly isEnabled: boolean;
  /** Milliseconds since 1970, as all instants here. */
  readonly createdAt: number;
  readonly changedAt: number;
  readonly createdBy: string;
}

/** What of a rule is chosen. */
export type ReplicationRuleChoice = Pick<
  ReplicationRuleRecord,
  "name" | "peer" | "direction" | "settings" | "isEnabled"
>;

/** Adds a rule or changes the one of its name; its direction and maker stay. Call it in a transaction. */
export async function putReplicationRule(db: Database, rule: ReplicationRuleChoice, actor: string): Promise<void> {
  const columns = {
    peer: rule.peer,
    settings: rule.settings,
    enabled: rule.isEnabled ? 1 : 0,
    changed_at: nowMs(),
  };
  await db
    .insertInto("replication_rules")
    .values({
      id: newId(),
      name: rule.name,
      direction: rule.direction,
      ...columns,
      created_at: nowMs(),
      created_by: actor,
    })
    .onConflict((conflict) => conflict.column("name").doUpdateSet(columns))
    .execute();
}

/** A rule by its name or id. */
export async function findReplicationRule(db: Database, nameOrId: string): Promise<ReplicationRuleRecord | undefined> {
  const row = await db
    .selectFrom("replication_rules")
    .selectAll()
    .where((where) => where.or([where("name", "=", nameOrId), where("id", "=", nameOrId)]))
    .executeTakeFirst();
  return row === undefined ? undefined : ruleOf(row);
}

/** All rules by name. */
export async function listReplicationRules(db: Database): Promise<ReplicationRuleRecord[]> {
  return (await db.selectFrom("replication_rules").selectAll().orderBy("name").execute()).map(ruleOf);
}

/** Removes a rule with its executions and tasks. */
export async function deleteReplicationRule(db: Database, id: string): Promise<void> {
  await db.deleteFrom("replication_rules").where("id", "=", id).execute();
}

function ruleOf(row: {
  id: string;
  name: string;
  peer: string;
  direction: "push" | "pull";
  settings: string;
  enabled: number;
  created_at: number;
  changed_at: number;
  created_by: string;
}): ReplicationRuleRecord {
  const { id, name, peer, direction, settings } = row;
  return {
    id,
    name,
    peer,
    direction,
    settings,
    isEnabled: row.enabled === 1,
    createdAt: row.created_at,
    changedAt: row.changed_at,
    createdBy: row.created_by,
  };
}

/** A start of a rule. */
export interface NewReplicationExecution {
  readonly id: string;
  readonly rule: string;
  readonly trigger: "manual" | "schedule" | "event";
  readonly actor: string;
  /** The job that makes the list of tasks; undefined where there is none. */
  readonly runId: string | undefined;
}

/** A new id for an execution: its job carries it. */
export function newExecutionId(): string {
  return newId();
}

/** Executions of one rule that are kept. */
const executionsKept = 200;

/** Adds an execution; the oldest of the rule beyond the newest 200 go with their tasks. Call it in a transaction. */
export async function addReplicationExecution(db: Database, execution: NewReplicationExecution): Promise<void> {
  const { id, rule, trigger, actor, runId } = execution;
  await db
    .insertInto("replication_executions")
    .values({ id, rule, trigger, actor, run_id: runId ?? null, started_at: nowMs(), ended_at: null, problem: null })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
  const oldest = await db
    .selectFrom("replication_executions")
    .select("id")
    .where("rule", "=", rule)
    .orderBy("id", "desc")
    .offset(executionsKept)
    .limit(1)
    .executeTakeFirst();
  if (oldest === undefined) return;
  await db.deleteFrom("replication_executions").where("rule", "=", rule).where("id", "<=", oldest.id).execute();
}

/** Notes that the list of tasks is complete, or why there is none. */
export async function endReplicationExecution(db: Database, id: string, problem: string | undefined): Promise<void> {
  await db
    .updateTable("replication_executions")
    .set({ ended_at: nowMs(), problem: problem ?? null })
    .where("id", "=", id)
    .execute();
}

/** The states of tasks, as those of their jobs. */
type TaskState = "queued" | "running" | "succeeded" | "failed" | "cancelled";

/** An execution with its tasks in numbers. */
export interface ReplicationExecutionRecord {
  readonly id: string;
  /** The id of the rule. */
  readonly rule: string;
  readonly trigger: "manual" | "schedule" | "event";
  readonly actor: string;
  readonly startedAt: number;
  /** When the list of tasks was complete. */
  readonly listedAt: number | undefined;
  readonly problem: string | undefined;
  readonly counts: Readonly<Record<TaskState, number>>;
}

/** The executions of a rule, or of all, newest first. */
export async function listReplicationExecutions(
  db: Database,
  page: { readonly rule: string | undefined; readonly limit: number; readonly id?: string },
): Promise<ReplicationExecutionRecord[]> {
  const rows = await db
    .selectFrom("replication_executions")
    .selectAll()
    .$if(page.rule !== undefined, (query) => query.where("rule", "=", page.rule!))
    .$if(page.id !== undefined, (query) => query.where("id", "=", page.id!))
    .orderBy("id", "desc")
    .limit(page.limit)
    .execute();
  const counted = await countTasks(
    db,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => ({
    id: row.id,
    rule: row.rule,
    trigger: row.trigger,
    actor: row.actor,
    startedAt: row.started_at,
    listedAt: row.ended_at ?? undefined,
    problem: row.problem ?? undefined,
    counts: { ...noTasks, ...counted.get(row.id) },
  }));
}

const noTasks: Readonly<Record<TaskState, number>> = { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 };

async function countTasks(
  db: Database,
  executions: readonly string[],
): Promise<Map<string, Partial<Record<TaskState, number>>>> {
  const counts = new Map<string, Partial<Record<TaskState, number>>>();
  if (executions.length === 0) return counts;
  const rows = await db
    .selectFrom("replication_tasks")
    .innerJoin("runs", "runs.id", "replication_tasks.run_id")
    .select(["replication_tasks.execution", "runs.state", (columns) => columns.fn.countAll<number>().as("count")])
    .where("replication_tasks.execution", "in", executions)
    .groupBy(["replication_tasks.execution", "runs.state"])
    .execute();
  for (const { execution, state, count } of rows)
    counts.set(execution, { ...counts.get(execution), [state]: Number(count) });
  return counts;
}

/** How many tasks of all rules are in each state. */
export async function countReplicationTasks(db: Database): Promise<Record<TaskState, number>> {
  const rows = await db
    .selectFrom("replication_tasks")
    .innerJoin("runs", "runs.id", "replication_tasks.run_id")
    .select(["runs.state", (columns) => columns.fn.countAll<number>().as("count")])
    .groupBy("runs.state")
    .execute();
  return { ...noTasks, ...Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)])) };
}

/** One image that an execution moves. */
export interface NewReplicationTask {
  readonly execution: string;
  readonly rule: string;
  readonly operation: "copy" | "delete";
  readonly source: string;
  readonly destination: string;
  /** The tag. */
  readonly reference: string;
  readonly runId: string;
}

/** Adds tasks of one execution. */
export async function addReplicationTasks(db: Database, tasks: readonly NewReplicationTask[]): Promise<void> {
  const now = nowMs();
  for (let start = 0; start < tasks.length; start += 50)
    await db
      .insertInto("replication_tasks")
      .values(
        tasks.slice(start, start + 50).map(({ runId, ...task }) => ({
          ...task,
          id: newId(),
          run_id: runId,
          created_at: now,
          outcome: null,
          note: null,
          sent_bytes: 0,
          sent_count: 0,
        })),
      )
      .execute();
}

/** What a job came to. */
export interface ReplicationOutcome {
  readonly outcome: string;
  readonly note: string | undefined;
  readonly sentBytes: number;
  readonly sentCount: number;
}

/** Notes what the job of a task came to; what earlier tries sent counts too. */
export async function recordReplicationOutcome(db: Database, runId: string, result: ReplicationOutcome): Promise<void> {
  await db
    .updateTable("replication_tasks")
    .set({
      outcome: result.outcome,
      note: result.note ?? null,
      sent_bytes: result.sentBytes,
      sent_count: result.sentCount,
    })
    .where("run_id", "=", runId)
    .execute();
}

/** A task with the state of its job. */
export interface ReplicationTaskRecord extends NewReplicationTask {
  readonly id: string;
  readonly state: TaskState;
  readonly outcome: string | undefined;
  readonly note: string | undefined;
  readonly sentBytes: number;
  readonly sentCount: number;
  /** How often it failed so far. */
  readonly failureCount: number;
  /** Why it failed, the last time. */
  readonly failure: { readonly code: string; readonly message: string } | undefined;
  readonly createdAt: number;
  readonly endedAt: number | undefined;
}

/** Tasks in the order of their making, after the one with the id `after` ("" for all). */
export async function listReplicationTasks(
  db: Database,
  page: {
    readonly execution?: string | undefined;
    readonly id?: string | undefined;
    readonly state?: TaskState | undefined;
    readonly after: string;
    readonly limit: number;
  },
): Promise<ReplicationTaskRecord[]> {
  const { execution, id, state } = page;
  const rows = await db
    .selectFrom("replication_tasks as t")
    .innerJoin("runs as r", "r.id", "t.run_id")
    .selectAll("t")
    .select(["r.state", "r.failure_count", "r.failure", "r.ended_at"])
    .$if(execution !== undefined, (query) => query.where("t.execution", "=", execution!))
    .$if(id !== undefined, (query) => query.where("t.id", "=", id!))
    .$if(state !== undefined, (query) => query.where("r.state", "=", state!))
    .where("t.id", ">", page.after)
    .orderBy("t.id")
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    execution: row.execution,
    rule: row.rule,
    operation: row.operation,
    source: row.source,
    destination: row.destination,
    reference: row.reference,
    runId: row.run_id,
    state: row.state as TaskState,
    outcome: row.outcome ?? undefined,
    note: row.note ?? undefined,
    sentBytes: row.sent_bytes,
    sentCount: row.sent_count,
    failureCount: row.failure_count,
    failure: row.failure === null ? undefined : (JSON.parse(row.failure) as { code: string; message: string }),
    createdAt: row.created_at,
    endedAt: row.ended_at ?? undefined,
  }));
}

/** Ids of the jobs of an execution that have not ended. */
export async function liveRunsOfExecution(db: Database, execution: string): Promise<string[]> {
  const rows = await sql<{ id: string }>`
    select distinct r.id as id from runs r
    where r.state in ('queued', 'running')
      and (r.id in (select run_id from replication_tasks where execution = ${execution})
        or r.id in (select run_id from replication_executions where id = ${execution}))
  `.execute(db);
  return rows.rows.map(({ id }) => id);
}
