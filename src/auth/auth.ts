/**
 * Auth knows who asks and what they may do: the administrator, people and their groups, robots, and tokens.
 *
 * It owns accounts, groups, roles, the members of projects, personal tokens, the key that signs registry tokens and
 * the audit events about them. It promises that a secret is told once and kept only as a hash, that whatever changes
 * rights counts at the next request, tokens included, that unknown names take as long as wrong passwords, and that
 * guessing gets slower.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { newSecret } from "../base/clock.ts";
import { writeFileAtomic } from "../base/files.ts";
import { type ProjectAction, projectOf } from "../model/permission.ts";
import { findAdministrator, insertAccount } from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type Directory } from "./external.ts";
import { type Groups, openGroups } from "./groups.ts";
import { type Grant, type Identity, isWithinProject, permits } from "./identity.ts";
import { type Members, openMembers } from "./members.ts";
import { openPasswords } from "./passwords.ts";
import { openPeople, type People } from "./people.ts";
import { openPersonalTokens, type PersonalTokens } from "./personal-tokens.ts";
import { openProjects, type Projects } from "./projects.ts";
import { openProofs, type Proofs } from "./proofs.ts";
import { openRights } from "./rights.ts";
import { openRobots, type Robots } from "./robots.ts";
import { openTokenKey } from "./token-key.ts";
import { openUses } from "./uses.ts";

export { sealChain, verifyChain } from "./audit/chain.ts";
export { csvHeader, csvLine } from "./audit/csv.ts";
export { openPullTrail } from "./audit/pull-trail.ts";
export { purgeOldEvents } from "./audit/retention.ts";
export { openSyslogSender } from "./audit/syslog.ts";
export { bootstrapProject, starterRoles } from "./bootstrap.ts";
export { openBrowserSignIn, type BrowserSignIn } from "./browser-sign-in.ts";
export { checkDirectory, openDirectory } from "./directory/directory.ts";
export { type Directory } from "./external.ts";
export { type Actor, anonymous, asStranger, type Identity } from "./identity.ts";
export { tokenService } from "./registry-tokens.ts";
export { openRateLimits, type RateLimits } from "./rate-limits.ts";
export { countRobotsEndingSoon } from "./robot-ends.ts";

/** The accounts of a store, and what they may do. */
export interface Accounts extends Proofs {
  readonly projects: Projects;
  readonly members: Members;
  readonly people: People;
  readonly groups: Groups;
  readonly robots: Robots;
  readonly tokens: PersonalTokens;
  /** Whether an identity may do something in a repository; a project's name stands for the whole project. */
  authorize(identity: Identity, repository: string, action: ProjectAction): boolean;
  /** Whether another token for the same secret could allow it, beyond what this one was made for. */
  authorizeAccount(identity: Identity, repository: string, action: ProjectAction): boolean;
  /** Whether an identity may list or pull anything in a project: what it does not see does not exist for it. */
  sees(identity: Identity, project: string): boolean;
  /** Whether everybody may list and pull in a repository's project. */
  isPublic(repository: string): boolean;
  /** Whether there is any public project. */
  hasPublic(): boolean;
  /** Writes down what is not yet: when accounts were last used. */
  close(): Promise<void>;
}

/** What opens the accounts. */
export interface AccountsOptions {
  readonly store: Store;
  /** Where the key that signs tokens is; made on the first run. */
  readonly keyFile: string;
  /** Whether who has no account may list and pull everything. */
  readonly anonymousPull: boolean;
  /** Who vouches for people and machines whose credentials are not kept here. */
  readonly directory?: Directory | undefined;
  /** Told that a project is gone: what is kept of it in memory must go too. */
  readonly onProjectRemoved?: (project: string) => void;
}

/**
 * Opens the accounts of a store.
 *
 * @throws Failure `key_unusable`
 */
export async function openAccounts(options: AccountsOptions): Promise<Accounts> {
  const { store, keyFile, anonymousPull, directory } = options;
  const key = await openTokenKey(keyFile);
  const passwords = openPasswords();
  const rights = await openRights(store);
  const uses = openUses(store);
  const onAdministratorPassword = async (): Promise<void> => await rm(passwordFileOf(store), { force: true });
  const people = openPeople({ store, passwords, rights, onAdministratorPassword });
  const robots = openRobots({ store, passwords, rights });

  const isOpen = (identity: Identity, repository: string): boolean =>
    (identity.role === "anonymous" && identity.isStranger !== true && anonymousPull) || rights.isPublic(repository);
  const isGranted: Accounts["authorize"] = (identity, repository, action) =>
    permits(identity.grants, repository, action) ||
    ((action === "pull" || action === "list") && isOpen(identity, repository));
  const authorizeAccount: Accounts["authorizeAccount"] = (identity, repository, action) =>
    (identity.secretLimits === undefined || permits(identity.secretLimits, repository, action)) &&
    isGranted(identity, repository, action);
  const authorize: Accounts["authorize"] = (identity, repository, action) =>
    (identity.limits === undefined || permits(identity.limits, repository, action)) &&
    isGranted(identity, repository, action);
  return {
    ...openProofs({ store, key, passwords, rights, uses, people, directory, authorize }),
    projects: openProjects({ store, rights, onRemoved: options.onProjectRemoved }),
    members: openMembers({ store, rights }),
    people,
    groups: openGroups({ store, rights }),
    robots,
    tokens: openPersonalTokens({ store, rights }),
    authorize,
    authorizeAccount,
    sees: (identity, project) =>
      (identity.limits === undefined || showsAny(identity.limits, project)) &&
      (showsAny(identity.grants, project) || isOpen(identity, project)),
    isPublic: rights.isPublic,
    hasPublic: rights.hasPublic,
    close: async () => await uses.close(),
  };
}

function showsAny(grants: readonly Grant[], project: string): boolean {
  return grants.some(
    ({ repository, actions }) =>
      (repository === "*" || isWithinProject(repository, projectOf(project))) &&
      (actions.includes("list") || actions.includes("pull")),
  );
}

/**
 * Makes `admin` on the first run, with a random password in `<dataDir>/admin-password` that its owner alone may read.
 *
 * The file comes first: a crash between the two leaves no account whose password nobody knows.
 */
export async function ensureAdministrator(
  store: Store,
): Promise<{ readonly created: boolean; readonly passwordFile: string }> {
  const passwordFile = passwordFileOf(store);
  if ((await findAdministrator(store.db)) !== undefined) return { created: false, passwordFile };
  const password = newSecret(24);
  const secretHash = await openPasswords().hash(password);
  await writeFileAtomic(passwordFile, `${password}\n`, 0o600);
  await store.transaction(async (db) => {
    const isMade = await insertAccount(db, {
      name: "admin",
      kind: "administrator",
      secretHash,
      createdBy: "first run",
    });
    if (isMade) await addAuditEvent(db, { actor: "first run", action: "account.created", subject: "admin" });
  });
  return { created: true, passwordFile };
}

function passwordFileOf(store: Store): string {
  return join(store.dataDir, "admin-password");
}
