import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from "fastify";
import { timingSafeEqual } from "node:crypto";
import { Failure, messageOf, toFailure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { Mirror, MirrorAnswer } from "../mirror/mirror.ts";
import { mayReadAnonymously, type Caller, type Identify } from "./access.ts";

/** What the mirror is served with. */
export interface MirrorAppOptions {
  readonly mirror: Mirror;
  readonly config: Pick<Config, "anonymousRead" | "listen" | "publicUrl">;
  readonly log: Log;
  readonly identify: Identify;
  /** Counts a request of somebody who is known. @throws Failure `rate_limited` */
  readonly countIdentity: (name: string) => void;
  /** The secret that makes its bearer the owner of the data folder. */
  readonly ownerToken: string;
}

const prefixes = ["/mirror/", "/repository/"] as const;
const readHeaders = ["accept", "range", "if-range", "if-none-match", "if-modified-since", "accept-encoding"] as const;
const methods: HTTPMethods[] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];

/** Adds `/mirror/<repository>/…`, and `/repository/…` for clients of other servers, in a scope of their own. */
export function addMirror(app: FastifyInstance, options: MirrorAppOptions): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.setErrorHandler(async (error, request, reply) => await sendFailure(options, { request, reply }, error));
    const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const line = { request, reply };
      try {
        return await respond(options, line);
      } catch (error) {
        return await sendFailure(options, line, error);
      }
    };
    for (const prefix of prefixes) scope.route({ method: methods, url: `${prefix}*`, exposeHeadRoute: false, handler });
  });
}

interface Line {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** What a request target names: the router would decode what formats need as it is. */
interface Target {
  readonly repository: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

function targetOf(request: FastifyRequest): Target {
  const [target = "", query = ""] = (request.raw.url ?? "").split(/\?(.*)/s);
  const [, , repository = "", ...rest] = target.split("/");
  // apt asks flat archives for `./InRelease`, which is the same. Source: RFC 3986 section 5.2.4.
  const path = rest.filter((part) => part !== ".").join("/");
  return { repository, path, query: new URLSearchParams(query) };
}

async function respond(options: MirrorAppOptions, { request, reply }: Line): Promise<FastifyReply> {
  const { mirror, config } = options;
  const { repository: name, path, query } = targetOf(request);
  const repository = await mirror.get(name);
  const caller = await callerOf(options, request);
  const mayRead = caller !== undefined || repository?.isPublic === true || mayReadAnonymously(request, config);
  const isRead = request.method === "GET" || request.method === "HEAD";
  // Whoever may not read does not learn which repositories there are.
  if (!mayRead || (caller === undefined && !isRead && request.method !== "POST"))
    return await challenge(reply, "Cannot do this without an account");
  if (repository === undefined)
    throw new Failure("not_found", `Cannot find the repository "${name.slice(0, 100)}" of the mirror`);
  const actor = caller?.name ?? "anonymous";
  const base = `${originOf(request, config)}/mirror/${name}`;
  if (request.method === "GET" || request.method === "HEAD") {
    const { headers } = request;
    const answer = await mirror.answer({
      method: request.method,
      repository: name,
      path,
      query,
      headers: pick(headers, readHeaders),
      base,
      actor,
    });
    return await send(reply, answer);
  }
  const method = request.method as "PUT" | "POST" | "PATCH" | "DELETE";
  const mayPublish = caller?.role === "administrator";
  const plain = Object.fromEntries(
    Object.entries(request.headers).map(([key, value]) => [key, Array.isArray(value) ? value.join(", ") : value]),
  );
  const body = request.raw;
  const answer = await mirror.write({
    method,
    repository: name,
    path,
    query,
    headers: plain,
    body,
    base,
    actor,
    mayPublish,
  });
  if (answer.status === 403 && caller === undefined) return await challenge(reply, "Cannot publish without an account");
  if (!body.readableEnded) reply.header("connection", "close");
  return await send(reply, answer);
}

function pick<Name extends string>(
  headers: FastifyRequest["headers"],
  names: readonly Name[],
): { readonly [Key in Name]?: string } {
  const found: { [Key in Name]?: string } = {};
  for (const name of names) {
    const value = headers[name];
    if (typeof value === "string") found[name] = value;
  }
  return found;
}

/** The address that is written into documents: the configured one, or the one that this client used. */
function originOf(request: FastifyRequest, { publicUrl, listen }: MirrorAppOptions["config"]): string {
  if (publicUrl !== undefined) return publicUrl;
  const own = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  const host = plausibleHost(request.host) ?? `${own}:${listen.port}`;
  return `${request.protocol}://${host}`;
}

/** A host as it stands in an address, in the one form that it has: each other one would have documents of its own. */
function plausibleHost(given: string): string | undefined {
  if (!/^(?:[\w-]{1,63}(?:\.[\w-]{1,63})*|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i.test(given) || given.length > 260)
    return undefined;
  return URL.parse(`http://${given}`) === null ? undefined : given.toLowerCase();
}

async function send(reply: FastifyReply, { status, statusText, headers, body }: MirrorAnswer): Promise<FastifyReply> {
  if (statusText !== undefined) reply.raw.statusMessage = statusText.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 500);
  return await reply.code(status).headers(headers).send(body);
}

/** Clients show their secret in many ways: Basic, Bearer, bare (cargo), and NuGet's own header. */
async function callerOf(options: MirrorAppOptions, request: FastifyRequest): Promise<Caller | undefined> {
  const key = request.headers["x-nuget-apikey"];
  const given = request.headers.authorization ?? (typeof key === "string" ? key : undefined);
  if (given === undefined || given === "") return undefined;
  const header = /^(?:Basic|Bearer) /i.test(given) ? given : `Bearer ${given}`;
  const secret = header.slice(header.indexOf(" ") + 1).trim();
  if (sameSecret(secret, options.ownerToken)) return owner;
  const caller = await options.identify(header, request.ip);
  if (caller === undefined)
    throw new Failure("unauthorized", "Cannot sign in: the credentials are not valid, or have ended");
  options.countIdentity(caller.name);
  return caller;
}

const owner: Caller = { name: "owner", role: "administrator", groups: [], may: () => true, sees: () => true };

/** Compares hashes, so that neither length nor a common beginning shows in the time. */
function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256Hex(a), "hex"), Buffer.from(sha256Hex(b), "hex"));
}

async function challenge(reply: FastifyReply, message: string): Promise<FastifyReply> {
  return await reply
    .code(401)
    .header("www-authenticate", 'Basic realm="mintmark"')
    .type("application/json")
    .send(Buffer.from(JSON.stringify({ error: message })));
}

async function sendFailure(options: MirrorAppOptions, { request, reply }: Line, error: unknown): Promise<FastifyReply> {
  const failure = toFailure(error);
  if (failure.code === "unauthorized") return await challenge(reply, failure.message);
  const status = statusOf(error) ?? failure.status;
  const isBug = status >= 500 && failure.code === "internal";
  if (status >= 500)
    options.log.error({ err: error, method: request.method, url: request.url }, "mirror request failed");
  const message = isBug ? "The mirror failed: its log has the details" : messageOf(error);
  if (!request.raw.readableEnded) reply.header("connection", "close");
  return await reply
    .code(status)
    .type("application/json")
    .send(Buffer.from(JSON.stringify({ error: message })));
}

/** The status of an error by which Fastify itself turns a request down. */
function statusOf(error: unknown): number | undefined {
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  return typeof status === "number" && status >= 400 && status < 500 ? status : undefined;
}
