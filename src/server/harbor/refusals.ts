import { STATUS_CODES } from "node:http";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { Failure } from "../../base/errors.ts";
import { failureOf, problemOf } from "../problem.ts";

/** A request that is understood and not done, in Harbor's words rather than ours. */
export class HarborRefusal extends Error {
  override readonly name = "HarborRefusal";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Something of Harbor's that is not offered here: 501, with what to do instead. */
export function notOffered(message: string): HarborRefusal {
  return new HarborRefusal(501, "NOT_IMPLEMENTED", message);
}

/** Something that stands in the way, such as a rule: 412. */
export function precondition(message: string): HarborRefusal {
  return new HarborRefusal(412, "PRECONDITION", message);
}

/** A request that cannot be read as what it should be: 400. */
export function badRequest(message: string): Failure {
  return new Failure("usage", message);
}

/** Something that is not there: 404. */
export function notFound(message: string): Failure {
  return new Failure("not_found", message);
}

/** Harbor's codes where they are not the words of the status. Source: Harbor's lib/errors, lib/http. */
const codes: Readonly<Record<number, string>> = {
  412: "PRECONDITION",
  429: "TOO_MANY_REQUEST",
  500: "UNKNOWN",
};

/** The error handler of all routes under `/api/v2.0`: `{"errors":[{"code","message"}]}`. */
export function sendHarborError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, message } = refusalOf(error);
  if (status >= 500 && status !== 501) request.log.error({ err: error, requestId: request.id }, "request failed");
  if (status === 401 && reply.getHeader("www-authenticate") === undefined)
    reply.header("www-authenticate", 'Basic realm="mintmark", charset="UTF-8"');
  if (error instanceof Failure && error.code === "rate_limited")
    reply.header("retry-after", String(Number(error.details["retryAfterSeconds"] ?? 5)));
  return reply
    .code(status)
    .type("application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send({ errors: [{ code, message }] });
}

/** The answer for a path under `/api/v2.0` that no route has. */
export function sendHarborNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.originalUrl.split("?", 1)[0]!.slice(0, 300);
  return sendHarborError(notFound(`path ${path} was not found`), request, reply);
}

function refusalOf(error: unknown): Pick<HarborRefusal, "status" | "code" | "message"> {
  if (error instanceof HarborRefusal) return error;
  const { validation, validationContext, statusCode } = error as Partial<FastifyError>;
  if (validation !== undefined) {
    const lines = validation.map(
      ({ instancePath, message }) =>
        `${instancePath.slice(1).replaceAll("/", ".") || "value"} in ${contexts[validationContext ?? ""] ?? "request"} ${message ?? "is not valid"}`,
    );
    return new HarborRefusal(422, "UNPROCESSABLE_ENTITY", ["validation failure list:", ...lines].join("\n"));
  }
  if (!(error instanceof Failure) && statusCode === 415)
    return new HarborRefusal(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json");
  const failure = failureOf(error);
  const { status } = failure;
  const code = failure.code === "gate_denied" ? "PROJECTPOLICYVIOLATION" : codeOf(status);
  const hint = failure.hint === undefined || status >= 500 ? "" : `. ${failure.hint}`;
  return { status, code, message: problemOf(failure).detail + hint };
}

const contexts: Readonly<Record<string, string>> = { querystring: "query", params: "path", body: "body" };

function codeOf(status: number): string {
  if (status > 500 && status !== 501) return "UNKNOWN";
  return codes[status] ?? (STATUS_CODES[status] ?? "UNKNOWN").toUpperCase().replaceAll(" ", "_");
}
