import { type ProjectAction } from "../model/permission.ts";
import { type Database } from "./database.ts";
import { countAccessChange } from "./projects-records.ts";

/** A token that a person made for themselves; instants are milliseconds since 1970. */
export interface PersonalTokenRecord {
  /** The public part of the token. */
  readonly id: string;
  readonly account: string;
  readonly label: string;
  /** SHA-256 in hex. */
  readonly secretHash: string;
  /** Names of projects; empty for all. */
  readonly projects: readonly string[];
  /** Empty for all. */
  readonly actions: readonly ProjectAction[];
  /** Whether it carries the owner's right to administrate the whole system. */
  readonly administrates: boolean;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly lastUsedAt: number | null;
}

/** Adds a personal token. */
export async function insertPersonalToken(db: Database, token: Omit<PersonalTokenRecord, "lastUsedAt">): Promise<void> {
  await db
    .insertInto("personal_tokens")
    .values({
      id: token.id,
      account: token.account,
      label: token.label,
      secret_hash: token.secretHash,
      projects: JSON.stringify(token.projects),
      actions: JSON.stringify(token.actions),
      administrates: token.administrates ? 1 : 0,
      created_at: token.createdAt,
      expires_at: token.expiresAt,
    })
    .execute();
  await countAccessChange(db);
}

/** Personal tokens of an account, or of all, the oldest first. */
export async function listPersonalTokens(db: Database, account?: string): Promise<PersonalTokenRecord[]> {
  let query = db.selectFrom("personal_tokens").selectAll().orderBy("created_at").orderBy("id");
  if (account !== undefined) query = query.where("account", "=", account);
  return (await query.execute()).map(recordOf);
}

/** The personal token of an id. */
export async function findPersonalToken(db: Database, id: string): Promise<PersonalTokenRecord | undefined> {
  const row = await db.selectFrom("personal_tokens").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** Removes a personal token; false where there is none of that id. */
export async function deletePersonalToken(db: Database, id: string): Promise<boolean> {
  const result = await db.deleteFrom("personal_tokens").where("id", "=", id).executeTakeFirst();
  await countAccessChange(db);
  return result.numDeletedRows === 1n;
}

/**
 * Takes a project from the tokens that are narrowed to it. One that has no other is removed: without any project it
 * would reach all. Gives the tokens as they were.
 */
export async function narrowPersonalTokens(db: Database, project: string): Promise<PersonalTokenRecord[]> {
  const narrowed = (await listPersonalTokens(db)).filter(({ projects }) => projects.includes(project));
  for (const { id, projects } of narrowed) {
    const kept = projects.filter((name) => name !== project);
    if (kept.length === 0) await deletePersonalToken(db, id);
    else
      await db
        .updateTable("personal_tokens")
        .set({ projects: JSON.stringify(kept) })
        .where("id", "=", id)
        .execute();
  }
  if (narrowed.length > 0) await countAccessChange(db);
  return narrowed;
}

/** Notes when tokens were last used; no change of rights. */
export async function notePersonalTokensUsed(db: Database, uses: ReadonlyMap<string, number>): Promise<void> {
  for (const [id, at] of uses)
    await db.updateTable("personal_tokens").set({ last_used_at: at }).where("id", "=", id).execute();
}

interface PersonalTokenRow {
  readonly id: string;
  readonly account: string;
  readonly label: string;
  readonly secret_hash: string;
  readonly projects: string;
  readonly actions: string;
  readonly administrates: number;
  readonly created_at: number;
  readonly expires_at: number;
  readonly last_used_at: number | null;
}

function recordOf(row: PersonalTokenRow): PersonalTokenRecord {
  return {
    id: row.id,
    account: row.account,
    label: row.label,
    secretHash: row.secret_hash,
    projects: JSON.parse(row.projects) as string[],
    actions: JSON.parse(row.actions) as ProjectAction[],
    administrates: row.administrates !== 0,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  };
}
