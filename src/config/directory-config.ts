import { Failure } from "../base/errors.ts";
import type { ConfigKeyName } from "./config-keys.ts";
import type { OidcIssuerConfig } from "./directory-values.ts";

/** Who signs in from outside. */
export interface AuthConfig {
  readonly oidc: { readonly issuers: readonly OidcIssuerConfig[] };
  /** Undefined where no directory is asked. */
  readonly ldap: LdapConfig | undefined;
}

/** How people are looked up in an LDAP directory. */
export interface LdapConfig {
  readonly url: string;
  /** Whether an `ldap://` connection is encrypted before anything is sent. */
  readonly startTls: boolean;
  /** Certificates in PEM that the directory's one is checked against. */
  readonly caFile: string | undefined;
  /** Who searches; anonymous where undefined. */
  readonly bindDn: string | undefined;
  readonly bindPassword: string | undefined;
  /** Holds the password where `bindPassword` does not. */
  readonly passwordFile: string | undefined;
  readonly userBase: string;
  /** With `{user}` for what was typed. */
  readonly userFilter: string;
  readonly nameAttribute: string;
  /** Where groups are searched; without it the person's own `memberOf` tells them. */
  readonly groupBase: string | undefined;
  /** With `{dn}` and `{user}` for the person. */
  readonly groupFilter: string;
  readonly groupAttribute: string;
  /** The directory's names of groups with ours, where they differ. */
  readonly groups: Readonly<Record<string, string>>;
  /** The directory's name of the administrators' group. */
  readonly adminGroup: string | undefined;
  readonly timeoutSeconds: number;
}

/**
 * Shapes the checked values of the `auth` keys.
 *
 * @throws Failure `config_invalid` where keys that go together do not come together
 */
export function authConfig(read: <Value>(name: ConfigKeyName) => Value): AuthConfig {
  return { oidc: { issuers: read("auth.oidc.issuers") }, ldap: ldapConfig(read) };
}

function ldapConfig(read: <Value>(name: ConfigKeyName) => Value): LdapConfig | undefined {
  const url = read<string | undefined>("auth.ldap.url");
  if (url === undefined) return undefined;
  const userBase = read<string | undefined>("auth.ldap.userBase");
  if (userBase === undefined) throw unusable("auth.ldap.url is set, but auth.ldap.userBase is not");
  const startTls = read<boolean>("auth.ldap.startTls");
  if (startTls && url.startsWith("ldaps:"))
    throw unusable("auth.ldap.startTls is for ldap:// addresses, and auth.ldap.url is ldaps://");
  const bindDn = read<string | undefined>("auth.ldap.bindDn");
  const bindPassword = read<string | undefined>("auth.ldap.bindPassword");
  const passwordFile = read<string | undefined>("auth.ldap.passwordFile");
  if ((bindDn === undefined) !== (bindPassword === undefined && passwordFile === undefined))
    throw unusable("auth.ldap.bindDn and its password go together, but only one of them is set");
  return {
    url,
    startTls,
    caFile: read("auth.ldap.caFile"),
    bindDn,
    bindPassword,
    passwordFile,
    userBase,
    userFilter: read("auth.ldap.userFilter"),
    nameAttribute: read("auth.ldap.nameAttribute"),
    groupBase: read("auth.ldap.groupBase"),
    groupFilter: read("auth.ldap.groupFilter"),
    groupAttribute: read("auth.ldap.groupAttribute"),
    groups: read("auth.ldap.groups"),
    adminGroup: read("auth.ldap.adminGroup"),
    timeoutSeconds: read("auth.ldap.timeoutSeconds"),
  };
}

function unusable(state: string): Failure {
  return new Failure("config_invalid", `Cannot use the configuration: ${state}`);
}
