import type { ClaimGrant, OidcIssuerConfig } from "../../config/directory-values.ts";
import { builtInRoles } from "../../model/permission.ts";
import { projectPattern, type Grant } from "../identity.ts";
import { fitsPattern } from "./claim-pattern.ts";

/** The claims of a token whose signature was found right. */
export type Claims = Readonly<Record<string, unknown>>;

/** What the rules of an issuer give to the bearer of claims: a robot to act as, or grants. */
export type RuleAnswer = { readonly robot: string } | { readonly grants: readonly Grant[] };

/** Applies the rules that fit: the robot of the first of them, or the grants of all; undefined where none fits. */
export function applyRules(rules: OidcIssuerConfig["rules"], claims: Claims): RuleAnswer | undefined {
  const fitting = rules.filter(({ match }) =>
    Object.entries(match).every(([name, patterns]) => fitsClaim(patterns, claimAt(claims, name))),
  );
  const robot = fitting[0]?.robot;
  if (robot !== undefined) return { robot };
  return fitting.length === 0 ? undefined : { grants: fitting.flatMap(({ grants = [] }) => grants.map(grantOf)) };
}

/**
 * A claim by its name; where there is none of that name, dots lead into mappings: `realm_access.roles`.
 *
 * Only what the token itself holds is found, never what objects inherit.
 */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const part of name.split(".")) {
    if (value === null || typeof value !== "object" || Array.isArray(value) || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Claims)[part];
  }
  return value;
}

/** The texts that a claim holds: one, or those of a list. */
export function textsOf(value: unknown): string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.flatMap((one) => {
    if (typeof one === "string") return one;
    return typeof one === "boolean" || typeof one === "number" ? String(one) : [];
  });
}

/** Of a longer claim no part is compared: a truncated text could fit what the whole does not. */
const longestText = 2048;
const longestList = 500;

function fitsClaim(patterns: readonly string[], value: unknown): boolean {
  return textsOf(value)
    .slice(0, longestList)
    .some((text) => text.length <= longestText && patterns.some((pattern) => fitsPattern(pattern, text)));
}

function grantOf(grant: ClaimGrant): Grant {
  return "project" in grant
    ? { repository: projectPattern(grant.project), actions: builtInRoles[grant.role] }
    : { repository: grant.repository, actions: grant.actions };
}
