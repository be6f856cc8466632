import { isoSeconds, newSecret, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type Permission } from "../model/access.ts";
import {
  type AccountChange,
  type AccountRecord,
  deleteAccount,
  findAccount,
  insertAccount,
  listAccounts,
  updateAccount,
} from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type Actor } from "./identity.ts";
import { type Passwords } from "./passwords.ts";
import { type Rights } from "./rights.ts";
import { warnOfEnds, warnedAtStart } from "./robot-ends.ts";
import { checkedEnd, checkedPermissions, checkedSecret, fullRobotName, mayManage, mayRotate } from "./robot-rules.ts";
import { isUsable } from "./sign-in.ts";

type Database = Store["db"];

/** A robot as it is listed; never with its secret. Instants are ISO 8601. */
interface Robot {
  /** With its prefix: `robot$ci`, or `robot$team+ci` for a robot of a project. */
  readonly name: string;
  /** Counts up; Harbor's clients name robots by it. */
  readonly number: number;
  /** Undefined for robots of the whole system. */
  readonly project: string | undefined;
  readonly description: string;
  readonly permissions: readonly Permission[];
  readonly createdAt: string;
  readonly createdBy: string;
  /** Undefined for a robot without an end. */
  readonly expiresAt: string | undefined;
  readonly lastUsedAt: string | undefined;
  /** Until when the secret before the last rotation is good. */
  readonly oldSecretUntil: string | undefined;
  readonly state: "active" | "disabled" | "expired";
}

/** What a new robot needs. */
interface NewRobot {
  /** Lower-case letters, digits, dots, dashes and underscores; `robot$`, and `PROJECT+`, may stand before it. */
  readonly name: string;
  /** Makes a robot of that project, whose permissions lie in it. */
  readonly project?: string | undefined;
  readonly permissions: readonly Permission[];
  readonly description?: string | undefined;
  /** ISO 8601, in the future; null for never, which only the administrator may say. */
  readonly expiresAt: string | null;
  /** Of the maker's choice, at least 8 characters; by default one is made. */
  readonly secret?: string | undefined;
  readonly actor: Actor;
}

/** What may change of a robot; what is absent stays. */
interface RobotChange {
  readonly name: string;
  readonly description?: string | undefined;
  readonly permissions?: readonly Permission[] | undefined;
  /** ISO 8601, in the future; null for never, which only the administrator may say. */
  readonly expiresAt?: string | null | undefined;
  readonly disabled?: boolean | undefined;
  readonly actor: Actor;
}

/** A new secret for a robot. */
interface Rotation {
  readonly name: string;
  /** How long the old secret stays good; a day by default, 0 ends it now. */
  readonly overlapSeconds?: number | undefined;
  readonly secret?: string | undefined;
  readonly actor: Actor;
}

/**
 * Makes, lists, changes and ends the accounts of machines.
 *
 * The administrator may do all; who has the ability `robots` in a project may do it with that project's robots, and
 * gives them no more than they may do themselves. @throws Failure `forbidden` else
 */
export interface Robots {
  /**
   * Makes a robot; its secret is told here and nowhere else. A robot of that name that has ended is replaced.
   *
   * @throws Failure `usage` where name, permissions or end are not sound, `conflict` where the name is in use
   */
  create(input: NewRobot): Promise<{ readonly name: string; readonly secret: string }>;
  /** All robots by name, ended ones too; or those of one project. */
  list(project?: string): Promise<Robot[]>;
  /** The robot of a name, with or without its prefix. */
  find(name: string): Promise<Robot | undefined>;
  /**
   * Changes description, permissions, end or state; a later end revives a robot that has ended.
   *
   * @throws Failure `not_found`, `usage`
   */
  change(input: RobotChange): Promise<Robot>;
  /**
   * Gives a robot a new secret; its end date stays.
   *
   * @throws Failure `not_found`, `conflict` where the robot has ended, `usage`
   */
  rotate(input: Rotation): Promise<{ readonly secret: string; readonly oldSecretUntil: string | undefined }>;
  /** Ends a robot and its tokens at once and keeps it in the list; false where there is none of that name. */
  disable(name: string, actor: Actor): Promise<boolean>;
  /** Removes a robot; false where there is none of that name. */
  remove(name: string, actor: Actor): Promise<boolean>;
  /** Writes `robot.expiring` for robots that end within 30, 7 or 1 days, once each; gives how many. */
  warn(): Promise<number>;
}

