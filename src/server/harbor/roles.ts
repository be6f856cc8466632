import type { Caller } from "../access.ts";

/** Harbor's numbers of the built-in roles. Source: Harbor's common/const.go. */
const roleIds: Readonly<Record<string, number>> = {
  projectAdmin: 1,
  developer: 2,
  guest: 3,
  maintainer: 4,
  limitedGuest: 5,
};

/** The number of a role; 0 for those that Harbor does not have. */
export function idOfRole(role: string): number {
  return Object.hasOwn(roleIds, role) ? roleIds[role]! : 0;
}

/** The role of a number; undefined where there is none. */
export function roleOfId(id: number): string | undefined {
  return Object.keys(roleIds).find((role) => roleIds[role] === id);
}

/** The number of the built-in role that comes nearest to what a caller may do in a project; undefined for none. */
export function nearestRole(caller: Caller, project: string): number | undefined {
  if (caller.role === "anonymous") return undefined;
  if (caller.may("members", project)) return roleIds["projectAdmin"];
  if (caller.may("delete", project)) return roleIds["maintainer"];
  if (caller.may("push", project)) return roleIds["developer"];
  if (caller.may("list", project)) return roleIds["guest"];
  return caller.may("pull", project) ? roleIds["limitedGuest"] : undefined;
}
