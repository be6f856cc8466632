import { isAbsolute } from "node:path";
import { z } from "zod";
import { builtInRoles, projectActions, type BuiltInRole } from "../model/permission.ts";
import { isRepository } from "../model/reference.ts";

/** An https address; http is taken on this machine only, where nobody listens in. */
const trustedUrlSchema = z
  .url({ protocol: /^https?$/ })
  .refine(isTrustedUrl, "must be https: http is for this machine only");

/** Whether what comes from an address is protected on its way. */
export function isTrustedUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.hash !== "") return false;
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopbackName(url.hostname));
}

function isLoopbackName(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

const repositoryPatternSchema = z.string().refine((text) => {
  const [, name = "", end] = /^(.+?)(\/\*\*?)?$/s.exec(text) ?? [];
  return text === "*" || (isRepository(name) && (end !== "/**" || !name.includes("/")));
}, "must be a repository, a project and /**, the beginning of names and /*, or *");

const grantSchema = z.union([
  z.strictObject({ repository: repositoryPatternSchema, actions: z.array(z.enum(projectActions)).min(1) }),
  z.strictObject({
    project: z.string().refine((text) => isRepository(text) && !text.includes("/"), "must be the name of a project"),
    role: z.enum(Object.keys(builtInRoles) as BuiltInRole[]),
  }),
]);

const oneOrMoreSchema = z
  .union([z.string().min(1).max(512), z.array(z.string().min(1).max(512)).min(1)])
  .transform((value) => (typeof value === "string" ? [value] : value));

const ruleSchema = z
  .strictObject({
    /** A claim's name with the patterns of which one must fit; every claim named here must. */
    match: z
      .record(z.string().min(1), oneOrMoreSchema)
      .refine((match) => Object.keys(match).length > 0, "must name a claim"),
    grants: z.array(grantSchema).min(1).optional(),
    /** The robot that the bearer acts as: its rights, its end, its name in the audit log. */
    robot: z
      .string()
      .regex(/^(?:robot\$)?[a-z0-9][a-z0-9._+-]{0,127}$/, "must be the name of a robot")
      .optional(),
  })
  .refine((rule) => (rule.grants === undefined) !== (rule.robot === undefined), "must have grants or a robot");

/** An issuer of OpenID Connect tokens. */
const oidcIssuerSchema = z
  .strictObject({
    /** Names the issuer in identities and addresses. */
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be lower-case letters, digits and dashes"),
    /** What tokens say in `iss`, to the letter. */
    issuer: trustedUrlSchema,
    /** What tokens of workloads must say in `aud`; one of them is enough. */
    audience: oneOrMoreSchema.optional(),
    /** Where the keys are; by default the issuer's discovery document says it. */
    jwksUrl: trustedUrlSchema.optional(),
    /** A token of a workload that was issued longer ago is refused, whatever end it claims. */
    maxTokenAgeSeconds: z.int().min(60).max(86_400).default(3600),
    /** What workloads may do; without a rule that fits they may not sign in. */
    rules: z.array(ruleSchema).default([]),
    nameClaim: z.string().min(1).default("preferred_username"),
    groupsClaim: z.string().min(1).default("groups"),
    /** The issuer's names of groups with ours, where they differ. */
    groups: z.record(z.string().min(1), z.string().min(1)).default({}),
    /** Lets people sign in with a browser. */
    login: z
      .strictObject({
        clientId: z.string().min(1),
        /** A file with the client's secret; a public client has none. */
        clientSecretFile: z.string().refine(isAbsolute, "must be an absolute path").optional(),
        scopes: z
          .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/))
          .default(["openid", "profile", "email"])
          .refine((scopes) => scopes.includes("openid"), "must hold openid"),
        /** Members of this group of the issuer's are administrators. */
        adminGroup: z.string().min(1).optional(),
        /** Only members of one of these groups of the issuer's may sign in. */
        allowedGroups: z.array(z.string().min(1)).min(1).optional(),
      })
      .optional(),
  })
  .refine((issuer) => issuer.rules.length === 0 || issuer.audience !== undefined, {
    path: ["audience"],
    message: "must be set where there are rules: a token that was made for somebody else is not for us",
  })
  .refine((issuer) => issuer.rules.length > 0 || issuer.login !== undefined, "must have rules, login, or both");

/** All issuers; names and addresses are told apart by them, so none may come twice. */
export const oidcIssuersSchema = z
  .array(oidcIssuerSchema)
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, "must not name two issuers the same")
  .refine(
    (list) => new Set(list.map(({ issuer }) => issuer)).size === list.length,
    "must not have the same issuer twice",
  );

/** One issuer of OpenID Connect tokens, checked. */
export type OidcIssuerConfig = z.output<typeof oidcIssuerSchema>;

/** What one rule about claims gives. */
export type ClaimGrant = z.output<typeof grantSchema>;

/** `ldap://HOST[:PORT]` or `ldaps://HOST[:PORT]`. */
export const ldapUrlSchema = z.url({ protocol: /^ldaps?$/ }).refine((text) => {
  const url = URL.parse(text);
  return url !== null && url.hostname !== "" && /^\/?$/.test(url.pathname) && url.search === "" && url.username === "";
}, "must be ldap://HOST:PORT or ldaps://HOST:PORT");

/** A search filter with `{user}` in it. Source: RFC 4515. */
export const userFilterSchema = z
  .string()
  .refine((text) => /^\(.*\)$/s.test(text) && text.includes("{user}"), "must be a filter in parentheses with {user}");

/** A search filter with `{dn}` or `{user}` in it. */
export const groupFilterSchema = z
  .string()
  .refine(
    (text) => /^\(.*\)$/s.test(text) && /\{(?:dn|user)\}/.test(text),
    "must be a filter in parentheses with {dn} or {user}",
  );
