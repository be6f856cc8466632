import { isoSeconds, newSecret } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { replaceExternalGroups } from "../store/accounts-group-records.ts";
import {
  type AccountChange,
  type AccountRecord,
  deleteAccount,
  findAccount,
  findExternalAccount,
  insertAccount,
  listAccounts,
  updateAccount,
} from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { deleteSessionsOf } from "../store/session-records.ts";
import { type Store } from "../store/store.ts";
import { type ExternalPerson } from "./external.ts";
import { type Actor } from "./identity.ts";
import { type Passwords } from "./passwords.ts";
import { checkedEmail, checkedPassword, checkedPersonName } from "./people-rules.ts";
import { isSystemAdmin, type Rights } from "./rights.ts";

type Database = Store["db"];

/** A person's account as it is listed, the built-in administrator's too. Instants are ISO 8601. */
interface Person {
  readonly name: string;
  /** Counts up; Harbor's clients name accounts by it. */
  readonly number: number;
  readonly email: string | undefined;
  readonly isSystemAdmin: boolean;
  /** `local` has a password here; the password of others is kept elsewhere. */
  readonly origin: AccountRecord["origin"];
  readonly disabled: boolean;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly lastUsedAt: string | undefined;
}

/** What a new person's account needs. */
interface NewPerson {
  readonly name: string;
  readonly email?: string | undefined;
  /** By default one is made and told once. */
  readonly password?: string | undefined;
  readonly isSystemAdmin?: boolean | undefined;
  readonly actor: Actor;
}

/** What may change of a person's account; what is absent stays. */
interface PersonChange {
  readonly name: string;
  readonly email?: string | undefined;
  readonly isSystemAdmin?: boolean | undefined;
  readonly disabled?: boolean | undefined;
  readonly actor: Actor;
}

/** A new password. */
interface PasswordChange {
  readonly name: string;
  /** By default one is made and told once. */
  readonly password?: string | undefined;
  readonly actor: Actor;
}

/** Makes, lists, changes and ends the accounts of people; who may is asked before: all but the own password is the administrator's. */
export interface People {
  /** Makes an account; gives the password where one was made. @throws Failure `usage`, `conflict` */
  create(input: NewPerson): Promise<{ readonly name: string; readonly password: string | undefined }>;
  /** All people by name, the built-in administrator too. */
  list(): Promise<Person[]>;
  find(name: string): Promise<Person | undefined>;
  /** Changes an account. @throws Failure `not_found`, `conflict` for what the built-in administrator cannot lose */
  change(input: PersonChange): Promise<Person>;
  /**
   * Sets a password and ends everything that the one before opened; gives it where it was made.
   *
   * @throws Failure `not_found`, `usage`, `conflict` where a directory keeps the password
   */
  setPassword(input: PasswordChange): Promise<{ readonly password: string | undefined }>;
  /** Removes an account with its roles and tokens; false where there is none. @throws Failure `conflict` for the built-in one */
  remove(name: string, actor: Actor): Promise<boolean>;
  /**
   * Finds or makes the account of somebody whom a directory vouches for, with the groups of now; gives its name.
   *
   * @throws Failure `conflict` where another account has the name
   */
  admit(person: ExternalPerson): Promise<string>;
}

interface PeopleOptions {
  readonly store: Store;
  readonly passwords: Passwords;
  readonly rights: Rights;
  /** Called after the built-in administrator has another password than the one of the first run. */
  readonly onAdministratorPassword: () => Promise<void>;
}

/** Opens the people of a store. */
export function openPeople(options: PeopleOptions): People {
  const { store, rights } = options;
  return {
    create: async (input) => await createPerson(options, input),
    list: async () => (await listAccounts(store.db, ["administrator", "person"])).map(personOf),
    async find(name) {
      const account = await findAccount(store.db, name);
      return account === undefined || account.kind === "robot" ? undefined : personOf(account);
    },
    change: async (input) => await rights.change(async (db) => await changePerson(db, input)),
    setPassword: async (input) => await setPassword(options, input),
    remove: async (name, actor) =>
      await rights.change(async (db) => {
        const account = await findAccount(db, name);
        if (account === undefined || account.kind === "robot") return false;
        if (account.kind === "administrator") throw builtIn(name, "remove");
        await deleteAccount(db, name);
        await deleteSessionsOf(db, name);
        await addAuditEvent(db, { actor: actor.name, action: "account.deleted", subject: name });
        return true;
      }),
    admit: async (person) => await admitPerson(options, person),
  };
}

