import { checkDirectory } from "../auth/auth.ts";
import { messageOf } from "../base/errors.ts";
import type { Config } from "../config/config.ts";

/** Whether an issuer or a directory that people sign in with answers. */
export interface OuterState {
  /** `ldap`, or `oidc:<issuer's name>`. */
  readonly name: string;
  readonly address: string;
  /** Why it does not; undefined where it answers. */
  readonly problem: string | undefined;
}

/** Asks each issuer and directory of the configuration, as a sign-in would. */
export async function checkOuterSignIn({ auth }: Pick<Config, "auth">): Promise<OuterState[]> {
  return (await checkDirectory(auth)).map(({ name, address, failure }) => ({
    name,
    address,
    problem: failure === undefined ? undefined : messageOf(failure),
  }));
}
