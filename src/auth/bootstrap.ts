import { Failure } from "../base/errors.ts";
import { projectActions, type ProjectAction } from "../model/permission.ts";
import type { Accounts } from "./auth.ts";
import { type Actor, projectPattern } from "./identity.ts";

/** What a bootstrap is asked for. */
export interface Bootstrap {
  readonly project: string;
  /** When the robots end, ISO 8601. */
  readonly expiresAt: string;
  readonly actor: Actor;
}

/** A robot of a bootstrapped project. */
export interface BootstrapRobot {
  readonly name: string;
  readonly role: string;
  /** Undefined where the robot was there before: a secret is told once. */
  readonly secret: string | undefined;
}

/** What a project needs at first: who pushes to it, who pulls from it, who looks after it. */
const starters: readonly {
  readonly robot: string;
  readonly role: string;
  readonly about: string;
  readonly actions: readonly ProjectAction[];
}[] = [
  {
    robot: "ci",
    role: "push",
    about: "The build pipeline",
    actions: ["list", "pull", "push", "scan", "build", "label"],
  },
  { robot: "pull", role: "pull", about: "Machines of developers", actions: ["list", "pull"] },
  { robot: "admin", role: "admin", about: "The platform team", actions: projectActions },
];

/** The names of the roles that a bootstrap gives a project. */
export function starterRoles(project: string): string[] {
  return starters.map(({ role }) => `${project}-${role}`);
}

/**
 * Makes a project with the roles `NAME-push`, `NAME-pull` and `NAME-admin` and the robots `robot$NAME-ci`,
 * `robot$NAME-pull` and `robot$NAME-admin`, as far as they are not there; robots that have ended are made again.
 *
 * @throws Failure `usage`, `conflict` where a role of that name allows something else
 */
export async function bootstrapProject(
  accounts: Pick<Accounts, "projects" | "members" | "robots">,
  { project, expiresAt, actor }: Bootstrap,
): Promise<readonly BootstrapRobot[]> {
  if ((await accounts.projects.find(project)) === undefined)
    await accounts.projects.create({ name: project, isPublic: false, actor });
  const roles = await accounts.members.roles();
  const robots: BootstrapRobot[] = [];
  for (const { robot, role, about, actions } of starters) {
    const name = `${project}-${role}`;
    const known = roles.find((one) => one.name === name);
    if (known === undefined) await accounts.members.createRole({ name, actions, description: about, actor });
    else if (known.actions.join() !== projectActions.filter((one) => actions.includes(one)).join())
      throw new Failure(
        "conflict",
        `Cannot set up the project "${project}": the role "${name}" allows something else`,
        {
          hint: "Remove or rename that role first",
        },
      );
    robots.push(
      await starterRobot(accounts, {
        name: `${project}-${robot}`,
        role: name,
        project,
        about,
        actions,
        expiresAt,
        actor,
      }),
    );
  }
  return robots;
}

interface StarterRobot extends Bootstrap {
  readonly name: string;
  readonly role: string;
  readonly about: string;
  readonly actions: readonly ProjectAction[];
}

async function starterRobot({ robots }: Pick<Accounts, "robots">, wish: StarterRobot): Promise<BootstrapRobot> {
  const { name, role, project, about, actions, expiresAt, actor } = wish;
  const known = await robots.find(name);
  if (known?.state === "active") return { name: known.name, role, secret: undefined };
  const permissions = [{ repository: projectPattern(project), actions }];
  const made = await robots.create({ name, permissions, description: about, expiresAt, actor });
  return { ...made, role };
}
