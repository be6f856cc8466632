import { z } from "zod";
import type { ConfigKey } from "./config-keys.ts";
import { groupFilterSchema, ldapUrlSchema, oidcIssuersSchema, userFilterSchema } from "./directory-values.ts";

const attributeSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/, "must be the name of an attribute");

/** The configuration keys of who signs in from outside, and of how much anybody may ask. */
export const directoryKeys = [
  {
    name: "auth.oidc.issuers",
    type: "yaml",
    default: [],
    about:
      "Issuers of OpenID Connect tokens that are trusted: a list of name, issuer, audience, rules and login. See the how-to page on OIDC.",
    environment: "MINTMARK_AUTH_OIDC_ISSUERS",
    schema: oidcIssuersSchema,
  },
  {
    name: "auth.ldap.url",
    type: "text",
    about: "The LDAP directory that people sign in with: ldap://HOST:PORT or ldaps://HOST:PORT.",
    environment: "MINTMARK_AUTH_LDAP_URL",
    schema: ldapUrlSchema.optional(),
  },
  {
    name: "auth.ldap.startTls",
    type: "boolean",
    default: false,
    about: "Whether an ldap:// connection is turned into an encrypted one before anything is sent.",
    environment: "MINTMARK_AUTH_LDAP_START_TLS",
    schema: z.boolean(),
  },
  {
    name: "auth.ldap.caFile",
    type: "path",
    about: "Certificates in PEM that the directory's certificate is checked against. By default those Node trusts.",
    environment: "MINTMARK_AUTH_LDAP_CA_FILE",
    schema: z.string().min(1).optional(),
  },
  {
    name: "auth.ldap.bindDn",
    type: "text",
    about: "The name that searches the directory. By default nobody's: the directory must then let anybody search.",
    environment: "MINTMARK_AUTH_LDAP_BIND_DN",
    schema: z.string().min(1).optional(),
  },
  {
    name: "auth.ldap.bindPassword",
    type: "text",
    about: "The password of auth.ldap.bindDn.",
    environment: "MINTMARK_AUTH_LDAP_BIND_PASSWORD",
    secret: true,
    schema: z.string().min(1).optional(),
  },
  {
    name: "auth.ldap.passwordFile",
    type: "path",
    about: "A file with the password of auth.ldap.bindDn; it is read at each sign-in, so it may be renewed.",
    environment: "MINTMARK_AUTH_LDAP_PASSWORD_FILE",
    schema: z.string().min(1).optional(),
  },
  {
    name: "auth.ldap.userBase",
    type: "text",
    about: "The entry below which people are searched, such as ou=people,dc=example,dc=org.",
    environment: "MINTMARK_AUTH_LDAP_USER_BASE",
    schema: z.string().min(1).optional(),
  },
  {
    name: "auth.ldap.userFilter",
    type: "text",
    default: "(uid={user})",
    about: "Finds the person who signs in; {user} is what was typed. For Active Directory: (sAMAccountName={user}).",
    environment: "MINTMARK_AUTH_LDAP_USER_FILTER",
    schema: userFilterSchema,
  },
  {
    name: "auth.ldap.nameAttribute",
    type: "text",
    default: "uid",
    about: "The attribute that becomes the account's name, in lower case. For Active Directory: sAMAccountName.",
    environment: "MINTMARK_AUTH_LDAP_NAME_ATTRIBUTE",
    schema: attributeSchema,
  },
  {
    name: "auth.ldap.groupBase",
    type: "text",
    about: "The entry below which groups are searched. By default the person's attribute memberOf tells them.",
    environment: "MINTMARK_AUTH_LDAP_GROUP_BASE",
    schema: z.string().min(1).optional(),
  },
  {
    name: "auth.ldap.groupFilter",
    type: "text",
    default: "(|(member={dn})(uniqueMember={dn})(memberUid={user}))",
    about:
      "Finds the groups of a person; {dn} is the person's entry and {user} its name. For nested groups of Active Directory: (member:1.2.840.113556.1.4.1941:={dn}).",
    environment: "MINTMARK_AUTH_LDAP_GROUP_FILTER",
    schema: groupFilterSchema,
  },
  {
    name: "auth.ldap.groupAttribute",
    type: "text",
    default: "cn",
    about: "The attribute of a group that is its name.",
    environment: "MINTMARK_AUTH_LDAP_GROUP_ATTRIBUTE",
    schema: attributeSchema,
  },
  {
    name: "auth.ldap.groups",
    type: "yaml",
    default: {},
    about: "The directory's names of groups with ours, where they differ: a mapping such as Platform Team: platform.",
    environment: "MINTMARK_AUTH_LDAP_GROUPS",
    schema: z.record(z.string().min(1), z.string().min(1)),
  },
  {
    name: "auth.ldap.adminGroup",
    type: "text",
    about: "The directory's name of the group whose members are administrators here.",
    environment: "MINTMARK_AUTH_LDAP_ADMIN_GROUP",
    schema: z.string().min(1).optional(),
  },
  {
    name: "auth.ldap.timeoutSeconds",
    type: "number",
    default: 5,
    about: "How long the directory may take to answer.",
    environment: "MINTMARK_AUTH_LDAP_TIMEOUT_SECONDS",
    schema: z.int().min(1).max(60),
  },
  {
    name: "limits.requestsPerMinute.address",
    type: "number",
    about:
      "Requests that one address may send in a minute, all at once or spread; 0 is no limit. By default 12000, and none for this machine's own.",
    environment: "MINTMARK_LIMITS_REQUESTS_PER_MINUTE_ADDRESS",
    schema: z.int().min(0).max(10_000_000).optional(),
  },
  {
    name: "limits.requestsPerMinute.identity",
    type: "number",
    about:
      "Requests that one account may send in a minute; the parts of an upload count as one. 0 is no limit. By default 12000, and none while listening on loopback.",
    environment: "MINTMARK_LIMITS_REQUESTS_PER_MINUTE_IDENTITY",
    schema: z.int().min(0).max(10_000_000).optional(),
  },
] as const satisfies readonly ConfigKey[];