const overlapSecondsDefault = 86_400;
const overlapSecondsMax = 30 * 86_400;

interface RobotsOptions {
  readonly store: Store;
  readonly passwords: Passwords;
  readonly rights: Rights;
}

/** Opens the robots of a store. */
export function openRobots({ store, passwords, rights }: RobotsOptions): Robots {
  /** Runs a change of a robot that there is and that the actor may manage. */
  const changing = async <Result>(
    given: string,
    actor: Actor,
    work: (db: Database, robot: AccountRecord) => Promise<Result>,
  ): Promise<Result | undefined> =>
    await rights.change(async (db) => {
      const robot = await findAccount(db, fullRobotName(given));
      if (robot?.kind !== "robot") return undefined;
      mayManage(robot, actor);
      return await work(db, robot);
    });
  return {
    create: async (input) => await createRobot({ passwords, rights }, input),
    list: async (project) =>
      (await listAccounts(store.db, ["robot"]))
        .filter((robot) => project === undefined || robot.project === project)
        .map(robotOf),
    async find(name) {
      const robot = await findAccount(store.db, fullRobotName(name));
      return robot?.kind === "robot" ? robotOf(robot) : undefined;
    },
    async change(input) {
      const robot = await changing(input.name, input.actor, async (db, before) => await changeRobot(db, before, input));
      return robot ?? missing(input.name);
    },
    async rotate(input) {
      const fresh = await freshSecret(passwords, input);
      const rotated = await changing(
        input.name,
        input.actor,
        async (db, robot) => await rotateRobot(db, robot, { ...input, ...fresh }),
      );
      return rotated ?? missing(input.name);
    },
    disable: async (name, actor) =>
      (await changing(name, actor, async (db, robot) => {
        if (!robot.disabled) await changeRobot(db, robot, { name, disabled: true, actor });
        return true;
      })) ?? false,
    remove: async (name, actor) =>
      (await changing(name, actor, async (db, robot) => {
        await deleteAccount(db, robot.name);
        await addEvent(db, robot, { actor, action: "robot.deleted" });
        return true;
      })) ?? false,
    warn: async () => await warnOfEnds(store),
  };
}

async function createRobot(
  { passwords, rights }: Pick<RobotsOptions, "passwords" | "rights">,
  input: NewRobot,
): Promise<{ readonly name: string; readonly secret: string }> {
  const { actor, description = "" } = input;
  const project = input.project ?? null;
  const name = fullRobotName(input.name, input.project);
  mayManage({ name, project }, actor);
  const expiresAt = checkedEnd(name, input.expiresAt, actor);
  const permissions = checkedPermissions({ name, project, permissions: input.permissions, actor });
  const secret = input.secret === undefined ? newRobotSecret() : checkedSecret(name, input.secret);
  const secretHash = await passwords.hash(secret);
  await rights.change(async (db) => {
    const existing = await findAccount(db, name);
    if (existing !== undefined && isUsable(existing)) throw nameTaken(name);
    if (existing !== undefined) await deleteAccount(db, name);
    const robot = {
      name,
      kind: "robot" as const,
      secretHash,
      secretHint: hintOf(input.secret, secret),
      permissions,
      project,
      description,
      expiresAt,
      createdBy: actor.name,
    };
    if (!(await insertAccount(db, robot))) throw nameTaken(name);
    await updateAccount(db, name, { warnedDays: warnedAtStart(expiresAt) });
    const details = { permissions, expiresAt: endText(expiresAt) };
    await addEvent(db, robot, { actor, action: "robot.created", details });
  });
  return { name, secret };
}

async function changeRobot(db: Database, robot: AccountRecord, input: RobotChange): Promise<Robot> {
  const { description, disabled, actor } = input;
  const { name, project } = robot;
  const change: AccountChange = {
    ...(description === undefined ? {} : { description }),
    ...(disabled === undefined ? {} : { disabled }),
    ...(input.permissions === undefined
      ? {}
      : { permissions: checkedPermissions({ name, project, permissions: input.permissions, actor }) }),
    ...(input.expiresAt === undefined ? {} : endChange(checkedEnd(name, input.expiresAt, actor))),
  };
  await updateAccount(db, name, change);
  const { warnedDays: _, ...told } = change;
  const details = { ...told, ...(told.expiresAt === undefined ? {} : { expiresAt: endText(told.expiresAt) }) };
  await addEvent(db, robot, { actor, action: "robot.changed", details });
  return robotOf((await findAccount(db, name))!);
}

