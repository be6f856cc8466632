import type { FastifyInstance, FastifyRequest } from "fastify";
import { openRateLimits, type RateLimits } from "../auth/auth.ts";
import type { Config } from "../config/config.ts";
import { isLoopback } from "./access.ts";

/** What one address and one account may ask in a minute where the server can be reached from elsewhere. */
const defaultPerMinute = 12_000;

type LimitsConfig = Pick<Config, "limits" | "listen">;

/** Opens the limits on requests as configured; `refused` is told of each that was turned down. */
export function openRequestLimits({ limits, listen }: LimitsConfig, refused: RefusalCount): RateLimits {
  const { address, identity } = limits.requestsPerMinute;
  const fallback = isLoopback(listen.host) ? 0 : defaultPerMinute;
  return openRateLimits({
    perAddress: address ?? fallback,
    perIdentity: identity ?? fallback,
    sparesLoopback: address === undefined,
    refused,
  });
}

type RefusalCount = (by: "address" | "identity") => void;

/** Counts every request by its address before anything else is done with it; health and metrics are always told. */
export function limitAddresses(app: FastifyInstance, rates: RateLimits): void {
  app.addHook("onRequest", (request, _reply, done) => {
    try {
      if (request.routeOptions.config.need !== "open") rates.countAddress(request.ip);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

/** Whether a request goes on with an upload that was counted when it began. */
export function continuesUpload({ method, url }: Pick<FastifyRequest, "method" | "url">): boolean {
  return (method === "PATCH" || method === "PUT") && /^\/v2\/[^?]+\/blobs\/uploads\/[^?/]+(?:\?|$)/.test(url);
}
