import { type Permission } from "../model/access.ts";
import { type Database } from "./database.ts";

/** An account as it is stored. */
export interface AccountRecord {
  readonly name: string;
  readonly kind: "administrator" | "robot";
  /** `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`, both base64url. */
  readonly secretHash: string;
  readonly permissions: readonly Permission[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly createdBy: string;
  /** Milliseconds since 1970; null for an account without an end. */
  readonly expiresAt: number | null;
  readonly disabled: boolean;
}

/** Adds an account; false where its name is taken, or where it would be a second administrator. */
export async function insertAccount(db: Database, account: AccountRecord): Promise<boolean> {
  const result = await db
    .insertInto("accounts")
    .values({
      name: account.name,
      kind: account.kind,
      secret_hash: account.secretHash,
      permissions: JSON.stringify(account.permissions),
      created_at: account.createdAt,
      created_by: account.createdBy,
      expires_at: account.expiresAt,
      disabled: account.disabled ? 1 : 0,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** The account of a name. */
export async function findAccount(db: Database, name: string): Promise<AccountRecord | undefined> {
  const row = await db.selectFrom("accounts").selectAll().where("name", "=", name).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** The administrator, where there is one yet. */
export async function findAdministrator(db: Database): Promise<AccountRecord | undefined> {
  const row = await db.selectFrom("accounts").selectAll().where("kind", "=", "administrator").executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** All robots by name. */
export async function listRobotAccounts(db: Database): Promise<AccountRecord[]> {
  const rows = await db.selectFrom("accounts").selectAll().where("kind", "=", "robot").orderBy("name").execute();
  return rows.map(recordOf);
}

/** Changes what is given of an account; false where it does not exist. */
export async function updateAccount(
  db: Database,
  name: string,
  change: { readonly secretHash?: string; readonly disabled?: boolean },
): Promise<boolean> {
  const { secretHash, disabled } = change;
  const result = await db
    .updateTable("accounts")
    .set({
      ...(secretHash === undefined ? {} : { secret_hash: secretHash }),
      ...(disabled === undefined ? {} : { disabled: disabled ? 1 : 0 }),
    })
    .where("name", "=", name)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Removes a robot; false where there is none of that name. */
export async function deleteRobotAccount(db: Database, name: string): Promise<boolean> {
  const result = await db
    .deleteFrom("accounts")
    .where("name", "=", name)
    .where("kind", "=", "robot")
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

interface AccountRow {
  readonly name: string;
  readonly kind: "administrator" | "robot";
  readonly secret_hash: string;
  readonly permissions: string;
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number | null;
  readonly disabled: number;
}

function recordOf(row: AccountRow): AccountRecord {
  return {
    name: row.name,
    kind: row.kind,
    secretHash: row.secret_hash,
    permissions: JSON.parse(row.permissions) as Permission[],
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    disabled: row.disabled !== 0,
  };
}
