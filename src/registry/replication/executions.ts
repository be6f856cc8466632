import { Failure } from "../../base/errors.ts";
import {
  endReplicationExecution,
  findReplicationRule,
  listReplicationExecutions,
  listReplicationTasks,
  liveRunsOfExecution,
  type ReplicationExecutionRecord,
} from "../../store/replication-records.ts";
import { startRule } from "./listing.ts";
import { type Replication, type ReplicationExecution, type ReplicationOptions } from "./replication.ts";
import { knownRule } from "./rule-book.ts";

/** What is asked about executions and done to them. */
export function executionsOf(
  options: ReplicationOptions,
): Pick<Replication, "start" | "executions" | "execution" | "tasks" | "stop" | "retry"> {
  const { store, queue } = options;
  const named = async (record: ReplicationExecutionRecord): Promise<ReplicationExecution> => {
    const { counts } = record;
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const rule = (await findReplicationRule(store.db, record.rule))?.name ?? record.rule;
    return { ...record, rule, total, state: stateOf(record) };
  };
  const one = async (id: string): Promise<ReplicationExecution> => {
    const [record] = await listReplicationExecutions(store.db, { rule: undefined, id, limit: 1 });
    if (record === undefined) throw new Failure("not_found", `Cannot find the replication "${id}": there is none`);
    return await named(record);
  };
  return {
    async start(name, actor) {
      const rule = await knownRule(store, name);
      if (!rule.isEnabled)
        throw new Failure("conflict", `Cannot start the replication rule "${name}": it is switched off`);
      return await startRule(options, rule, { trigger: "manual", actor });
    },
    async executions(name, limit) {
      const rule = name === undefined ? undefined : (await knownRule(store, name)).id;
      return await Promise.all((await listReplicationExecutions(store.db, { rule, limit })).map(named));
    },
    execution: one,
    tasks: async (page) => await listReplicationTasks(store.db, page),
    async stop(id) {
      await one(id);
      const runs = await liveRunsOfExecution(store.db, id);
      const stopped = await Promise.all(runs.map(async (run) => await queue.cancel(run)));
      if (runs.length > 0) await endReplicationExecution(store.db, id, "stopped on request");
      return stopped.filter(Boolean).length;
    },
    async retry(id) {
      const [task] = await listReplicationTasks(store.db, { id, after: "", limit: 1 });
      if (task === undefined) throw new Failure("not_found", `Cannot find the replication task "${id}": there is none`);
      return await queue.retry(task.runId);
    },
  };
}

function stateOf({ counts, listedAt, problem }: ReplicationExecutionRecord): ReplicationExecution["state"] {
  if (counts.queued + counts.running > 0 || listedAt === undefined) return "running";
  if (counts.cancelled > 0) return "stopped";
  return counts.failed > 0 || problem !== undefined ? "failed" : "succeeded";
}
