import { type FastifyRequest } from "fastify";
import { refuse, type Refusal } from "./refusal.ts";

/** Who asks; of an account the registry needs only the name. */
export interface Caller {
  readonly name: string;
}

/** How the registry learns who asks and what they may: the accounts belong to another room. */
export interface AccessControl {
  /**
   * The caller of a request: the anonymous one without a header, undefined where the credentials are wrong.
   *
   * @throws Failure `rate_limited` after too many wrong passwords; `details.retryAfterSeconds` says how long
   */
  identify(header: string | undefined, address: string, request: FastifyRequest): Promise<Caller | undefined>;
  /** `list` is what the catalog shows. */
  may(caller: Caller, repository: string, action: "list" | "pull" | "push" | "delete"): boolean;
  /** Whether a caller's account may, beyond what its token was made for; the same as `may` without a token. */
  accountMay(caller: Caller, repository: string, action: "list" | "pull" | "push" | "delete"): boolean;
  isAnonymous(caller: Caller): boolean;
  /** The value of `WWW-Authenticate` for a request that lacks rights; `repository:NAME:pull,push` is a scope. */
  challenge(request: FastifyRequest, scope: string | undefined): string;
}

/** Finds the caller of a request. */
export async function identifyCaller(access: AccessControl, request: FastifyRequest): Promise<Caller | Refusal> {
  const caller = await access.identify(request.headers.authorization, request.ip, request);
  if (caller !== undefined) return caller;
  const error = isBearer(request) ? ',error="invalid_token"' : "";
  return refuse("UNAUTHORIZED", "Cannot sign in: the credentials are not valid or have ended", {
    headers: { "www-authenticate": access.challenge(request, undefined) + error },
  });
}

interface Wish {
  readonly repository: string;
  readonly action: "pull" | "push" | "delete";
}

/** A request and who sent it. */
export interface Asking {
  readonly request: FastifyRequest;
  readonly caller: Caller;
}

/**
 * Lets a caller through or refuses it before anything is looked up: who may not pull does not learn what exists.
 *
 * Who has no account, or a token for something else, is asked to get a token; an account without the right is not.
 */
export function admit(access: AccessControl, { request, caller }: Asking, wish: Wish): Refusal | undefined {
  const { repository, action } = wish;
  if (access.may(caller, repository, action)) return undefined;
  const isToken = isBearer(request);
  if (!isToken && !access.isAnonymous(caller))
    return refuse("DENIED", `Cannot ${action} in "${repository}": the account "${caller.name}" may not`);
  const scope = `repository:${repository}:${action === "push" ? "pull,push" : action}`;
  const error = isToken ? ',error="insufficient_scope"' : "";
  return refuse("UNAUTHORIZED", `Cannot ${action} in "${repository}": it takes an account that may`, {
    headers: { "www-authenticate": access.challenge(request, scope) + error },
    detail: [{ Type: "repository", Name: repository, Action: action }],
  });
}

/**
 * The gate of `GET /v2/`, where clients find out how to sign in.
 *
 * It asks for it even where anonymous pulls are open: who was let in here would never sign in for a push.
 */
export function admitToBase(access: AccessControl, { request, caller }: Asking, scope?: string): Refusal | undefined {
  if (request.headers.authorization !== undefined || !access.isAnonymous(caller)) return undefined;
  return refuse("UNAUTHORIZED", "Cannot say more without a token; an anonymous one does where pulls are open", {
    headers: { "www-authenticate": access.challenge(request, scope) },
  });
}

/** Sends a client whose token is too narrow, though its account is not, to get a token for several repositories. */
export function askForWiderToken(access: AccessControl, request: FastifyRequest, scopes: readonly string[]): Refusal {
  const challenge = access.challenge(request, scopes.join(" "));
  return refuse("UNAUTHORIZED", "Cannot do that with this token: it takes one for both repositories", {
    headers: { "www-authenticate": `${challenge},error="insufficient_scope"` },
  });
}

function isBearer(request: FastifyRequest): boolean {
  return /^bearer /i.test(request.headers.authorization ?? "");
}
