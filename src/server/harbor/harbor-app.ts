import type { FastifyReply, FastifyRequest } from "fastify";
import type { Need } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";

/** How near a route is to Harbor's: the same, with less, or not there. */
type Fidelity = "faithful" | "reduced" | "absent";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What the page about Harbor's API says of the route. */
    readonly harbor?: RouteNote;
  }
}

/** How near a route is to Harbor's, and what differs, in words for a table. */
export interface RouteNote {
  readonly fidelity: Fidelity;
  readonly note?: string;
}

/** The routes of one resource of Harbor's API, added to the app of `/api/v2.0`. */
export type AddRoutes = (app: ApiApp, context: ApiContext) => void;

interface RouteConfig {
  readonly need: Need;
  readonly harbor: RouteNote;
}

/** The configuration of a route that answers as Harbor does; a note names what cannot be seen in shapes. */
export function faithful(need: Need, note?: string): RouteConfig {
  return { need, harbor: { fidelity: "faithful", ...(note === undefined ? {} : { note }) } };
}

/** The configuration of a route that does less than Harbor's; the note says what. */
export function reduced(need: Need, note: string): RouteConfig {
  return { need, harbor: { fidelity: "reduced", note } };
}

/** Answers 201 with where the new thing is, and without a body, as Harbor does. */
export async function sendCreated(request: FastifyRequest, reply: FastifyReply, id: number | string): Promise<never> {
  const path = request.originalUrl.split("?", 1)[0]!.replace(/\/$/, "");
  return await sendCreatedAt(reply, `${path}/${id}`);
}

/** Answers 201 with a `Location`, and without a body. */
export async function sendCreatedAt(reply: FastifyReply, location: string): Promise<never> {
  return await reply.code(201).header("location", location).send();
}

/** Answers 200 without a body. */
export async function sendDone(reply: FastifyReply): Promise<never> {
  return await reply.code(200).send();
}
