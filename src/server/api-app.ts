import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Factory } from "../pipeline/factory.ts";
import type { Caller, Need } from "./access.ts";
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
export type ApiApp = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>;

/** What the handlers of the API work with. */
export interface ApiContext {
  readonly factory: Factory;
  readonly metrics: Metrics;
  /** Fires when the server is to stop: open streams end then. */
  readonly stopping: AbortSignal;
  readonly version: string;
  readonly robots: RobotAccounts;
}

/** One robot as the API shows it; never its secret. */
export interface RobotView {
  readonly name: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly repositories: readonly string[];
  readonly actions: readonly string[];
  readonly state: string;
}

/** A new robot. */
export interface NewRobot {
  readonly name: string;
  readonly repositories: readonly string[];
  readonly actions: readonly ("pull" | "push" | "delete" | "build")[];
  readonly expiresAt: string;
}

/** The robots of the accounts room, as far as the API needs them. */
export interface RobotAccounts {
  list(): Promise<readonly RobotView[]>;
  /** The secret is told once. */
  create(robot: NewRobot, actor: string): Promise<{ readonly robot: RobotView; readonly secret: string }>;
  /** False where there is none of that name. */
  revoke(name: string, actor: string): Promise<boolean>;
}

/** The address that the client used, to tell it where to go on. */
export function originOf(request: FastifyRequest, publicUrl: string | undefined): string {
  return publicUrl ?? `${request.protocol}://${request.host}`;
}
