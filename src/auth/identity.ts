import { projectActions, type ProjectAction } from "../model/permission.ts";
import { isRepository } from "../model/reference.ts";

/** Who asks, with everything that the account or its token may do, public projects aside. */
export interface Identity {
  /** The account's name, such as `admin`, `anna` or `robot$ci`; `anonymous` where nobody signed in. */
  readonly name: string;
  /** `administrator` may do everything; the identity of a narrowed token never is one. */
  readonly role: "anonymous" | "robot" | "person" | "administrator";
  readonly groups: readonly string[];
  readonly grants: readonly Grant[];
  /** What a token is narrowed to: nothing outside is allowed, and nothing here is allowed without a grant. */
  readonly limits?: readonly Grant[];
  /** What another token for the same secret could allow at most: the limits of a personal token. */
  readonly secretLimits?: readonly Grant[];
  /** Whether a token stands for the account, which may do less than the account itself. */
  readonly isToken?: boolean;
  /** Whether nobody in particular asks from elsewhere, and so sees public projects only. */
  readonly isStranger?: boolean;
  /** When the account or its token ends, in milliseconds since 1970; undefined where it has no end. */
  readonly endsAt?: number;
}

/** Abilities in the repositories that a pattern names. */
export interface Grant {
  /** `*` is every repository, `team/**` the whole project `team`, `team/*` every repository below `team/`, anything else is one repository. */
  readonly repository: string;
  readonly actions: readonly ProjectAction[];
}

/** Who changes something: the part of a caller that the rules of this room look at. */
export interface Actor {
  readonly name: string;
  readonly role: Identity["role"];
  /** Whether a token stands for the account. */
  readonly isToken?: boolean;
  /** When the account or its token ends, in milliseconds since 1970: what a robot makes must not outlive it. */
  readonly endsAt?: number;
  /** Whether it may do something in a repository; a project's name stands for the whole project. */
  may(action: ProjectAction, repository: string): boolean;
}

/** What a token of the registry may allow. Source: the Docker registry's token scope specification. */
export type Action = "pull" | "push" | "delete";

/** Every {@link Action}, in the order in which they are shown. */
export const allActions: readonly Action[] = ["pull", "push", "delete"];

/** Nobody in particular: may see public projects, and everything where the accounts were opened with `anonymousPull`. */
export const anonymous: Identity = { name: "anonymous", role: "anonymous", groups: [], grants: [] };

/** Nobody in particular who asks from elsewhere: only public projects, whatever the accounts were opened with. */
export const stranger: Identity = { ...anonymous, isStranger: true };

/** An anonymous identity as that of a {@link stranger}. */
export function asStranger(identity: Identity): Identity {
  return identity === anonymous ? stranger : { ...identity, isStranger: true };
}

/** Everything in every repository. */
export const everything: readonly Grant[] = [{ repository: "*", actions: projectActions }];

/** Whether grants allow an action on a repository. */
export function permits(grants: readonly Grant[], repository: string, action: ProjectAction): boolean {
  return grants.some((one) => one.actions.includes(action) && covers(one.repository, repository));
}

/** The pattern of a whole project. */
export function projectPattern(project: string): string {
  return `${project}/**`;
}

/** Whether a text is a pattern that {@link Grant} knows. */
export function isRepositoryPattern(text: string): boolean {
  if (text === "*") return true;
  const [, name = "", end] = /^(.+?)(\/\*\*?)?$/s.exec(text) ?? [];
  return isRepository(name) && (end !== "/**" || !name.includes("/"));
}

/** Whether all that a pattern names lies in one project; `*` does not. */
export function isWithinProject(pattern: string, project: string): boolean {
  return pattern === project || pattern.startsWith(`${project}/`);
}

function covers(pattern: string, repository: string): boolean {
  if (!pattern.endsWith("*")) return repository === pattern;
  if (pattern === "*") return true;
  const isWhole = pattern.endsWith("/**");
  const stem = pattern.slice(0, isWhole ? -2 : -1);
  return (
    repository.startsWith(stem) || (isWhole && repository.length === stem.length - 1 && stem.startsWith(repository))
  );
}
