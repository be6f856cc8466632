import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Factory } from "../pipeline/factory.ts";
import type { Caller, Need } from "./access.ts";
import type { Accounts } from "./accounts.ts";
import type { Metrics } from "./metrics.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What the route asks of its caller; a route without it is refused when it is added. */
    need?: Need;
  }
  interface FastifyRequest {
    /** Who asks; set before any handler of the API runs. */
    caller: Caller;
  }
}

/** A Fastify instance whose schemas are zod's. */
export type ApiApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What the handlers of the API work with. */
export interface ApiContext {
  readonly factory: Factory;
  readonly metrics: Metrics;
  /** Fires when the server is to stop: open streams end then. */
  readonly stopping: AbortSignal;
  readonly version: string;
  readonly accounts: Accounts;
}
