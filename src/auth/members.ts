import { Failure } from "../base/errors.ts";
import { builtInRoles, projectActions, type ProjectAction } from "../model/permission.ts";
import { listGroups } from "../store/accounts-group-records.ts";
import { findAccount } from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import {
  deleteMember,
  deleteRole,
  insertRole,
  listMembers,
  listRoles,
  type MemberRecord,
  putMember,
} from "../store/projects-member-records.ts";
import { type Store } from "../store/store.ts";
import { type Actor } from "./identity.ts";
import { checkedName } from "./people-rules.ts";
import { foundProject } from "./projects.ts";
import { actionsOfRole, type Rights } from "./rights.ts";

type Database = Store["db"];

/** A role as it is listed. */
interface Role {
  readonly name: string;
  readonly actions: readonly ProjectAction[];
  readonly description: string;
  readonly isBuiltIn: boolean;
}

/** A role to make. */
interface NewRole {
  readonly name: string;
  readonly actions: readonly ProjectAction[];
  readonly description: string;
  readonly actor: Actor;
}

/** Who is to have which role in a project. */
interface NewMember {
  readonly project: string;
  readonly kind: MemberRecord["kind"];
  /** The name of the account or group. */
  readonly name: string;
  readonly role: string;
  readonly actor: Actor;
}

/** Whose role in a project ends. */
interface MemberRemoval {
  readonly project: string;
  readonly id: number;
  readonly actor: Actor;
}

/** Roles, and who has which in a project. */
export interface Members {
  /** The built-in roles, then the custom ones by name. */
  roles(): Promise<Role[]>;
  /** Makes a role; the administrator's to do. @throws Failure `usage`, `conflict` */
  createRole(input: NewRole): Promise<Role>;
  /** Removes a custom role; false where there is none. @throws Failure `conflict` where a member has it */
  removeRole(name: string, actor: Actor): Promise<boolean>;
  /** The members of a project by kind and name. */
  list(project: string): Promise<MemberRecord[]>;
  /**
   * Gives a person or group a role in a project, in place of the one that it had.
   *
   * @throws Failure `not_found`, `forbidden` for who lacks `members` there, or any ability of the old or new role
   */
  put(input: NewMember): Promise<MemberRecord>;
  /** Takes a role away; false where there is none of that number. @throws Failure `forbidden` as {@link Members.put} */
  remove(input: MemberRemoval): Promise<boolean>;
}

/** Opens the roles and members of a store. */
export function openMembers({ store, rights }: { readonly store: Store; readonly rights: Rights }): Members {
  return {
    roles: async () => await allRoles(store.db),
    createRole: async (input) => await rights.change(async (db) => await createRole(db, input)),
    removeRole: async (name, actor) =>
      await rights.change(async (db) => {
        const outcome = await deleteRole(db, name);
        if (outcome === "in use")
          throw new Failure("conflict", `Cannot remove the role "${name}": members of projects have it`);
        if (outcome === "deleted")
          await addAuditEvent(db, { actor: actor.name, action: "role.deleted", subject: name });
        return outcome === "deleted";
      }),
    list: async (project) => await listMembers(store.db, project),
    put: async (input) => await rights.change(async (db) => await put(db, input)),
    remove: async ({ project, id, actor }) =>
      await rights.change(async (db) => {
        const member = (await listMembers(db, project)).find((one) => one.id === id);
        if (member === undefined) return false;
        await mayGive(db, actor, member);
        await deleteMember(db, id);
        await addEvent(db, "member.removed", { ...member, actor });
        return true;
      }),
  };
}

async function allRoles(db: Database): Promise<Role[]> {
  const builtIn = Object.entries(builtInRoles).map(([name, actions]) => ({
    name,
    actions,
    description: "",
    isBuiltIn: true,
  }));
  const custom = (await listRoles(db)).map(({ name, actions, description }) => ({
    name,
    actions,
    description,
    isBuiltIn: false,
  }));
  return [...builtIn, ...custom];
}

async function createRole(db: Database, { name, actions, description, actor }: NewRole): Promise<Role> {
  checkedName("role", name);
  const unknown = actions.find((action) => !projectActions.includes(action));
  if (actions.length === 0 || unknown !== undefined)
    throw new Failure("usage", `Cannot make the role "${name}": ${unknownText(unknown)}`, {
      hint: `The abilities are ${projectActions.join(", ")}`,
    });
  const ordered = projectActions.filter((action) => actions.includes(action));
  if (!(await insertRole(db, { name, actions: ordered, description, createdBy: actor.name })))
    throw new Failure("conflict", `Cannot make the role "${name}": there is one of that name`);
  await addAuditEvent(db, { actor: actor.name, action: "role.created", subject: name, details: { actions: ordered } });
  return { name, actions: ordered, description, isBuiltIn: false };
}

function unknownText(unknown: string | undefined): string {
  return unknown === undefined ? "it allows nothing" : `there is no ability "${unknown.slice(0, 50)}"`;
}

async function put(db: Database, input: NewMember): Promise<MemberRecord> {
  const { project, kind, name, role, actor } = input;
  await foundProject(db, project);
  await mayGive(db, actor, input);
  if (!(await allRoles(db)).some((one) => one.name === role))
    throw new Failure("not_found", `Cannot find the role "${role}"`, { hint: "`mintmark role list` shows all" });
  const isThere =
    kind === "group"
      ? (await listGroups(db, name)).length > 0
      : ["administrator", "person"].includes((await findAccount(db, name))?.kind ?? "");
  if (!isThere) throw new Failure("not_found", `Cannot find the ${kind === "group" ? "group" : "person"} "${name}"`);
  const before = (await listMembers(db, project)).find((one) => one.kind === kind && one.name === name);
  if (before !== undefined) await mayGive(db, actor, before);
  await putMember(db, { project, kind, name, role, createdBy: actor.name });
  await addEvent(db, before === undefined ? "member.added" : "member.changed", input);
  return (await listMembers(db, project)).find((one) => one.kind === kind && one.name === name)!;
}

/** Nobody passes on, or takes away, what they may not do themselves. */
async function mayGive(
  db: Database,
  actor: Actor,
  wish: { readonly project: string; readonly role: string },
): Promise<void> {
  if (actor.role === "administrator") return;
  const { project, role } = wish;
  const refuse = (state: string): Failure =>
    new Failure("forbidden", `Cannot change who is a member of "${project}" as "${actor.name}": ${state}`);
  if (!actor.may("members", project)) throw refuse("it lacks the right to");
  const custom = new Map((await listRoles(db)).map(({ name, actions }) => [name, actions]));
  const lacking = actionsOfRole(role, custom).find((action) => !actor.may(action, project));
  if (lacking !== undefined) throw refuse(`it may not ${lacking} there itself, which the role "${role}" may`);
}

async function addEvent(
  db: Database,
  action: string,
  { project, kind, name, role, actor }: Omit<NewMember, "id">,
): Promise<void> {
  const details = { kind, name, role };
  await addAuditEvent(db, { actor: actor.name, action, subject: project, project, details });
}
