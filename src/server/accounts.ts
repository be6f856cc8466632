import { join } from "node:path";
import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  anonymous,
  asStranger,
  ensureAdministrator,
  openAccounts,
  openBrowserSignIn,
  openDirectory,
  openPullTrail,
  tokenService,
  type BrowserSignIn,
  type Identity,
  type RateLimits,
} from "../auth/auth.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { Factory } from "../pipeline/factory.ts";
import { type RecordPull, registerDistribution, type AccessControl, type PullCheck } from "../registry/registry.ts";
import { isLoopback, mayReadAnonymously, type Caller, type Identify } from "./access.ts";
import { continuesUpload } from "./request-limits.ts";
import { addTokenRoutes, tokenPath } from "./token-routes.ts";

/** What the API needs of the accounts room. */
export interface ApiAccounts {
  readonly identify: Identify;
  /** Who has no account, as far as public projects go; undefined where there are none. */
  readonly visit: () => Promise<Caller | undefined>;
  readonly accounts: Accounts;
  /** Signs people in with a browser. */
  readonly browser: BrowserSignIn;
  /** Who is signed in with a session's secret; undefined where nobody is. */
  readonly recall: (secret: string) => Promise<Caller | undefined>;
  /** Adds `/v2` and the token service that its clients are sent to. */
  addDistribution(app: FastifyInstance, rates?: RateLimits): void;
}

/** Everything that the accounts room offers. */
export type Accounts = Awaited<ReturnType<typeof openAccounts>>;

interface AccountsOptions {
  readonly factory: Pick<Factory, "store" | "schedules" | "admission" | "lifetime"> &
    Partial<Pick<Factory, "movement">>;
  readonly config: Config;
  readonly log: Log;
}

/** Opens the accounts and sees that there is an administrator, whose password file is named in the log. */
export async function openApiAccounts({ factory, config, log }: AccountsOptions): Promise<ApiAccounts> {
  const { store, schedules } = factory;
  const { created, passwordFile } = await ensureAdministrator(store);
  if (created) log.info({ passwordFile }, "made the administrator");
  const directory = openDirectory(config.auth, store.db);
  const accounts = await openAccounts({
    store,
    keyFile: join(config.dataDir, "keys", "token.key"),
    anonymousPull: config.anonymousRead && isLoopback(config.listen.host),
    directory,
    onProjectRemoved: (project) => forgetProject(factory, project),
  });
  const browser = openBrowserSignIn({ store, logins: directory?.logins ?? new Map(), accounts });
  await schedules.set({
    name: "robots:expiring",
    cron: "0 6 * * *",
    async start() {
      const count = await accounts.robots.warn();
      if (count > 0) log.warn({ count }, "robots end soon: the audit log names them");
    },
  });
  return {
    accounts,
    async identify(header, address) {
      const identity = await accounts.authenticate(header, address);
      return identity === undefined ? undefined : callerOf(accounts, identity);
    },
    browser,
    async recall(secret) {
      const found = await browser.identify(secret);
      return found === undefined ? undefined : callerOf(accounts, found.identity);
    },
    async visit() {
      await accounts.authenticate(undefined, "");
      return accounts.hasPublic() ? visitor(accounts) : undefined;
    },
    addDistribution(app, rates) {
      const authenticate = authenticator(accounts, config);
      addTokenRoutes(app, { authenticate, issueToken: accounts.issueToken });
      const pulls = config.audit.pulls ? openPullTrail({ store, log }) : undefined;
      const recordPull: RecordPull = (pull) => {
        factory.lifetime.pulls.record(pull);
        pulls?.record(pull);
      };
      const pullGate: PullCheck = async (pull) => await factory.admission.check(pull);
      registerDistribution(app, {
        store,
        log,
        access: accessControl({ accounts, authenticate, config, rates }),
        pullGate,
        recordPull,
        ...(factory.movement === undefined ? {} : { upstreams: factory.movement.proxies.upstreams }),
      });
      app.addHook("onClose", async () => {
        await accounts.close();
        await pulls?.close();
      });
    },
  };
}

/** What is kept in memory of a project that is gone goes with it. */
function forgetProject({ admission, movement }: AccountsOptions["factory"], project: string): void {
  admission.forgetProject(project);
  movement?.proxies.forgetProject(project);
}

function callerOf(accounts: Accounts, identity: Identity): Caller {
  const { name, role, groups, isToken, endsAt } = identity;
  return {
    name,
    role,
    groups,
    ...(isToken === undefined ? {} : { isToken }),
    ...(endsAt === undefined ? {} : { endsAt }),
    may: (action, repository) => accounts.authorize(identity, repository, action),
    sees: (project) => accounts.sees(identity, project),
  };
}

/** Whether `anonymousRead` holds is asked of each request; here it is not, so only what is public counts. */
function visitor(accounts: Accounts): Caller {
  return {
    name: anonymous.name,
    role: "anonymous",
    groups: [],
    may: (action, repository) => (action === "list" || action === "pull") && accounts.isPublic(repository),
    sees: (project) => accounts.isPublic(project),
  };
}

/** Finds who sent a request under `/v2` or to the token service. */
export type Authenticate = (header: string | undefined, request: FastifyRequest) => Promise<Identity | undefined>;

/** Whoever has no account and is not at this machine sees what is public, with a token that was got here too. */
function authenticator(accounts: Accounts, config: Config): Authenticate {
  return async (header, request) => {
    const identity = await accounts.authenticate(header, request.ip);
    const isElsewhere = identity?.role === "anonymous" && !mayReadAnonymously(request, config);
    return isElsewhere ? asStranger(identity) : identity;
  };
}

interface AccessParts {
  readonly accounts: Accounts;
  readonly authenticate: Authenticate;
  readonly config: Config;
  readonly rates: RateLimits | undefined;
}

/** The registry hands back the very callers that it was given, so each is an identity of the accounts room. */
function accessControl({ accounts, authenticate, config: { publicUrl }, rates }: AccessParts): AccessControl {
  return {
    async identify(header, _address, request) {
      const identity = await authenticate(header, request);
      const isCounted = identity !== undefined && identity.role !== "anonymous" && !continuesUpload(request);
      if (isCounted) rates?.countIdentity(identity.name);
      return identity;
    },
    may: (caller, repository, action) => accounts.authorize(caller as Identity, repository, action),
    accountMay: (caller, repository, action) => accounts.authorizeAccount(caller as Identity, repository, action),
    isAnonymous: (caller) => (caller as Identity).role === "anonymous",
    challenge(request, scope) {
      const realm = `${publicUrl ?? `${request.protocol}://${request.host}`}${tokenPath}`;
      return `Bearer realm="${realm}",service="${tokenService}"${scope === undefined ? "" : `,scope="${scope}"`}`;
    },
  };
}
