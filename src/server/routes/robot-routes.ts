import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { Caller } from "../access.ts";
import type { Accounts } from "../accounts.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import {
  createdRobotSchema,
  newRobotSchema,
  newRotationSchema,
  robotChangeSchema,
  robotListSchema,
  robotSchema,
  rotationSchema,
} from "./identity-schemas.ts";
import { removedSchema } from "./lifetime-schemas.ts";

const params = z.object({ name: z.string().min(1).max(320) });
const tags = ["robots"];
const errors = { 403: problemSchema, 404: problemSchema, 409: problemSchema };

/** Accounts of machines: rights, an end date, and a secret that is told once. */
export function robotRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  makeRoutes(app, context);
  changeRoutes(app, context);
}

type Robot = Awaited<ReturnType<Accounts["robots"]["list"]>>[number];

function readRoutes(app: ApiApp, { accounts: { robots } }: ApiContext): void {
  app.get(
    "/robots",
    {
      config: { need: "write" },
      schema: {
        operationId: "listRobots",
        tags,
        summary: "List the robots that you may manage",
        querystring: z.object({ project: z.string().max(255).optional().describe("Only of this project") }),
        response: { 200: robotListSchema, 403: problemSchema },
      },
    },
    async ({ query: { project }, caller }) => {
      const all = (await robots.list(project)).filter((robot) => mayManage(caller, robot));
      if (
        all.length === 0 &&
        caller.role !== "administrator" &&
        (project === undefined || !caller.may("robots", project))
      )
        throw new Failure("forbidden", `Cannot list robots as "${caller.name}": it may manage none`);
      return { robots: all.map(shown) };
    },
  );
  app.get(
    "/robots/:name",
    {
      config: { need: "write" },
      schema: {
        operationId: "getRobot",
        tags,
        summary: "Show one robot",
        params,
        response: { 200: robotSchema, 404: problemSchema },
      },
    },
    async ({ params: { name }, caller }) => shown(await found(robots, name, caller)),
  );
}

function makeRoutes(app: ApiApp, { accounts: { robots } }: ApiContext): void {
  app.post(
    "/robots",
    {
      config: { need: "write" },
      schema: {
        operationId: "createRobot",
        tags,
        summary: "Make a robot; its secret is in this answer and nowhere else",
        body: newRobotSchema,
        response: { 201: createdRobotSchema, ...errors },
      },
    },
    async ({ body: { mayBuild, ...body }, caller }, reply) => {
      const building = mayBuild ? [{ repository: "*", actions: ["build"] as const }] : [];
      const permissions = [...body.permissions, ...building];
      return await reply.code(201).send(await robots.create({ ...body, permissions, actor: caller }));
    },
  );
  app.post(
    "/robots/:name/rotate",
    {
      config: { need: "write" },
      schema: {
        operationId: "rotateRobot",
        tags,
        summary: "Give a robot a new secret; the old one stays good for a day, or for as long as you say",
        params,
        body: newRotationSchema,
        response: { 200: rotationSchema, ...errors },
      },
    },
    async ({ params: { name }, body, caller }) => {
      await found(robots, name, caller);
      return await robots.rotate({ name, ...body, actor: caller });
    },
  );
}

function changeRoutes(app: ApiApp, { accounts: { robots } }: ApiContext): void {
  app.post(
    "/robots/:name",
    {
      config: { need: "write" },
      schema: {
        operationId: "changeRobot",
        tags,
        summary: "Change description, permissions, end or state of a robot",
        params,
        body: robotChangeSchema,
        response: { 200: robotSchema, ...errors },
      },
    },
    async ({ params: { name }, body, caller }) => {
      await found(robots, name, caller);
      return shown(await robots.change({ name, ...body, actor: caller }));
    },
  );
  app.delete(
    "/robots/:name",
    {
      config: { need: "write" },
      schema: {
        operationId: "deleteRobot",
        tags,
        summary: "Remove a robot; disabling it keeps it in the list",
        params,
        response: { 200: removedSchema, ...errors },
      },
    },
    async ({ params: { name }, caller }) => {
      await found(robots, name, caller);
      return { removed: await robots.remove(name, caller) };
    },
  );
}

function mayManage(caller: Caller, { project }: Robot): boolean {
  return caller.role === "administrator" || (project !== undefined && caller.may("robots", project));
}

/** What a caller may not manage does not exist for it. */
async function found(robots: Accounts["robots"], name: string, caller: Caller): Promise<Robot> {
  const robot = await robots.find(name);
  if (robot === undefined || !mayManage(caller, robot))
    throw new Failure("not_found", `Cannot find the robot "${name.slice(0, 100)}"`);
  return robot;
}

function shown({ number: id, ...robot }: Robot): z.output<typeof robotSchema> {
  return { id, ...robot };
}
