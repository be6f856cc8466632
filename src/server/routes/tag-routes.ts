import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import { isTag } from "../../model/reference.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { lifetimeErrors, pageLimit, requireRight } from "./lifetime-access.ts";
import {
  movedTagSchema,
  tagHistorySchema,
  tagPageSchema,
  tagRestoreSchema,
  tagUndoSchema,
} from "./lifetime-schemas.ts";

const repository = z.string().min(1).max(255);

/** Tags: what they are, where they were, and back again. */
export function tagRoutes(app: ApiApp, context: ApiContext): void {
  listRoutes(app, context);
  moveRoutes(app, context);
}

function listRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/tags",
    {
      config: { need: "public" },
      schema: {
        operationId: "listTags",
        tags: ["tags"],
        summary: "List the tags of a repository with their use and what keeps them",
        querystring: z.object({ repository, after: z.string().max(200).default(""), limit: pageLimit }),
        response: { 200: tagPageSchema, ...lifetimeErrors },
      },
    },
    async ({ query, caller }) => {
      requireRight(caller, "list", query.repository);
      const tags = await factory.lifetime.tags.list(query.repository, query);
      return {
        tags: tags.map(({ pushedAt, pulledAt, pinnedBy, hold, ...tag }) => ({
          ...tag,
          pushedAt: isoSeconds(pushedAt),
          ...(pulledAt === undefined ? {} : { pulledAt: isoSeconds(pulledAt) }),
          ...(pinnedBy === undefined ? {} : { pinnedBy }),
          ...(hold === undefined
            ? {}
            : { hold: { until: isoSeconds(hold.untilAt), author: hold.author, reason: hold.reason } }),
        })),
        ...(tags.length < query.limit ? {} : { next: tags.at(-1)!.name }),
      };
    },
  );
  app.get(
    "/tags/history",
    {
      config: { need: "public" },
      schema: {
        operationId: "listTagMoves",
        tags: ["tags"],
        summary: "List the moves of a tag, the last first",
        querystring: z.object({
          repository,
          tag: z.string().refine(isTag, "must be a tag"),
          before: z.string().max(64).optional().describe("The `next` of the page before"),
          limit: pageLimit,
        }),
        response: { 200: tagHistorySchema, ...lifetimeErrors },
      },
    },
    async ({ query: { before, ...query }, caller }) => {
      requireRight(caller, "list", query.repository);
      const page = { ...query, ...(before === undefined ? {} : { before }) };
      const moves = await factory.lifetime.tags.history(query.repository, page);
      return {
        moves: moves.map((move) => ({ ...move, at: isoSeconds(move.at) })),
        ...(moves.length < query.limit ? {} : { next: moves.at(-1)!.id }),
      };
    },
  );
}

function moveRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/tags/undo",
    {
      config: { need: "write" },
      schema: {
        operationId: "undoTagMove",
        tags: ["tags"],
        summary: "Set a tag to where it was before its last move",
        body: tagUndoSchema,
        response: { 200: movedTagSchema, ...lifetimeErrors },
      },
    },
    async ({ body, caller }) => {
      requireRight(caller, "lifetime", body.repository);
      return await factory.lifetime.tags.undo({ ...body, actor: caller.name });
    },
  );
  app.post(
    "/tags/restore",
    {
      config: { need: "write" },
      schema: {
        operationId: "restoreTag",
        tags: ["tags"],
        summary: "Bring a removed tag back, or point a tag to an image that the repository or the trash has",
        body: tagRestoreSchema,
        response: { 200: movedTagSchema, 409: lifetimeErrors[404], ...lifetimeErrors },
      },
    },
    async ({ body: { to, ...body }, caller }) => {
      requireRight(caller, "lifetime", body.repository);
      const wish = { ...body, actor: caller.name, ...(to === undefined ? {} : { to }) };
      return await factory.lifetime.tags.restore(wish);
    },
  );
}
