import type { Grant } from "./identity.ts";

/** A person whom somebody else vouches for: an LDAP directory or an OIDC issuer. */
export interface ExternalPerson {
  readonly kind: "person";
  readonly origin: "ldap" | "oidc";
  /** What never changes about the person: a distinguished name or entryUUID, `issuer#subject`. */
  readonly externalId: string;
  /** The wished name of the account; taken at the first sign-in and kept from then on. */
  readonly name: string;
  readonly email?: string | undefined;
  /** Names of groups; only those that were made here as external groups have an effect. */
  readonly groups: readonly string[];
  /** Whether the directory says that the person administrates the whole system; undefined leaves it as it is. */
  readonly isSystemAdmin?: boolean | undefined;
}

/** A machine whose token somebody else signed; it acts as a robot that exists here, within the robot's rights. */
export interface ExternalRobot {
  readonly kind: "robot";
  /** `robot$NAME`. */
  readonly name: string;
  /** When what it showed ends, in milliseconds since 1970. */
  readonly endsAt?: number | undefined;
}

/** A machine whose token somebody else signed and to whom the configuration itself gives rights: it has no account here. */
export interface ExternalWorkload {
  readonly kind: "workload";
  /** `oidc:<issuer's name>:<subject>`. */
  readonly name: string;
  readonly grants: readonly Grant[];
  /** When what it showed ends, in milliseconds since 1970. */
  readonly endsAt: number;
}

/** Who signs in with credentials that are not kept here. */
export interface Directory {
  /**
   * Asks for the owner of a name and password; undefined where they are wrong. Never asked for names of local accounts.
   *
   * @throws Failure `upstream_unreachable`
   */
  signIn(credentials: { readonly name: string; readonly password: string }): Promise<ExternalSubject | undefined>;
  /** Asks for the owner of a bearer token that is none of ours; undefined where it proves nobody. */
  bearer(token: string): Promise<ExternalSubject | undefined>;
}

/** Who was vouched for. */
export type ExternalSubject = ExternalPerson | ExternalRobot | ExternalWorkload;
