import { nowMs } from "../base/clock.ts";
import { builtInRoles, projectActions, projectOf, type ProjectAction } from "../model/permission.ts";
import { listGroupsOfAccount } from "../store/accounts-group-records.ts";
import { type AccountRecord } from "../store/accounts-records.ts";
import { listPersonalTokens, type PersonalTokenRecord } from "../store/accounts-token-records.ts";
import { listMemberships, listRoles } from "../store/projects-member-records.ts";
import { accessGeneration, listPublicProjects } from "../store/projects-records.ts";
import { type Store } from "../store/store.ts";
import { everything, type Grant, projectPattern } from "./identity.ts";

type Database = Store["db"];

/** What an account holds at one generation of rights. */
interface HeldRights {
  readonly groups: readonly string[];
  readonly grants: readonly Grant[];
  readonly tokens: readonly PersonalTokenRecord[];
}

/** What accounts may do, kept until the next change of rights anywhere. */
export interface Rights {
  /** What an account holds; `generation` is the count of changes that was read together with the account. */
  of(account: AccountRecord, generation: number): Promise<HeldRights>;
  /** Whether everybody may read a repository, by what {@link Rights.freshen} has read last. */
  isPublic(repository: string): boolean;
  /** Whether any project is public. */
  hasPublic(): boolean;
  /** Sees to it that public projects are those of a generation, or without one of at most a second ago. */
  freshen(generation?: number): Promise<void>;
  /** Runs a change of rights in a transaction; what was public before is forgotten at once. */
  change<Result>(work: (db: Database) => Promise<Result>): Promise<Result>;
}

/** Changes by another process are noticed within this time where nobody signs in. */
const publicAgeMs = 1000;

/** Accounts whose rights are kept. */
const heldCount = 10_000;

/** Opens the rights of a store. */
export async function openRights(store: Store): Promise<Rights> {
  const held = new Map<string, { readonly generation: number; readonly rights: Promise<HeldRights> }>();
  let publicProjects: ReadonlySet<string> = new Set();
  let publicGeneration = -1;
  let checkedAt = 0;

  async function freshen(generation?: number): Promise<void> {
    if (generation === publicGeneration) return;
    if (generation === undefined && nowMs() - checkedAt < publicAgeMs && nowMs() >= checkedAt) return;
    checkedAt = nowMs();
    const current = await accessGeneration(store.db);
    if (current === publicGeneration) return;
    publicProjects = new Set(await listPublicProjects(store.db));
    publicGeneration = current;
  }

  await freshen();
  return {
    async of(account, generation) {
      const known = held.get(account.name);
      if (known?.generation === generation) return await known.rights;
      const rights = readRights(store.db, account);
      // A failed look is not kept.
      rights.catch(() => held.delete(account.name));
      held.delete(account.name);
      held.set(account.name, { generation, rights });
      const oldest = held.size > heldCount ? held.keys().next() : undefined;
      if (oldest?.done === false) held.delete(oldest.value);
      return await rights;
    },
    isPublic: (repository) => publicProjects.has(projectOf(repository)),
    hasPublic: () => publicProjects.size > 0,
    freshen,
    async change(work) {
      try {
        return await store.transaction(work);
      } finally {
        checkedAt = 0;
        await freshen();
      }
    },
  };
}

async function readRights(db: Database, account: AccountRecord): Promise<HeldRights> {
  if (account.kind === "robot") return { groups: [], grants: account.permissions.map(withList), tokens: [] };
  const groups = await listGroupsOfAccount(db, account.name);
  const tokens = await listPersonalTokens(db, account.name);
  if (isSystemAdmin(account)) return { groups, grants: everything, tokens };
  const memberships = await listMemberships(db, { account: account.name, groups });
  const custom = new Map((await listRoles(db)).map(({ name, actions }) => [name, actions]));
  const byProject = Map.groupBy(memberships, ({ project }) => project);
  const grants = Array.from(byProject, ([project, roles]) => ({
    repository: projectPattern(project),
    actions: union(roles.map(({ role }) => actionsOfRole(role, custom))),
  }));
  return { groups, grants, tokens };
}

/** Whether an account administrates the whole system. */
export function isSystemAdmin({ kind, isSystemAdmin: isNamed }: AccountRecord): boolean {
  return kind === "administrator" || (kind === "person" && isNamed);
}

/** The abilities of a role, built in or among the custom ones; a role that is gone allows nothing. */
export function actionsOfRole(
  role: string,
  custom: ReadonlyMap<string, readonly ProjectAction[]>,
): readonly ProjectAction[] {
  if (Object.hasOwn(builtInRoles, role)) return builtInRoles[role as keyof typeof builtInRoles];
  return custom.get(role) ?? [];
}

/** Machines that may pull may also see what there is: their permissions are written without the word. */
export function withList({ repository, actions }: Grant): Grant {
  return { repository, actions: actions.includes("pull") ? union([["list"], actions]) : actions };
}

function union(parts: readonly (readonly ProjectAction[])[]): ProjectAction[] {
  const all = new Set(parts.flat());
  return projectActions.filter((action) => all.has(action));
}
