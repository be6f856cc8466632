import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { errorCodes, type ErrorCodeName } from "../base/error-codes.ts";
import { Failure, toFailure } from "../base/errors.ts";

/** A failure as `application/problem+json`. Source: RFC 9457 section 3. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Shapes a failure for a client. A bug tells nothing of its inside: that stands in the log. */
export function problemOf(failure: Failure): Problem {
  const { code, status } = failure;
  const isBug = code === "internal";
  return {
    type: `urn:mintmark:error:${code}`,
    title: errorCodes[code].about,
    status,
    detail: isBug ? "An unexpected error: the server's log has the details" : failure.message,
    code,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    ...(isBug || Object.keys(failure.details).length === 0 ? {} : { details: failure.details }),
  };
}

/** The error handler of all routes: OCI error JSON under `/v2`, problem+json elsewhere. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const failure = failureOf(error);
  if (failure.code === "internal")
    request.log.error({ err: error, requestId: request.id }, "request failed unexpectedly");
  if (failure.code === "unauthorized" && reply.getHeader("www-authenticate") === undefined)
    reply.header("www-authenticate", 'Basic realm="mintmark", charset="UTF-8"');
  if (failure.code === "rate_limited")
    reply.header("retry-after", String(Number(failure.details["retryAfterSeconds"] ?? 5)));
  return isDistribution(request.url) ? sendDistributionError(failure, reply) : sendProblem(failure, reply);
}

/** The answer for a path that no route has. */
export function sendNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const failure = new Failure(
    "not_found",
    `Cannot find "${request.method} ${request.originalUrl.split("?")[0]!.slice(0, 200)}": no such route`,
    {
      hint: "GET /api lists what there is",
    },
  );
  return sendError(failure, request, reply);
}

function sendProblem(failure: Failure, reply: FastifyReply): FastifyReply {
  return reply
    .code(failure.status)
    .type("application/problem+json")
    .serializer(JSON.stringify)
    .send(problemOf(failure));
}

/** Source: OCI distribution spec, "Error Codes". */
const distributionCodes: Partial<Record<ErrorCodeName, string>> = {
  unauthorized: "UNAUTHORIZED",
  forbidden: "DENIED",
  rate_limited: "TOOMANYREQUESTS",
  not_found: "NAME_UNKNOWN",
  digest_mismatch: "DIGEST_INVALID",
  too_large: "SIZE_INVALID",
};

function sendDistributionError(failure: Failure, reply: FastifyReply): FastifyReply {
  const { code, detail } = problemOf(failure);
  const errors = [{ code: distributionCodes[failure.code] ?? "UNSUPPORTED", message: detail, detail: { code } }];
  return reply.code(failure.status).type("application/json; charset=utf-8").serializer(JSON.stringify).send({ errors });
}

function isDistribution(url: string): boolean {
  return /^\/v2(?:[/?]|$)/.test(url);
}

/** Fastify's own complaints about a request become ours; whatever has no status of a client's fault is a bug. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure || !(error instanceof Error)) return toFailure(error);
  const { statusCode = 500, validation, validationContext } = error as FastifyError;
  if (validation !== undefined) {
    const first = validation[0];
    const where = `${validationContext ?? "request"}${(first?.instancePath ?? "").replaceAll("/", ".")}`;
    return new Failure("usage", `Cannot read the request: ${where}: ${first?.message ?? "it is not valid"}`, {
      hint: "GET /openapi.json describes each operation",
      cause: error,
    });
  }
  if (statusCode === 413)
    return new Failure("too_large", "Cannot take the request: its body is too large", { cause: error });
  if (statusCode === 429) return new Failure("rate_limited", error.message, { cause: error });
  if (statusCode >= 400 && statusCode < 500)
    return new Failure("usage", `Cannot read the request: ${error.message}`, { cause: error });
  return toFailure(error);
}
