import { isRepository } from "../model/reference.ts";

/** Who asks, with everything that the account or its token may do. */
export interface Identity {
  /** The account's name, such as `admin` or `robot$ci`; `anonymous` where nobody signed in. */
  readonly name: string;
  readonly role: "anonymous" | "robot" | "administrator";
  /** Whether it may start and stop builds; never true for anonymous callers and for tokens. */
  readonly mayBuild: boolean;
  readonly permissions: readonly Permission[];
}

/** What may be done in a repository. */
export type Action = "pull" | "push" | "delete";

/** Actions on the repositories that a pattern names. */
export interface Permission {
  /** `*` is every repository, `team/*` every one below `team/`, anything else is one repository. */
  readonly repository: string;
  readonly actions: readonly Action[];
}

/** Every action, in the order in which they are shown. */
export const allActions: readonly Action[] = ["pull", "push", "delete"];

/** Nobody in particular: may pull everything, and that only where the accounts were opened with `anonymousPull`. */
export const anonymous: Identity = {
  name: "anonymous",
  role: "anonymous",
  mayBuild: false,
  permissions: [{ repository: "*", actions: ["pull"] }],
};

/** Whether permissions allow an action on a repository. */
export function permits(permissions: readonly Permission[], repository: string, action: Action): boolean {
  return permissions.some((one) => one.actions.includes(action) && covers(one.repository, repository));
}

/** Whether a text is a pattern that {@link Permission} knows. */
export function isRepositoryPattern(text: string): boolean {
  return text === "*" || isRepository(text.endsWith("/*") ? text.slice(0, -2) : text);
}

function covers(pattern: string, repository: string): boolean {
  if (pattern === "*") return true;
  return pattern.endsWith("/*") ? repository.startsWith(pattern.slice(0, -1)) : repository === pattern;
}