function endChange(expiresAt: number | null): AccountChange {
  return { expiresAt, warnedDays: warnedAtStart(expiresAt) };
}

/** A secret with its hash, and until when the one before stays good. */
interface FreshSecret {
  readonly secret: string;
  readonly hash: string;
  readonly hint: string | null;
  readonly until: number | undefined;
}

async function freshSecret(passwords: Passwords, input: Rotation): Promise<FreshSecret> {
  const { name, overlapSeconds = overlapSecondsDefault } = input;
  if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > overlapSecondsMax)
    throw new Failure("usage", `Cannot rotate the robot "${name}": the overlap is not 0 seconds to 30 days`);
  const secret = input.secret === undefined ? newRobotSecret() : checkedSecret(name, input.secret);
  const until = overlapSeconds === 0 ? undefined : nowMs() + overlapSeconds * 1000;
  return { secret, hash: await passwords.hash(secret), hint: hintOf(input.secret, secret), until };
}

async function rotateRobot(
  db: Database,
  robot: AccountRecord,
  { secret, hash, hint, until, actor }: FreshSecret & { readonly actor: Actor },
): Promise<{ readonly secret: string; readonly oldSecretUntil: string | undefined }> {
  if (!isUsable(robot))
    throw new Failure("conflict", `Cannot rotate the robot "${robot.name}": it has ended`, {
      hint: "Prolong or enable it first, or make it again under the same name",
    });
  mayRotate(robot, actor);
  await updateAccount(db, robot.name, {
    secret: { hash, hint },
    oldSecret: until === undefined ? null : { hash: robot.secretHash!, hint: robot.secretHint, until },
  });
  const oldSecretUntil = until === undefined ? undefined : isoSeconds(until);
  const details = { oldSecretUntil: oldSecretUntil ?? "now" };
  await addEvent(db, robot, { actor, action: "robot.rotated", details });
  return { secret, oldSecretUntil };
}

interface RobotEvent {
  readonly actor: Actor;
  readonly action: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

async function addEvent(
  db: Database,
  robot: Pick<AccountRecord, "name" | "project">,
  { actor, action, details = {} }: RobotEvent,
): Promise<void> {
  const project = robot.project ?? undefined;
  await addAuditEvent(db, { actor: actor.name, action, subject: robot.name, project, details });
}

function robotOf(account: AccountRecord): Robot {
  const { oldSecret } = account;
  return {
    name: account.name,
    number: account.number,
    project: account.project ?? undefined,
    description: account.description,
    permissions: account.permissions,
    createdAt: isoSeconds(account.createdAt),
    createdBy: account.createdBy,
    expiresAt: account.expiresAt === null ? undefined : isoSeconds(account.expiresAt),
    lastUsedAt: account.lastUsedAt === null ? undefined : isoSeconds(account.lastUsedAt),
    oldSecretUntil: oldSecret === undefined || nowMs() >= oldSecret.until ? undefined : isoSeconds(oldSecret.until),
    state: account.disabled ? "disabled" : isUsable(account) ? "active" : "expired",
  };
}

function endText(expiresAt: number | null): string {
  return expiresAt === null ? "never" : isoSeconds(expiresAt);
}

function nameTaken(name: string): Failure {
  return new Failure("conflict", `Cannot make the robot "${name}": there is one of that name`, {
    hint: "Rotate its secret, or disable it first",
  });
}

function missing(name: string): never {
  throw new Failure("not_found", `Cannot find the robot "${name}"`);
}

/** Begins with letters: no option of a command line, and found by scanners for leaked secrets. */
function newRobotSecret(): string {
  return `mmr_${newSecret(32)}`;
}

/** Enough of a made secret to tell it from another, and too little to help in guessing it; nothing of a chosen one. */
function hintOf(chosen: string | undefined, secret: string): string | null {
  return chosen === undefined ? secret.slice(0, 8) : null;
}
