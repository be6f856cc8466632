import type { Config } from "../../config/config.ts";
import type { Capability } from "./capability.ts";

/** The directory and the issuers that people and machines sign in with, where there are any. */
export async function checkDirectories(config: Pick<Config, "auth">): Promise<Capability[]> {
  if (config.auth.ldap === undefined && config.auth.oidc.issuers.length === 0) return [];
  const { checkOuterSignIn } = await import("../../server/server.ts");
  return (await checkOuterSignIn(config)).map(({ name, address, problem }) => {
    const known = { name: `sign-in ${name}`, about: problem ?? address };
    if (problem === undefined) return { ...known, state: "ok" };
    return {
      ...known,
      state: "degraded",
      fix: `Accounts kept here still sign in. Look at auth of the configuration: ${address}`,
    };
  });
}