async function createPerson(
  { passwords, rights }: PeopleOptions,
  input: NewPerson,
): Promise<{ readonly name: string; readonly password: string | undefined }> {
  const name = checkedPersonName(input.name);
  const made = input.password === undefined ? newSecret(18) : undefined;
  const secretHash = await passwords.hash(made ?? checkedPassword(name, input.password!));
  const email = input.email === undefined ? null : checkedEmail(input.email);
  const account = { name, kind: "person" as const, secretHash, email, isSystemAdmin: input.isSystemAdmin === true };
  await rights.change(async (db) => {
    if (!(await insertAccount(db, { ...account, createdBy: input.actor.name })))
      throw new Failure("conflict", `Cannot make the account "${name}": there is one of that name`);
    const details = { isSystemAdmin: account.isSystemAdmin };
    await addAuditEvent(db, { actor: input.actor.name, action: "account.created", subject: name, details });
  });
  return { name, password: made };
}

async function changePerson(db: Database, input: PersonChange): Promise<Person> {
  const { name, isSystemAdmin: isAdmin, disabled, actor } = input;
  const account = await findAccount(db, name);
  if (account === undefined || account.kind === "robot") return missing(name);
  if (account.kind === "administrator" && (disabled === true || isAdmin === false)) throw builtIn(name, "weaken");
  const change: AccountChange = {
    ...(input.email === undefined ? {} : { email: input.email === "" ? null : checkedEmail(input.email) }),
    ...(isAdmin === undefined ? {} : { isSystemAdmin: isAdmin }),
    ...(disabled === undefined ? {} : { disabled }),
  };
  await updateAccount(db, name, change);
  await addAuditEvent(db, { actor: actor.name, action: "account.changed", subject: name, details: { ...change } });
  return personOf((await findAccount(db, name))!);
}

async function setPassword(
  { passwords, rights, onAdministratorPassword }: PeopleOptions,
  { name, password, actor }: PasswordChange,
): Promise<{ readonly password: string | undefined }> {
  const made = password === undefined ? newSecret(18) : undefined;
  const hash = await passwords.hash(made ?? checkedPassword(name, password!));
  const kind = await rights.change(async (db) => {
    const account = await findAccount(db, name);
    if (account === undefined || account.kind === "robot") return missing(name);
    if (account.origin !== "local")
      throw new Failure("conflict", `Cannot set the password of "${name}": it is kept by ${account.origin}`);
    await updateAccount(db, name, { secret: { hash, hint: null }, oldSecret: null });
    const details = { password: "changed" };
    await addAuditEvent(db, { actor: actor.name, action: "account.changed", subject: name, details });
    return account.kind;
  });
  if (kind === "administrator") await onAdministratorPassword();
  return { password: made };
}

/** Outer groups that are kept of one person. */
const outerGroupsMax = 1000;

async function admitPerson({ store, rights }: PeopleOptions, person: ExternalPerson): Promise<string> {
  const { origin, externalId } = person;
  const known = await findExternalAccount(store.db, { origin, externalId });
  const name = known?.name ?? checkedPersonName(person.name);
  const groups = person.groups.filter((group) => group.length <= 200).slice(0, outerGroupsMax);
  const email = person.email ?? null;
  if (known !== undefined && !isChanged(known, person)) {
    // The usual case changes nothing, and then nothing that is kept of anybody's rights is forgotten.
    await store.transaction(async (db) => await replaceExternalGroups(db, name, groups));
    return name;
  }
  await rights.change(async (db) => {
    const account = { name, kind: "person" as const, secretHash: null, email, origin, externalId, createdBy: origin };
    const isAdmin = person.isSystemAdmin ?? known?.isSystemAdmin ?? false;
    const isNew = known === undefined;
    if (isNew && !(await insertAccount(db, { ...account, isSystemAdmin: isAdmin })))
      throw new Failure("conflict", `Cannot sign in as "${name}": another account has that name`, {
        hint: "Ask the administrator to remove or rename it",
      });
    if (!isNew) await updateAccount(db, name, { email, isSystemAdmin: isAdmin });
    await replaceExternalGroups(db, name, groups);
    const action = isNew ? "account.created" : "account.changed";
    await addAuditEvent(db, { actor: origin, action, subject: name, details: { isSystemAdmin: isAdmin } });
  });
  return name;
}

function isChanged(known: AccountRecord, { email, isSystemAdmin: isAdmin }: ExternalPerson): boolean {
  return known.email !== (email ?? null) || (isAdmin !== undefined && isAdmin !== known.isSystemAdmin);
}

function personOf(account: AccountRecord): Person {
  return {
    name: account.name,
    number: account.number,
    email: account.email ?? undefined,
    isSystemAdmin: isSystemAdmin(account),
    origin: account.origin,
    disabled: account.disabled,
    createdAt: isoSeconds(account.createdAt),
    createdBy: account.createdBy,
    lastUsedAt: account.lastUsedAt === null ? undefined : isoSeconds(account.lastUsedAt),
  };
}

function missing(name: string): never {
  throw new Failure("not_found", `Cannot find the account "${name}"`);
}

function builtIn(name: string, verb: string): Failure {
  return new Failure("conflict", `Cannot ${verb} the account "${name}": it is the built-in administrator`, {
    hint: "Set a long password that nobody keeps, and name others as administrators",
  });
}
