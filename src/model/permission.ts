/**
 * What may be done in a project, one word an ability; system-wide abilities belong to the administrator alone.
 *
 * `list` shows repositories, tags, reports and evidence; `pull` gives the bytes. `lifetime` covers immutability,
 * retention, holds and undo; `settings` covers visibility, quota view, pull gate and proxy.
 */
export const projectActions = [
  "list",
  "pull",
  "push",
  "delete",
  "scan",
  "build",
  "label",
  "lifetime",
  "exceptions",
  "webhooks",
  "replication",
  "robots",
  "members",
  "settings",
  "audit",
] as const;

/** One of {@link projectActions}. */
export type ProjectAction = (typeof projectActions)[number];

/** The built-in roles with what they may do; Harbor's five, by its names. */
export const builtInRoles = {
  projectAdmin: [...projectActions],
  maintainer: [
    "list",
    "pull",
    "push",
    "delete",
    "scan",
    "build",
    "label",
    "lifetime",
    "exceptions",
    "webhooks",
    "audit",
  ],
  developer: ["list", "pull", "push", "scan", "build", "label"],
  guest: ["list", "pull"],
  limitedGuest: ["pull"],
} as const satisfies Record<string, readonly ProjectAction[]>;

/** The name of a built-in role. */
export type BuiltInRole = keyof typeof builtInRoles;

/** The project of a repository: the first element of its name. */
export function projectOf(repository: string): string {
  return repository.split("/", 1)[0]!;
}
