import { nowMs } from "../base/clock.ts";
import { type Permission } from "../model/access.ts";
import { type Database } from "./database.ts";
import { countAccessChange } from "./projects-records.ts";
import { nextNumber } from "./sequence-records.ts";

/** An account as it is stored; instants are milliseconds since 1970. */
export interface AccountRecord {
  readonly name: string;
  /** Counts up; Harbor's clients name accounts by it. */
  readonly number: number;
  readonly kind: "administrator" | "person" | "robot";
  /** `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`, both base64url; null where a directory keeps the password. */
  readonly secretHash: string | null;
  /** How a made secret begins. */
  readonly secretHint: string | null;
  /** The secret before the last rotation, good until the instant in it. */
  readonly oldSecret: { readonly hash: string; readonly hint: string | null; readonly until: number } | undefined;
  readonly permissions: readonly Permission[];
  /** The project that a robot belongs to; null for robots of the whole system, and for people. */
  readonly project: string | null;
  readonly isSystemAdmin: boolean;
  readonly email: string | null;
  readonly description: string;
  readonly origin: "local" | "ldap" | "oidc";
  readonly externalId: string | null;
  readonly createdAt: number;
  readonly createdBy: string;
  /** Null for an account without an end. */
  readonly expiresAt: number | null;
  readonly warnedDays: number | null;
  readonly lastUsedAt: number | null;
  readonly disabled: boolean;
}

/** What a new account is made of; the rest is empty. */
export interface NewAccount extends Partial<Omit<AccountRecord, "number" | "oldSecret" | "createdAt">> {
  readonly name: string;
  readonly kind: AccountRecord["kind"];
  readonly secretHash: string | null;
  readonly createdBy: string;
}

