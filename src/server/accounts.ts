import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { anonymous, ensureAdministrator, openAccounts, tokenService, type Identity } from "../auth/auth.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { registerDistribution, type AccessControl } from "../registry/registry.ts";
import type { Store } from "../store/store.ts";
import { isLoopback, type Caller, type Identify } from "./access.ts";
import { addTokenRoutes, tokenPath } from "./token-routes.ts";

/** What the API needs of the accounts room. */
export interface ApiAccounts {
  readonly identify: Identify;
  readonly robots: RobotAccounts;
  /** Adds `/v2` and the token service that its clients are sent to. */
  addDistribution(app: FastifyInstance): void;
}

type Accounts = Awaited<ReturnType<typeof openAccounts>>;

/** Makes, lists and ends robots. */
export type RobotAccounts = Pick<Accounts, "createRobot" | "listRobots" | "disableRobot">;

interface AccountsOptions {
  readonly factory: { readonly store: Store };
  readonly config: Config;
  readonly log: Log;
}

/** Opens the accounts and sees that there is an administrator, whose password file is named in the log. */
export async function openApiAccounts({ factory: { store }, config, log }: AccountsOptions): Promise<ApiAccounts> {
  const { created, passwordFile } = await ensureAdministrator(store);
  if (created) log.info({ passwordFile }, "made the administrator");
  const accounts = await openAccounts({
    store,
    keyFile: join(config.dataDir, "keys", "token.key"),
    anonymousPull: config.anonymousRead && isLoopback(config.listen.host),
  });
  const callerOf = (identity: Identity): Caller => ({
    name: identity.name,
    role: identity.role,
    may(action, repository) {
      if (identity.role === "administrator") return true;
      if (action === "build") return identity.mayBuild;
      if (action === "list") return accounts.authorize(identity, repository, "pull");
      const isRegistryAction = action === "pull" || action === "push" || action === "delete";
      return isRegistryAction && accounts.authorize(identity, repository, action);
    },
  });
  return {
    robots: accounts,
    async identify(header, address) {
      const identity = await accounts.authenticate(header, address);
      return identity === undefined ? undefined : callerOf(identity);
    },
    addDistribution(app) {
      addTokenRoutes(app, accounts);
      registerDistribution(app, { store, log, access: accessControl(accounts, config) });
    },
  };
}

/** The registry hands back the very callers that it was given, so each is an identity of the accounts room. */
function accessControl(accounts: Accounts, { publicUrl }: Config): AccessControl {
  return {
    identify: async (header, address) =>
      header === undefined ? anonymous : await accounts.authenticate(header, address),
    may: (caller, repository, action) => accounts.authorize(caller as Identity, repository, action),
    isAnonymous: (caller) => (caller as Identity).role === "anonymous",
    challenge(request, scope) {
      const realm = `${publicUrl ?? `${request.protocol}://${request.host}`}${tokenPath}`;
      return `Bearer realm="${realm}",service="${tokenService}"${scope === undefined ? "" : `,scope="${scope}"`}`;
    },
  };
}
