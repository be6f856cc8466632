import type { AuthConfig } from "../../config/directory-config.ts";
import type { Database } from "../../store/database.ts";
import type { Directory } from "../external.ts";
import { openCodeFlow, type CodeFlow } from "./code-flow.ts";
import { openIssuer } from "./issuer.ts";
import { openLdap } from "./ldap.ts";
import { openWorkloads } from "./workloads.ts";

/** Everybody outside who vouches for people and machines, as configured. */
export interface OuterDirectory extends Directory {
  /** The issuers at which people sign in with a browser, by name. */
  readonly logins: ReadonlyMap<string, CodeFlow>;
}

/** Opens what the configuration names; undefined where it names nobody. Nothing is asked before somebody signs in. */
export function openDirectory(auth: AuthConfig, db: Database): OuterDirectory | undefined {
  if (auth.ldap === undefined && auth.oidc.issuers.length === 0) return undefined;
  const ldap = auth.ldap === undefined ? undefined : openLdap(auth.ldap);
  const issuers = auth.oidc.issuers.map(openIssuer);
  const logins = issuers.flatMap((issuer) => {
    const { name, login } = issuer.config;
    return login === undefined ? [] : [[name, openCodeFlow(issuer, login)] as const];
  });
  return {
    signIn: async (credentials) => await ldap?.signIn(credentials),
    bearer: openWorkloads(issuers, db),
    logins: new Map(logins),
  };
}

/** Whether one of those outside answers. */
export interface DirectoryState {
  /** `ldap`, or `oidc:<issuer's name>`. */
  readonly name: string;
  readonly address: string;
  /** What was thrown; undefined where it answers. */
  readonly failure: unknown;
}

/** Asks each of them that the configuration names whether it would answer a sign-in. */
export async function checkDirectory({ ldap, oidc }: AuthConfig): Promise<DirectoryState[]> {
  const checks = [
    ...(ldap === undefined ? [] : [{ name: "ldap", address: ldap.url, ask: openLdap(ldap).check }]),
    ...oidc.issuers.map((config) => ({
      name: `oidc:${config.name}`,
      address: config.issuer,
      ask: openIssuer(config).check,
    })),
  ];
  return await Promise.all(
    checks.map(async ({ name, address, ask }) => {
      const failure: unknown = await ask().then(
        () => undefined,
        (error: unknown) => error,
      );
      return { name, address, failure };
    }),
  );
}
