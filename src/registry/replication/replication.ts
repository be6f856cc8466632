import { nowMs } from "../../base/clock.ts";
import { type Log } from "../../base/log.ts";
import { type EventFollower, followEvents, type Queue, type Schedules } from "../../jobs/jobs.ts";
import { type AuditRecord } from "../../store/event-records.ts";
import {
  countReplicationTasks,
  type listReplicationTasks,
  listReplicationRules,
  type ReplicationExecutionRecord,
  type ReplicationTaskRecord,
} from "../../store/replication-records.ts";
import { type Store } from "../../store/store.ts";
import { expireTransfers } from "../../store/transfer-records.ts";
import { type Registry } from "../registry.ts";
import { type Peers } from "../remote/peers.ts";
import { openThrottle, type Throttle } from "../remote/throttle.ts";
import { eventActions, startByEvents } from "./by-events.ts";
import { executionsOf } from "./executions.ts";
import { runListing } from "./listing.ts";
import { rulesOf, setSchedule } from "./rule-book.ts";
import { type RuleSettings } from "./rules.ts";
import { type SignatureCheck, type SignatureSource } from "./signatures.ts";
import { runTask, type TaskSite } from "./task.ts";

/** A rule as it is chosen and shown. */
export interface ReplicationRule extends RuleSettings {
  readonly name: string;
  /** The name of the peer. */
  readonly peer: string;
  readonly direction: "push" | "pull";
  readonly isEnabled: boolean;
}

/** A start of a rule with what became of it. */
export interface ReplicationExecution extends Omit<ReplicationExecutionRecord, "rule"> {
  /** The name of the rule. */
  readonly rule: string;
  /** `failed` where a task is dead or no list could be made; `running` until all tasks have ended. */
  readonly state: "running" | "succeeded" | "failed" | "stopped";
  readonly total: number;
}

/** Copies of images between registries, by rules. */
export interface Replication {
  rules(): Promise<ReplicationRule[]>;
  /** @throws Failure `not_found` */
  rule(name: string): Promise<ReplicationRule>;
  /** Adds a rule or changes the one of its name. @throws Failure `usage`, `not_found` for the peer, `conflict` */
  setRule(rule: ReplicationRule, actor: string): Promise<ReplicationRule>;
  removeRule(name: string, actor: string): Promise<void>;
  /** Starts a rule and returns the id of the execution. @throws Failure `not_found`, `conflict` where it is off */
  start(name: string, actor: string): Promise<string>;
  executions(rule: string | undefined, limit: number): Promise<ReplicationExecution[]>;
  /** @throws Failure `not_found` */
  execution(id: string): Promise<ReplicationExecution>;
  tasks(page: Parameters<typeof listReplicationTasks>[1]): Promise<ReplicationTaskRecord[]>;
  /** Stops what has not ended; gives how many jobs were told to. */
  stop(execution: string): Promise<number>;
  /** Begins a dead task again; false where it is not dead. */
  retry(task: string): Promise<boolean>;
  /** Tasks by state, and bytes moved since the start. */
  counts(): Promise<{
    readonly tasks: Readonly<Record<ReplicationTaskRecord["state"], number>>;
    readonly bytes: Readonly<Record<"push" | "pull", number>>;
  }>;
  /** Waits until what happened so far has been looked at. */
  caughtUp(): Promise<void>;
  close(): Promise<void>;
}

/** What replication stands on. */
export interface ReplicationOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly peers: Peers;
  readonly queue: Queue;
  readonly schedules: Schedules;
  readonly log: Log;
  readonly checkSignature: SignatureCheck;
  readonly localSignatures: SignatureSource;
  /** Whether events and schedules start rules here. */
  readonly isStanding: boolean;
}

/** How often an image is tried before its task is dead: about a quarter of an hour. */
const attemptsMax = 6;
const transfersKeptMs = 7 * 24 * 60 * 60_000;

/** Opens replication: its jobs, its schedules, and its ear for events. */
export async function openReplication(options: ReplicationOptions): Promise<Replication> {
  const { store, queue, log, isStanding } = options;
  const bytes = { push: 0, pull: 0 };
  const site: TaskSite = {
    ...options,
    throttleOf: openThrottles(),
    countBytes: (direction, count) => void (bytes[direction] += count),
  };
  queue.define("replication", 1, async (job) => await runListing(options, job), { attemptsMax: 4 });
  queue.define("replication-task", 1, async (job) => await runTask(site, job), { attemptsMax });
  await expireTransfers(store.db, nowMs() - transfersKeptMs);
  let follower: EventFollower | undefined;
  if (isStanding) {
    for (const rule of await listReplicationRules(store.db)) await setSchedule(options, rule);
    const handle = async (events: readonly AuditRecord[]): Promise<void> => await startByEvents(options, events);
    follower = await followEvents({ store, log, name: "replication", actions: eventActions, handle });
  }
  return {
    ...rulesOf(options),
    ...executionsOf(options),
    counts: async () => ({ tasks: await countReplicationTasks(store.db), bytes: { ...bytes } }),
    caughtUp: async () => await follower?.drain(),
    close: async () => await follower?.close(),
  };
}

function openThrottles(): TaskSite["throttleOf"] {
  const throttles = new Map<string, { readonly rate: number | undefined; readonly throttle: Throttle }>();
  return (rule, { bytesPerSecond }) => {
    const kept = throttles.get(rule);
    if (kept !== undefined && kept.rate === bytesPerSecond) return kept.throttle;
    const throttle = openThrottle(bytesPerSecond);
    throttles.set(rule, { rate: bytesPerSecond, throttle });
    return throttle;
  };
}
