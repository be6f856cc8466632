import { z } from "zod";
import type { Permission } from "../../model/access.ts";
import { projectActions, type ProjectAction } from "../../model/permission.ts";
import { badRequest, notOffered } from "./refusals.ts";

/** What Harbor's robots may do, in its words. */
export const permissionsSchema = z
  .array(
    z.object({
      kind: z.enum(["project", "system"]),
      namespace: z.string().min(1).max(255),
      access: z
        .array(
          z.object({
            resource: z.string().max(100),
            action: z.string().max(100),
            effect: z.string().max(20).nullish(),
          }),
        )
        .max(200),
    }),
  )
  .max(200);

/** Permissions in Harbor's words. */
export type HarborPermissions = z.output<typeof permissionsSchema>;

/** Our abilities by Harbor's resources; `*` stands for all actions that are not named. */
const abilities: Readonly<Record<string, Readonly<Record<string, ProjectAction>>>> = {
  repository: {
    pull: "pull",
    push: "push",
    list: "list",
    read: "list",
    create: "push",
    update: "push",
    delete: "delete",
  },
  artifact: { list: "list", read: "list", create: "push", delete: "delete" },
  "artifact-addition": { "*": "list" },
  accessory: { "*": "list" },
  tag: { list: "list", read: "list", create: "push", delete: "delete" },
  "artifact-label": { list: "list", read: "list", "*": "label" },
  label: { list: "list", read: "list", "*": "settings" },
  scan: { read: "list", "*": "scan" },
  sbom: { read: "list", "*": "scan" },
  scanner: { read: "list", "*": "settings" },
  project: { list: "list", read: "list", "*": "settings" },
  metadata: { list: "list", read: "list", "*": "settings" },
  quota: { "*": "list" },
  member: { "*": "members" },
  robot: { "*": "robots" },
  log: { "*": "audit" },
  "notification-policy": { "*": "webhooks" },
  "immutable-tag": { "*": "lifetime" },
  "tag-retention": { "*": "lifetime" },
  "export-cve": { "*": "list" },
};

/**
 * Reads permissions of Harbor's as ours.
 *
 * @throws Failure `usage` for words that there are not, 501 for what robots cannot do here
 */
export function readPermissions(permissions: HarborPermissions): Permission[] {
  return permissions.map(({ kind, namespace, access }) => {
    if (kind === "system")
      throw notOffered("robots act in projects: what concerns the whole system is for administrators alone");
    const actions = new Set(access.map(abilityOf));
    if (actions.size === 0) throw badRequest("the access of a permission is empty");
    return {
      repository: namespace === "*" ? "*" : `${namespace}/**`,
      actions: projectActions.filter((action) => actions.has(action)),
    };
  });
}

function abilityOf({ resource, action, effect }: HarborPermissions[number]["access"][number]): ProjectAction {
  if (effect !== null && effect !== undefined && effect !== "" && effect !== "allow")
    throw badRequest(`invalid effect ${effect}`);
  const byAction = Object.hasOwn(abilities, resource) ? abilities[resource]! : undefined;
  const ability =
    byAction === undefined ? undefined : Object.hasOwn(byAction, action) ? byAction[action] : byAction["*"];
  if (ability === undefined) throw badRequest(`bad request permission: ${resource}:${action}`);
  return ability;
}

/** The plainest words of Harbor's for each ability; what it has no word for is not told. */
const words: Readonly<Partial<Record<ProjectAction, readonly [resource: string, action: string]>>> = {
  list: ["repository", "list"],
  pull: ["repository", "pull"],
  push: ["repository", "push"],
  delete: ["artifact", "delete"],
  scan: ["scan", "create"],
  label: ["artifact-label", "create"],
  lifetime: ["tag-retention", "update"],
  webhooks: ["notification-policy", "update"],
  robots: ["robot", "create"],
  members: ["member", "update"],
  settings: ["project", "update"],
  audit: ["log", "list"],
};

/** Permissions of ours in Harbor's words. */
export function shownPermissions(permissions: readonly Permission[]): HarborPermissions {
  return permissions.map(({ repository, actions }) => ({
    kind: "project",
    namespace: repository.replace(/\/\*\*?$/, ""),
    access: actions.flatMap((action) => {
      const word = words[action];
      return word === undefined ? [] : [{ resource: word[0], action: word[1] }];
    }),
  }));
}