/** Adds an account; false where its name or outer identity is taken, or where it would be a second administrator. */
export async function insertAccount(db: Database, account: NewAccount): Promise<boolean> {
  const result = await db
    .insertInto("accounts")
    .values({
      name: account.name,
      number: await nextNumber(db, "accounts"),
      kind: account.kind,
      secret_hash: account.secretHash,
      secret_hint: account.secretHint ?? null,
      permissions: JSON.stringify(account.permissions ?? []),
      project: account.project ?? null,
      is_system_admin: account.isSystemAdmin === true ? 1 : 0,
      email: account.email ?? null,
      description: account.description ?? "",
      origin: account.origin ?? "local",
      external_id: account.externalId ?? null,
      created_at: nowMs(),
      created_by: account.createdBy,
      expires_at: account.expiresAt ?? null,
      disabled: account.disabled === true ? 1 : 0,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  await countAccessChange(db);
  return result.numInsertedOrUpdatedRows === 1n;
}

/** The account of a name. */
export async function findAccount(db: Database, name: string): Promise<AccountRecord | undefined> {
  const row = await db.selectFrom("accounts").selectAll().where("name", "=", name).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** The account of a name, if there is one, and how many changes of rights there were until now, in one statement. */
export async function findAccountAndGeneration(
  db: Database,
  name: string,
): Promise<{ readonly account: AccountRecord | undefined; readonly generation: number }> {
  const row = await db
    .selectFrom("access_generation")
    .leftJoin("accounts", (join) => join.on("accounts.name", "=", name))
    .selectAll("accounts")
    .select("access_generation.value as generation")
    .executeTakeFirstOrThrow();
  return { account: row.name === null ? undefined : recordOf(row as AccountRow), generation: row.generation };
}

/** The account that somebody outside vouches for. */
export async function findExternalAccount(
  db: Database,
  outer: { readonly origin: "ldap" | "oidc"; readonly externalId: string },
): Promise<AccountRecord | undefined> {
  const row = await db
    .selectFrom("accounts")
    .selectAll()
    .where("origin", "=", outer.origin)
    .where("external_id", "=", outer.externalId)
    .executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** The built-in administrator, where there is one yet. */
export async function findAdministrator(db: Database): Promise<AccountRecord | undefined> {
  const row = await db.selectFrom("accounts").selectAll().where("kind", "=", "administrator").executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** All accounts of some kinds by name. */
export async function listAccounts(db: Database, kinds: readonly AccountRecord["kind"][]): Promise<AccountRecord[]> {
  const rows = await db
    .selectFrom("accounts")
    .selectAll()
    .where("kind", "in", [...kinds])
    .orderBy("name")
    .execute();
  return rows.map(recordOf);
}

/** The robots that end until an instant, the first to end first. */
export async function listRobotsEndingUntil(db: Database, until: number): Promise<AccountRecord[]> {
  const rows = await db
    .selectFrom("accounts")
    .selectAll()
    .where("kind", "=", "robot")
    .where("disabled", "=", 0)
    .where("expires_at", "<=", until)
    .where("expires_at", ">", nowMs())
    .orderBy("expires_at")
    .execute();
  return rows.map(recordOf);
}

/** What may change of an account. */
export interface AccountChange {
  readonly secret?: { readonly hash: string; readonly hint: string | null };
  /** Undefined inside the object's key leaves it; null ends the old secret now. */
  readonly oldSecret?: AccountRecord["oldSecret"] | null;
  readonly permissions?: readonly Permission[];
  readonly isSystemAdmin?: boolean;
  readonly email?: string | null;
  readonly description?: string;
  readonly expiresAt?: number | null;
  readonly warnedDays?: number | null;
  readonly disabled?: boolean;
}

/** Changes what is given of an account; false where it does not exist. */
export async function updateAccount(db: Database, name: string, change: AccountChange): Promise<boolean> {
  const { secret, oldSecret, permissions, isSystemAdmin, email, description, expiresAt, warnedDays, disabled } = change;
  const result = await db
    .updateTable("accounts")
    .set({
      name,
      ...(secret === undefined ? {} : { secret_hash: secret.hash, secret_hint: secret.hint }),
      ...(oldSecret === undefined
        ? {}
        : {
            old_secret_hash: oldSecret?.hash ?? null,
            old_secret_hint: oldSecret?.hint ?? null,
            old_secret_until: oldSecret?.until ?? null,
          }),
      ...(permissions === undefined ? {} : { permissions: JSON.stringify(permissions) }),
      ...(isSystemAdmin === undefined ? {} : { is_system_admin: isSystemAdmin ? 1 : 0 }),
      ...(email === undefined ? {} : { email }),
      ...(description === undefined ? {} : { description }),
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
      ...(warnedDays === undefined ? {} : { warned_days: warnedDays }),
      ...(disabled === undefined ? {} : { disabled: disabled ? 1 : 0 }),
    })
    .where("name", "=", name)
    .executeTakeFirst();
  await countAccessChange(db);
  return result.numUpdatedRows === 1n;
}

/** Removes a person or robot with its memberships and tokens; false where there is none of that name. */
export async function deleteAccount(db: Database, name: string): Promise<boolean> {
  const result = await db
    .deleteFrom("accounts")
    .where("name", "=", name)
    .where("kind", "!=", "administrator")
    .executeTakeFirst();
  if (result.numDeletedRows !== 1n) return false;
  await db.deleteFrom("group_members").where("account", "=", name).execute();
  await db.deleteFrom("project_members").where("subject_kind", "=", "account").where("subject", "=", name).execute();
  await db.deleteFrom("personal_tokens").where("account", "=", name).execute();
  await countAccessChange(db);
  return true;
}

/** Removes the robots of a project; gives their names. */
export async function deleteRobotsOfProject(db: Database, project: string): Promise<string[]> {
  const rows = await db
    .deleteFrom("accounts")
    .where("kind", "=", "robot")
    .where("project", "=", project)
    .returning("name")
    .execute();
  await countAccessChange(db);
  return rows.map(({ name }) => name);
}

/** Notes when accounts were last used; no change of rights. */
export async function noteAccountsUsed(db: Database, uses: ReadonlyMap<string, number>): Promise<void> {
  for (const [name, at] of uses)
    await db.updateTable("accounts").set({ last_used_at: at }).where("name", "=", name).execute();
}

interface AccountRow {
  readonly name: string;
  readonly number: number;
  readonly kind: AccountRecord["kind"];
  readonly secret_hash: string | null;
  readonly secret_hint: string | null;
  readonly old_secret_hash: string | null;
  readonly old_secret_hint: string | null;
  readonly old_secret_until: number | null;
  readonly permissions: string;
  readonly project: string | null;
  readonly is_system_admin: number;
  readonly email: string | null;
  readonly description: string;
  readonly origin: AccountRecord["origin"];
  readonly external_id: string | null;
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number | null;
  readonly warned_days: number | null;
  readonly last_used_at: number | null;
  readonly disabled: number;
}

function recordOf(row: AccountRow): AccountRecord {
  const { old_secret_hash: oldHash, old_secret_hint: oldHint, old_secret_until: oldUntil } = row;
  return {
    name: row.name,
    number: row.number,
    kind: row.kind,
    secretHash: row.secret_hash,
    secretHint: row.secret_hint,
    oldSecret: oldHash === null || oldUntil === null ? undefined : { hash: oldHash, hint: oldHint, until: oldUntil },
    permissions: JSON.parse(row.permissions) as Permission[],
    project: row.project,
    isSystemAdmin: row.is_system_admin !== 0,
    email: row.email,
    description: row.description,
    origin: row.origin,
    externalId: row.external_id,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    warnedDays: row.warned_days,
    lastUsedAt: row.last_used_at,
    disabled: row.disabled !== 0,
  };
}
