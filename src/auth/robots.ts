import { isoSeconds, newSecret, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import {
  type AccountRecord,
  deleteRobotAccount,
  findAccount,
  insertAccount,
  listRobotAccounts,
  updateAccount,
} from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type Action, allActions, type Identity, isRepositoryPattern, type Permission } from "./identity.ts";
import { type Passwords } from "./passwords.ts";
import { isUsable } from "./sign-in.ts";

/** A robot as it is listed; never with its secret. */
interface Robot {
  /** With its prefix: `robot$ci`. */
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly mayBuild: boolean;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly createdBy: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  readonly state: "active" | "disabled" | "expired";
}

/** What a new robot needs. */
interface NewRobot {
  /** Lower-case letters, digits, dots, dashes and underscores; `robot$` may stand before it. */
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly mayBuild: boolean;
  /** ISO 8601, in the future. */
  readonly expiresAt: string;
  readonly actor: string;
}

/** Makes, lists, ends and renews the accounts of machines. */
export interface Robots {
  /**
   * Makes a robot; its secret is told here and nowhere else. A robot of that name that has ended is replaced.
   *
   * @throws Failure `usage` where name, permissions or end are not sound, `conflict` where the name is in use
   */
  createRobot(input: NewRobot): Promise<{ readonly name: string; readonly secret: string }>;
  /** All robots by name, ended ones too. */
  listRobots(): Promise<Robot[]>;
  /** Ends a robot and its tokens at once; false where there is none of that name. */
  disableRobot(name: string, actor: string): Promise<boolean>;
  /**
   * Gives a robot a new secret and ends the old one and its tokens at once; its end date stays.
   *
   * @throws Failure `not_found`, `conflict` where the robot has ended
   */
  rotateRobot(name: string, actor: string): Promise<{ readonly secret: string }>;
}

const prefix = "robot$";

/** Opens the robots of a store. */
export function openRobots({ store, passwords }: { readonly store: Store; readonly passwords: Passwords }): Robots {
  return {
    async createRobot(input) {
      const checked = checkedRobot(input);
      const { name } = checked;
      const secret = newRobotSecret();
      const secretHash = await passwords.hash(secret);
      await store.transaction(async (db) => {
        const existing = await findAccount(db, name);
        if (existing !== undefined && isUsable(existing)) throw nameTaken(name);
        if (existing !== undefined) await deleteRobotAccount(db, name);
        if (!(await insertAccount(db, { ...checked, secretHash }))) throw nameTaken(name);
        const details = { permissions: checked.permissions, expiresAt: isoSeconds(checked.expiresAt) };
        await addAuditEvent(db, { actor: input.actor, action: "robot.created", subject: name, details });
      });
      return { name, secret };
    },
    listRobots: async () => (await listRobotAccounts(store.db)).map(robotOf),
    disableRobot: async (given, actor) =>
      await store.transaction(async (db) => {
        const name = fullName(given);
        const existing = await findAccount(db, name);
        if (existing === undefined || existing.disabled) return existing !== undefined;
        await updateAccount(db, name, { disabled: true });
        await addAuditEvent(db, { actor, action: "robot.disabled", subject: name });
        return true;
      }),
    async rotateRobot(given, actor) {
      const name = fullName(given);
      const secret = newRobotSecret();
      const secretHash = await passwords.hash(secret);
      await store.transaction(async (db) => {
        const existing = await findAccount(db, name);
        if (existing === undefined) throw new Failure("not_found", `Cannot find the robot "${name}"`);
        if (!isUsable(existing))
          throw new Failure("conflict", `Cannot rotate the robot "${name}": it has ended`, {
            hint: "Make it again under the same name",
          });
        await updateAccount(db, name, { secretHash });
        await addAuditEvent(db, { actor, action: "robot.rotated", subject: name });
      });
      return { secret };
    },
  };
}

/** What an account may do. */
export function identityOf(account: AccountRecord): Identity {
  const isAdministrator = account.kind === "administrator";
  if (isAdministrator)
    return {
      name: account.name,
      role: "administrator",
      mayBuild: true,
      permissions: [{ repository: "*", actions: allActions }],
    };
  return { name: account.name, role: "robot", ...rightsOf(account) };
}

/** The store keeps the right to build among the actions. */
function rightsOf({ permissions }: AccountRecord): Pick<Identity, "permissions" | "mayBuild"> {
  return {
    mayBuild: permissions.some(({ actions }) => actions.includes("build")),
    permissions: permissions
      .map(({ repository, actions }) => ({
        repository,
        actions: actions.filter((action): action is Action => action !== "build"),
      }))
      .filter(({ actions }) => actions.length > 0),
  };
}

function robotOf(account: AccountRecord): Robot {
  return {
    name: account.name,
    ...rightsOf(account),
    createdAt: isoSeconds(account.createdAt),
    createdBy: account.createdBy,
    expiresAt: isoSeconds(account.expiresAt ?? account.createdAt),
    state: account.disabled ? "disabled" : isUsable(account) ? "active" : "expired",
  };
}

function checkedRobot(input: NewRobot): Omit<AccountRecord, "secretHash"> & { readonly expiresAt: number } {
  const name = fullName(input.name);
  const expiresAt = Date.parse(input.expiresAt);
  const refuse = (state: string): Failure => new Failure("usage", `Cannot make the robot "${name}": ${state}`);
  if (!/^robot\$[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
    throw refuse("its name must be lower-case letters, digits, dots, dashes and underscores");
  if (!(expiresAt > nowMs())) throw refuse("its end is not an instant in the future");
  for (const { repository, actions } of input.permissions) {
    if (!isRepositoryPattern(repository))
      throw refuse(`"${repository}" is neither a repository nor one followed by /*`);
    if (actions.length === 0) throw refuse(`nothing is allowed in "${repository}"`);
  }
  const building = input.mayBuild ? [{ repository: "*", actions: ["build"] as const }] : [];
  const permissions = [...input.permissions, ...building];
  if (permissions.length === 0) throw refuse("it would be allowed nothing");
  return { name, kind: "robot", permissions, createdAt: nowMs(), createdBy: input.actor, expiresAt, disabled: false };
}

function nameTaken(name: string): Failure {
  return new Failure("conflict", `Cannot make the robot "${name}": there is one of that name`, {
    hint: "Rotate its secret, or disable it first",
  });
}

function fullName(name: string): string {
  return name.startsWith(prefix) ? name : `${prefix}${name}`;
}

/** Begins with letters: no option of a command line, and found by scanners for leaked secrets. */
function newRobotSecret(): string {
  return `mmr_${newSecret(32)}`;
}
