import { nowMs } from "../base/clock.ts";
import { type ProjectAction } from "../model/permission.ts";
import { type Database } from "./database.ts";
import { countAccessChange } from "./projects-records.ts";
import { nextNumber } from "./sequence-records.ts";

/** That an account or group has a role in a project. */
export interface MemberRecord {
  readonly id: number;
  readonly project: string;
  readonly kind: "account" | "group";
  /** The name of the account or group. */
  readonly name: string;
  /** A built-in or custom role. */
  readonly role: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly createdBy: string;
}

/** The members of a project by kind and name. */
export async function listMembers(db: Database, project: string): Promise<MemberRecord[]> {
  const rows = await db
    .selectFrom("project_members")
    .selectAll()
    .where("project", "=", project)
    .orderBy("subject_kind")
    .orderBy("subject")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    project: row.project,
    kind: row.subject_kind,
    name: row.subject,
    role: row.role,
    createdAt: row.created_at,
    createdBy: row.created_by,
  }));
}

/** Gives an account or group a role in a project, in place of the one that it had. */
export async function putMember(
  db: Database,
  member: Pick<MemberRecord, "project" | "kind" | "name" | "role" | "createdBy">,
): Promise<void> {
  await db
    .insertInto("project_members")
    .values({
      id: await nextNumber(db, "project_members"),
      project: member.project,
      subject_kind: member.kind,
      subject: member.name,
      role: member.role,
      created_at: nowMs(),
      created_by: member.createdBy,
    })
    .onConflict((conflict) =>
      conflict.columns(["project", "subject_kind", "subject"]).doUpdateSet({ role: member.role }),
    )
    .execute();
  await countAccessChange(db);
}

/** Takes a role in a project away. */
export async function deleteMember(db: Database, id: number): Promise<void> {
  await db.deleteFrom("project_members").where("id", "=", id).execute();
  await countAccessChange(db);
}

/** The roles of an account in projects, its own and those of its groups. */
export async function listMemberships(
  db: Database,
  who: { readonly account: string; readonly groups: readonly string[] },
): Promise<{ readonly project: string; readonly role: string }[]> {
  return await db
    .selectFrom("project_members")
    .select(["project", "role"])
    .where((row) => {
      const own = row.and([row("subject_kind", "=", "account"), row("subject", "=", who.account)]);
      if (who.groups.length === 0) return own;
      return row.or([own, row.and([row("subject_kind", "=", "group"), row("subject", "in", [...who.groups])])]);
    })
    .orderBy("project")
    .execute();
}

/** A role beside the built-in ones. */
export interface RoleRecord {
  readonly name: string;
  readonly actions: readonly ProjectAction[];
  readonly description: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly createdBy: string;
}

/** The custom roles by name. */
export async function listRoles(db: Database): Promise<RoleRecord[]> {
  const rows = await db.selectFrom("roles").selectAll().orderBy("name").execute();
  return rows.map((row) => ({
    name: row.name,
    actions: JSON.parse(row.actions) as ProjectAction[],
    description: row.description,
    createdAt: row.created_at,
    createdBy: row.created_by,
  }));
}

/** Adds a custom role; false where its name is taken. */
export async function insertRole(db: Database, role: Omit<RoleRecord, "createdAt">): Promise<boolean> {
  const result = await db
    .insertInto("roles")
    .values({
      name: role.name,
      actions: JSON.stringify(role.actions),
      description: role.description,
      created_at: nowMs(),
      created_by: role.createdBy,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  await countAccessChange(db);
  return result.numInsertedOrUpdatedRows === 1n;
}

/** Removes a custom role; "in use" where a member has it. */
export async function deleteRole(db: Database, name: string): Promise<"deleted" | "absent" | "in use"> {
  const use = await db.selectFrom("project_members").select("id").where("role", "=", name).executeTakeFirst();
  if (use !== undefined) return "in use";
  const result = await db.deleteFrom("roles").where("name", "=", name).executeTakeFirst();
  await countAccessChange(db);
  return result.numDeletedRows === 1n ? "deleted" : "absent";
}
