import { isoSeconds, newId, nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { projectOf } from "../../model/permission.ts";
import { readTagScope, type TagScope } from "../../model/tag-scope.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findHold, type HoldRecord, insertHold, listHolds, releaseHold } from "../../store/hold-records.ts";
import { findLifetime, type HoldRule, type ImmutableRule, saveRules } from "../../store/lifetime-records.ts";
import { findProject } from "../../store/projects-records.ts";
import { type Store } from "../../store/store.ts";
import { resolveManifest } from "../manifests.ts";
import { isRefusal } from "../refusal.ts";

/** A rule that is to pin tags. */
interface NewPin extends TagScope {
  readonly project: string;
  readonly author: string;
}

/** A rule that is to hold images. */
interface NewHoldRule extends NewPin {
  readonly days: number;
  readonly reason: string;
}

/** A hold that is to be made, on an image by tag or digest. */
interface HoldWish {
  readonly repository: string;
  readonly reference: string;
  /** Milliseconds since 1970. */
  readonly untilAt: number;
  readonly author: string;
  readonly reason: string;
}

/** Who ends something, and why. */
interface Ending {
  readonly by: string;
  readonly reason: string;
}

/** The rules that pin and hold, and the holds on single images. */
export interface RuleKeeping {
  /** The rules of a project. */
  list(
    project: string,
  ): Promise<{ readonly immutability: readonly ImmutableRule[]; readonly holdRules: readonly HoldRule[] }>;
  /** @throws Failure `usage` for a pattern that cannot be read, `not_found`, `conflict` above the number of rules */
  pin(rule: NewPin): Promise<ImmutableRule>;
  /** False where there is no such rule. */
  unpin(project: string, id: string, actor: string): Promise<boolean>;
  /** @throws Failure `usage`, `not_found`, `conflict` as {@link RuleKeeping.pin} */
  addHoldRule(rule: NewHoldRule): Promise<HoldRule>;
  /** Ends a hold rule, and with it what it holds; false where there is no such rule. */
  removeHoldRule(project: string, id: string, ending: Ending): Promise<boolean>;
  /** @throws Failure `not_found`, `usage` for an instant that has passed */
  hold(wish: HoldWish): Promise<HoldRecord>;
  /** The hold of an id. */
  findHold(id: string): Promise<HoldRecord | undefined>;
  /** Ends a hold early; false where it has ended or never was. */
  release(id: string, ending: Ending): Promise<boolean>;
  /** The holds of a project, newest first, ended ones too. */
  holds(project: string, page: { readonly before?: string; readonly limit: number }): Promise<HoldRecord[]>;
}

/** Rules of one kind in a project: each push reads them all. */
const ruleCount = 100;

/** Opens the keeping of the rules of a store. */
export function openRuleKeeping(store: Store): RuleKeeping {
  const { db } = store;
  return {
    async list(project) {
      const { immutability, holdRules } = await findLifetime(db, project);
      return { immutability, holdRules };
    },
    pin: async (rule) => await store.transaction(async (inner) => await addPin(inner, rule)),
    unpin: async (project, id, actor) =>
      await store.transaction(async (inner) => await removePin(inner, { project, id, actor })),
    addHoldRule: async (rule) => await store.transaction(async (inner) => await addHoldRule(inner, rule)),
    removeHoldRule: async (project, id, ending) =>
      await store.transaction(async (inner) => await removeHoldRule(inner, { project, id, ending })),
    hold: async (wish) => await store.transaction(async (inner) => await addHold(inner, wish)),
    findHold: async (id) => await findHold(db, id),
    release: async (id, ending) => await store.transaction(async (inner) => await endHold(inner, id, ending)),
    holds: async (project, page) => await listHolds(db, project, page),
  };
}

type Database = Store["db"];

async function addPin(db: Database, { project, author, ...scope }: NewPin): Promise<ImmutableRule> {
  await checkScope(db, project, scope);
  const { immutability } = await findLifetime(db, project);
  checkCount(project, immutability);
  const rule: ImmutableRule = { id: newId(), ...scope, author, createdAt: nowMs() };
  await saveRules(db, project, { immutability: [...immutability, rule] });
  await addAuditEvent(db, {
    actor: author,
    action: "immutability.changed",
    subject: project,
    details: { added: rule },
  });
  return rule;
}

interface Removal {
  readonly project: string;
  readonly id: string;
  readonly actor: string;
}

async function removePin(db: Database, { project, id, actor }: Removal): Promise<boolean> {
  const { immutability } = await findLifetime(db, project);
  const rule = immutability.find((one) => one.id === id);
  if (rule === undefined) return false;
  await saveRules(db, project, { immutability: immutability.filter((one) => one !== rule) });
  await addAuditEvent(db, { actor, action: "immutability.changed", subject: project, details: { removed: rule } });
  return true;
}

async function addHoldRule(db: Database, { project, author, ...fields }: NewHoldRule): Promise<HoldRule> {
  await checkScope(db, project, fields);
  const { holdRules } = await findLifetime(db, project);
  checkCount(project, holdRules);
  const rule: HoldRule = { id: newId(), ...fields, author, createdAt: nowMs() };
  await saveRules(db, project, { holdRules: [...holdRules, rule] });
  await addAuditEvent(db, { actor: author, action: "hold.created", project, subject: project, details: { rule } });
  return rule;
}

async function removeHoldRule(
  db: Database,
  { project, id, ending }: Omit<Removal, "actor"> & { readonly ending: Ending },
): Promise<boolean> {
  const { holdRules } = await findLifetime(db, project);
  const rule = holdRules.find((one) => one.id === id);
  if (rule === undefined) return false;
  await saveRules(db, project, { holdRules: holdRules.filter((one) => one !== rule) });
  const details = { rule, reason: ending.reason };
  await addAuditEvent(db, { actor: ending.by, action: "hold.released", project, subject: project, details });
  return true;
}

async function addHold(db: Database, { reference, ...wish }: HoldWish): Promise<HoldRecord> {
  const { repository, author, untilAt, reason } = wish;
  const found = await resolveManifest(db, repository, reference);
  if (isRefusal(found)) throw new Failure("not_found", found.message.replace("find", "hold"));
  if (untilAt <= nowMs())
    throw new Failure("usage", `Cannot hold "${reference}" until ${isoSeconds(untilAt)}: that has passed`);
  const hold = await insertHold(db, { ...wish, digest: found.digest });
  await addAuditEvent(db, {
    actor: author,
    action: "hold.created",
    project: projectOf(repository),
    subject: `${repository}@${found.digest}`,
    details: { hold: hold.id, until: isoSeconds(untilAt), reason },
  });
  return hold;
}

async function endHold(db: Database, id: string, ending: Ending): Promise<boolean> {
  const hold = await findHold(db, id);
  if (hold === undefined || !(await releaseHold(db, id, ending))) return false;
  await addAuditEvent(db, {
    actor: ending.by,
    action: "hold.released",
    project: projectOf(hold.repository),
    subject: `${hold.repository}@${hold.digest}`,
    details: { hold: id, author: hold.author, until: isoSeconds(hold.untilAt), reason: ending.reason },
  });
  return true;
}

async function checkScope(db: Database, project: string, scope: TagScope): Promise<void> {
  await requireProject(db, project);
  const read = readTagScope(scope);
  if ("invalid" in read) throw new Failure("usage", `Cannot use ${read.invalid}`);
}

function checkCount(project: string, rules: readonly unknown[]): void {
  if (rules.length >= ruleCount)
    throw new Failure("conflict", `Cannot add a rule to the project "${project}": it has ${ruleCount} of them`, {
      hint: "Put several patterns into one: {v*,release-*}",
    });
}

/** @throws Failure `not_found` */
export async function requireProject(db: Database, project: string): Promise<void> {
  if ((await findProject(db, project)) === undefined)
    throw new Failure("not_found", `Cannot find the project "${project}"`, {
      hint: "`mintmark project list` shows those that are there",
    });
}
