import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";
import { countAccessChange } from "./projects-records.ts";
import { nextNumber } from "./sequence-records.ts";

/** A group of accounts. */
export interface GroupRecord {
  readonly name: string;
  /** Counts up; Harbor's clients name groups by it. */
  readonly number: number;
  /** The members of an external one come with each sign-in. */
  readonly kind: "local" | "external";
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly createdBy: string;
  /** Names of accounts in ASCII order. */
  readonly members: readonly string[];
}

/** Adds a group; false where its name is taken. */
export async function insertGroup(
  db: Database,
  group: Pick<GroupRecord, "name" | "kind" | "createdBy">,
): Promise<boolean> {
  const result = await db
    .insertInto("account_groups")
    .values({
      name: group.name,
      number: await nextNumber(db, "account_groups"),
      kind: group.kind,
      created_at: nowMs(),
      created_by: group.createdBy,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  await countAccessChange(db);
  return result.numInsertedOrUpdatedRows === 1n;
}

/** All groups by name, or the one of a name, with their members. */
export async function listGroups(db: Database, name?: string): Promise<GroupRecord[]> {
  let query = db.selectFrom("account_groups").selectAll().orderBy("name");
  if (name !== undefined) query = query.where("name", "=", name);
  const groups = await query.execute();
  let memberQuery = db.selectFrom("group_members").selectAll().orderBy("account");
  if (name !== undefined) memberQuery = memberQuery.where("group_name", "=", name);
  const byGroup = Map.groupBy(await memberQuery.execute(), (row) => `${row.kind} ${row.group_name}`);
  return groups.map((row) => ({
    name: row.name,
    number: row.number,
    kind: row.kind,
    createdAt: row.created_at,
    createdBy: row.created_by,
    members: (byGroup.get(`${row.kind} ${row.name}`) ?? []).map(({ account }) => account),
  }));
}

/** Removes a group with its members and its roles in projects; false where there is none of that name. */
export async function deleteGroup(db: Database, name: string): Promise<boolean> {
  const result = await db.deleteFrom("account_groups").where("name", "=", name).executeTakeFirst();
  await db.deleteFrom("group_members").where("group_name", "=", name).where("kind", "=", "local").execute();
  await db.deleteFrom("project_members").where("subject_kind", "=", "group").where("subject", "=", name).execute();
  await countAccessChange(db);
  return result.numDeletedRows === 1n;
}

/** Puts an account into a local group or takes it out; false where nothing changed. */
export async function changeGroupMember(
  db: Database,
  change: { readonly group: string; readonly account: string; readonly isMember: boolean },
): Promise<boolean> {
  const { group, account, isMember } = change;
  const row = { group_name: group, kind: "local" as const, account };
  await countAccessChange(db);
  if (isMember) {
    const added = await db
      .insertInto("group_members")
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return added.numInsertedOrUpdatedRows === 1n;
  }
  const removed = await db
    .deleteFrom("group_members")
    .where("group_name", "=", group)
    .where("kind", "=", "local")
    .where("account", "=", account)
    .executeTakeFirst();
  return removed.numDeletedRows === 1n;
}

/** Replaces the external groups of an account by those of its newest sign-in; true where that changed them. */
export async function replaceExternalGroups(
  db: Database,
  account: string,
  groups: readonly string[],
): Promise<boolean> {
  const rows = await db
    .selectFrom("group_members")
    .select("group_name")
    .where("account", "=", account)
    .where("kind", "=", "external")
    .execute();
  const before = new Set(rows.map((row) => row.group_name));
  const after = new Set(groups);
  if (before.size === after.size && [...after].every((name) => before.has(name))) return false;
  await db.deleteFrom("group_members").where("account", "=", account).where("kind", "=", "external").execute();
  for (const name of after)
    await db.insertInto("group_members").values({ group_name: name, kind: "external", account }).execute();
  await countAccessChange(db);
  return true;
}

/** The names of the groups that an account is in; an outer group counts only where it was made here as external. */
export async function listGroupsOfAccount(db: Database, account: string): Promise<string[]> {
  const rows = await db
    .selectFrom("group_members")
    .innerJoin("account_groups", (join) =>
      join
        .onRef("account_groups.name", "=", "group_members.group_name")
        .onRef("account_groups.kind", "=", "group_members.kind"),
    )
    .select("account_groups.name")
    .where("group_members.account", "=", account)
    .orderBy("account_groups.name")
    .execute();
  return rows.map(({ name }) => name);
}
