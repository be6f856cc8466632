import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type Permission } from "../model/access.ts";
import { projectActions, projectOf, type ProjectAction } from "../model/permission.ts";
import { isRepository } from "../model/reference.ts";
import { type Actor, isRepositoryPattern, isWithinProject } from "./identity.ts";
import { isPersonalSecret } from "./people-rules.ts";

const prefix = "robot$";

/** The part of a robot that says who may manage it. */
interface Managed {
  readonly name: string;
  readonly project: string | null;
}

/**
 * The full name of a robot: `robot$ci`, or `robot$team+ci` in a project.
 *
 * @throws Failure `usage` where it is not lower-case letters, digits, dots, dashes and underscores
 */
export function fullRobotName(given: string, project?: string): string {
  const bare = given.startsWith(prefix) ? given.slice(prefix.length) : given;
  const start = project === undefined || bare.startsWith(`${project}+`) ? "" : `${project}+`;
  const name = `${prefix}${start}${bare}`;
  const [, of, last = ""] = /^robot\$(?:([^+]*)\+)?([^+]*)$/.exec(name) ?? [];
  const isOfProject = of === undefined || (isRepository(of) && !of.includes("/"));
  const isMade = project === undefined || of === project;
  if (isOfProject && isMade && /^[a-z0-9][a-z0-9._-]{0,62}$/.test(last)) return name;
  throw new Failure(
    "usage",
    `Cannot name a robot "${name.slice(0, 100)}": its name must be lower-case letters, digits, dots, dashes and underscores`,
  );
}

/**
 * Lets those through who may manage a robot.
 *
 * @throws Failure `forbidden`
 */
export function mayManage({ name, project }: Managed, actor: Actor): void {
  if (actor.role === "administrator") return;
  if (project !== null && actor.may("robots", project)) return;
  throw new Failure("forbidden", `Cannot change the robot "${name}" as "${actor.name}": it lacks the right to`, {
    hint: "Robots of the whole system are the administrator's; those of a project take the ability `robots` in it",
  });
}

/**
 * Lets those through who may know a robot's secret: with it they can do whatever the robot may.
 *
 * @throws Failure `forbidden`
 */
export function mayRotate({ name, project, permissions }: Managed & Pick<Wish, "permissions">, actor: Actor): void {
  if (actor.name !== name) checkedPermissions({ name, project, permissions, actor });
}

/**
 * Reads the end of a robot; null where it has none.
 *
 * @throws Failure `usage` where it is no instant in the future, `forbidden` for who may not say never or so late
 */
export function checkedEnd(name: string, expiresAt: string | null, actor: Actor): number | null {
  const refuse = (code: "usage" | "forbidden", state: string): Failure =>
    new Failure(code, `Cannot end the robot "${name}" then: ${state}`);
  if (expiresAt === null && actor.role !== "administrator")
    throw refuse("forbidden", "only the administrator makes robots without an end");
  if (expiresAt === null) return null;
  const end = Date.parse(expiresAt);
  if (!(end > nowMs())) throw refuse("usage", "its end is not an instant in the future");
  const isBound = actor.role !== "administrator" && (actor.role === "robot" || actor.isToken === true);
  if (isBound && end > (actor.endsAt ?? Infinity))
    throw refuse("forbidden", `no ${actor.isToken === true ? "token" : "robot"} makes a robot that outlives it`);
  return end;
}

/** What a robot is to be allowed, and who says so. */
interface Wish extends Managed {
  readonly permissions: readonly Permission[];
  readonly actor: Actor;
}

/**
 * Checks the permissions of a robot: known words, within its project, and none that its maker lacks.
 *
 * @throws Failure `usage`, `forbidden`
 */
export function checkedPermissions({ name, project, permissions, actor }: Wish): readonly Permission[] {
  const refuse = (code: "usage" | "forbidden", state: string): Failure =>
    new Failure(code, `Cannot give the robot "${name}" its permissions: ${state}`);
  if (permissions.length === 0) throw refuse("usage", "it would be allowed nothing");
  for (const { repository, actions } of permissions) {
    const shown = repository.slice(0, 300);
    if (!isRepositoryPattern(repository))
      throw refuse("usage", `"${shown}" is neither a repository nor one followed by /*, nor a project followed by /**`);
    if (actions.length === 0) throw refuse("usage", `nothing is allowed in "${shown}"`);
    const unknown = actions.find((action) => !projectActions.includes(action));
    if (unknown !== undefined) throw refuse("usage", `there is no ability "${String(unknown).slice(0, 50)}"`);
    if (project !== null && !isWithinProject(repository, project))
      throw refuse("usage", `"${shown}" is not in the project "${project}"`);
    const lacking = actions.find((action) => !mayGive(actor, action, repository));
    if (lacking !== undefined)
      throw refuse("forbidden", `"${actor.name}" may not ${lacking} in "${shown}" and so cannot pass it on`);
  }
  return permissions;
}

/** Who gives a right for a pattern must have it in the whole project. */
function mayGive(actor: Actor, action: ProjectAction, pattern: string): boolean {
  return actor.role === "administrator" || (pattern !== "*" && actor.may(action, projectOf(pattern)));
}

const chosenSecret = { lengthMin: 8, lengthMax: 128 };

/**
 * Checks a secret that somebody chose for a robot.
 *
 * @throws Failure `usage`
 */
export function checkedSecret(name: string, secret: string): string {
  const { lengthMin, lengthMax } = chosenSecret;
  if (secret.length >= lengthMin && secret.length <= lengthMax && !isPersonalSecret(secret)) return secret;
  throw new Failure(
    "usage",
    `Cannot set the secret of the robot "${name}": it takes ${lengthMin} to ${lengthMax} characters`,
  );
}
