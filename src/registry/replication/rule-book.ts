import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { nextInstant } from "../../jobs/jobs.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import {
  deleteReplicationRule,
  findReplicationRule,
  listReplicationRules,
  putReplicationRule,
  type ReplicationRuleRecord,
} from "../../store/replication-records.ts";
import { type Store } from "../../store/store.ts";
import { type Peers } from "../remote/peers.ts";
import { startRule } from "./listing.ts";
import { type Replication, type ReplicationOptions, type ReplicationRule } from "./replication.ts";
import { readSettings, type RuleSettings } from "./rules.ts";

/** What is asked about rules and done to them. */
export function rulesOf(options: ReplicationOptions): Pick<Replication, "rules" | "rule" | "setRule" | "removeRule"> {
  const { store, peers, schedules } = options;
  return {
    rules: async () =>
      await Promise.all((await listReplicationRules(store.db)).map(async (rule) => await shown(peers, rule))),
    rule: async (name) => await shown(peers, await knownRule(store, name)),
    async setRule({ name, peer, direction, isEnabled, ...settings }, actor) {
      checkRule({ name, direction, settings });
      const { id } = await peers.open(peer);
      const rule = { name, peer: id, direction, settings: JSON.stringify(settings), isEnabled };
      await store.transaction(async (db) => {
        const before = await findReplicationRule(db, name);
        if (before !== undefined && before.direction !== direction)
          throw new Failure("conflict", `Cannot turn the rule "${name}" round: it ${before.direction}es`, {
            hint: "Make another rule, and remove this one",
          });
        await putReplicationRule(db, rule, actor);
        const { keys: _, ...details } = settings;
        await addAuditEvent(db, {
          actor,
          action: "replication.changed",
          subject: name,
          details: { peer, direction, isEnabled, ...details },
        });
      });
      const after = await knownRule(store, name);
      if (options.isStanding) await setSchedule(options, after);
      return await shown(peers, after);
    },
    async removeRule(name, actor) {
      const { id } = await knownRule(store, name);
      await store.transaction(async (db) => {
        await deleteReplicationRule(db, id);
        await addAuditEvent(db, { actor, action: "replication.changed", subject: name, details: { removed: true } });
      });
      await schedules.remove(scheduleName(id));
    },
  };
}

const nameForm = /^[a-z0-9][a-z0-9.-]{0,62}$/;

function checkRule({ name, direction, settings }: { name: string; direction: string; settings: RuleSettings }): void {
  if (!nameForm.test(name))
    throw new Failure("usage", `Cannot name a rule "${name}": lower-case letters, digits, dots and dashes do`);
  readSettings(settings);
  if (settings.trigger.kind === "schedule") nextInstant(settings.trigger.cron, nowMs());
  if (settings.labels.length > 0 && direction === "pull")
    throw new Failure("usage", `Cannot use the replication rule "${name}": labels are this registry's own`, {
      hint: "Select what is pulled by repository and tag",
    });
  if (settings.trigger.kind === "event" && direction === "pull")
    throw new Failure("usage", `Cannot use the replication rule "${name}": nobody tells us what happens elsewhere`, {
      hint: "Pull by a schedule, or push by event from the other side",
    });
}

/** A rule by its name. @throws Failure `not_found` */
export async function knownRule(store: Store, name: string): Promise<ReplicationRuleRecord> {
  const rule = await findReplicationRule(store.db, name);
  if (rule === undefined)
    throw new Failure("not_found", `Cannot find the replication rule "${name}": there is none of that name`, {
      hint: "`mintmark replication list` shows all",
    });
  return rule;
}

async function shown(peers: Peers, rule: ReplicationRuleRecord): Promise<ReplicationRule> {
  const { name, direction, isEnabled, settings } = rule;
  const peer = (await peers.open(rule.peer)).name;
  return { name, peer, direction, isEnabled, ...(JSON.parse(settings) as RuleSettings) };
}

function scheduleName(id: string): string {
  return `replication:${id}`;
}

/** Sees that a rule with a schedule is started by it, and no other. */
export async function setSchedule(options: ReplicationOptions, rule: ReplicationRuleRecord): Promise<void> {
  const { trigger } = JSON.parse(rule.settings) as RuleSettings;
  if (trigger.kind !== "schedule" || !rule.isEnabled) return await options.schedules.remove(scheduleName(rule.id));
  await options.schedules.set({
    name: scheduleName(rule.id),
    cron: trigger.cron,
    start: async () => void (await startRule(options, rule, { trigger: "schedule", actor: "schedule" })),
  });
}
