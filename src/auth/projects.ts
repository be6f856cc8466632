import { Failure } from "../base/errors.ts";
import { deleteRobotsOfProject, listAccounts, updateAccount } from "../store/accounts-records.ts";
import { narrowPersonalTokens } from "../store/accounts-token-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { deleteTracesOfProject } from "../store/project-removal-records.ts";
import {
  deleteEmptyRepositories,
  deleteProject,
  findProject,
  findProjectById,
  insertProject,
  listProjects,
  type ProjectRecord,
  updateProjectSetting,
  updateProjectVisibility,
} from "../store/projects-records.ts";
import { type Store } from "../store/store.ts";
import { deleteWebhook, listWebhooks } from "../store/webhook-records.ts";
import { type Actor, isWithinProject } from "./identity.ts";
import { checkedProjectName } from "./people-rules.ts";
import { type Rights } from "./rights.ts";

type Database = Store["db"];

/** A change of who sees a project. */
interface VisibilityChange {
  readonly name: string;
  readonly isPublic: boolean;
  readonly actor: Actor;
}

/** A change of one setting of a project; each feature has a key of its own. */
interface SettingChange {
  readonly name: string;
  readonly key: string;
  /** JSON; never a secret. */
  readonly value: unknown;
  readonly actor: Actor;
}

/** Makes, lists and removes projects; who may is asked before. */
export interface Projects {
  /** Makes a project. @throws Failure `usage`, `conflict` where there is one of that name */
  create(input: VisibilityChange): Promise<ProjectRecord>;
  find(name: string): Promise<ProjectRecord | undefined>;
  findById(id: number): Promise<ProjectRecord | undefined>;
  /** All projects by name; what a caller may see is asked of the caller. */
  list(): Promise<ProjectRecord[]>;
  /** Opens a project to everybody's eyes, or closes it. @throws Failure `not_found` */
  setPublic(input: VisibilityChange): Promise<ProjectRecord>;
  /** Sets one key of the settings, or removes it where the value is undefined. @throws Failure `not_found` */
  configure(input: SettingChange): Promise<ProjectRecord>;
  /**
   * Removes a project with its members, robots and webhooks, its gate, cache, rules and histories; robots of the whole
   * system and personal tokens lose what they had in it. Rules of replication are the administrator's, and stay.
   *
   * Whoever makes a project of that name again begins anew.
   *
   * @throws Failure `not_found`, `conflict` while any of its repositories holds a manifest
   */
  remove(name: string, actor: Actor): Promise<void>;
}

interface ProjectsOptions {
  readonly store: Store;
  readonly rights: Rights;
  /** Told that a project is gone: what is kept of it in memory must go too. */
  readonly onRemoved?: ((project: string) => void) | undefined;
}

/** Opens the projects of a store. */
export function openProjects({ store, rights, onRemoved }: ProjectsOptions): Projects {
  return {
    async create({ name, isPublic, actor }) {
      checkedProjectName(name);
      return await rights.change(async (db) => {
        if (!(await insertProject(db, { name, isPublic, createdBy: actor.name })))
          throw new Failure("conflict", `Cannot make the project "${name}": there is one of that name`);
        return await foundProject(db, name);
      });
    },
    find: async (name) => await findProject(store.db, name),
    findById: async (id) => await findProjectById(store.db, id),
    list: async () => await listProjects(store.db),
    configure: async ({ name, key, value, actor }) =>
      await rights.change(async (db) => {
        if (!(await updateProjectSetting(db, name, { key, value }))) throw missingProject(name);
        await addEvent(db, "project.changed", { name, actor, details: { [key]: value } });
        return await foundProject(db, name);
      }),
    setPublic: async ({ name, isPublic, actor }) =>
      await rights.change(async (db) => {
        if (!(await updateProjectVisibility(db, name, isPublic))) throw missingProject(name);
        await addEvent(db, "project.changed", { name, actor, details: { isPublic } });
        return await foundProject(db, name);
      }),
    async remove(name, actor) {
      await rights.change(async (db) => {
        await foundProject(db, name);
        const holding = await deleteEmptyRepositories(db, name);
        if (holding !== undefined)
          throw new Failure("conflict", `Cannot remove the project "${name}": "${holding}" holds images`, {
            hint: "Delete its images first",
          });
        const robots = await deleteRobotsOfProject(db, name);
        const narrowed = await narrowRobots(db, name, actor);
        const webhooks = await listWebhooks(db, { project: name });
        for (const { id } of webhooks) await deleteWebhook(db, id);
        await narrowTokens(db, name, actor);
        await deleteTracesOfProject(db, name, actor.name);
        await deleteProject(db, name);
        const details = { robots, narrowed, webhooks: webhooks.map((webhook) => webhook.name) };
        await addEvent(db, "project.deleted", { name, actor, details });
      });
      onRemoved?.(name);
    },
  };
}

/** Takes what they had in a project from robots of the whole system; one that keeps nothing is disabled. */
async function narrowRobots(db: Database, project: string, actor: Actor): Promise<string[]> {
  const narrowed: string[] = [];
  for (const { name, permissions } of await listAccounts(db, ["robot"])) {
    const kept = permissions.filter(({ repository }) => !isWithinProject(repository, project));
    if (kept.length === permissions.length) continue;
    const change = kept.length === 0 ? { permissions: kept, disabled: true } : { permissions: kept };
    await updateAccount(db, name, change);
    await addAuditEvent(db, { actor: actor.name, action: "robot.changed", subject: name, details: change });
    narrowed.push(name);
  }
  return narrowed;
}

/** Takes a project from personal tokens; who loses one by it finds it in the audit trail. */
async function narrowTokens(db: Database, project: string, actor: Actor): Promise<void> {
  for (const { id, label, account, projects } of await narrowPersonalTokens(db, project))
    if (projects.length === 1)
      await addAuditEvent(db, {
        actor: actor.name,
        action: "token.deleted",
        subject: account,
        details: { id, label, project },
      });
}

interface ProjectEvent {
  readonly name: string;
  readonly actor: Actor;
  readonly details: Readonly<Record<string, unknown>>;
}

async function addEvent(db: Database, action: string, { name, actor, details }: ProjectEvent): Promise<void> {
  await addAuditEvent(db, { actor: actor.name, action, subject: name, project: name, details });
}

/**
 * The project of a name.
 *
 * @throws Failure `not_found`
 */
export async function foundProject(db: Database, name: string): Promise<ProjectRecord> {
  return (await findProject(db, name)) ?? fail(name);
}

function fail(name: string): never {
  throw missingProject(name);
}

function missingProject(name: string): Failure {
  return new Failure("not_found", `Cannot find the project "${name}"`);
}
