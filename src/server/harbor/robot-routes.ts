import { z } from "zod";
import { isoSeconds, nowMs } from "../../base/clock.ts";
import { dropEcho, findEcho, keepEcho } from "../../store/harbor-echo-records.ts";
import type { Caller } from "../access.ts";
import type { Accounts } from "../accounts.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendDone } from "./harbor-app.ts";
import { type Conditions, listQuery, meets, readConditions, sendPage, sliceOf, sorted } from "./listing.ts";
import { instantOf } from "./names.ts";
import { isAdmin, numberInPath, refusedTo } from "./places.ts";
import { badRequest, notFound } from "./refusals.ts";
import { type HarborPermissions, permissionsSchema, readPermissions, shownPermissions } from "./robot-access.ts";

const robotBody = z.object({
  name: z.string().max(320),
  description: z.string().max(1024).nullish(),
  secret: z.string().max(255).nullish(),
  level: z.enum(["system", "project"]).nullish(),
  disable: z.boolean().nullish(),
  duration: z.number().int().min(-1).max(36_500).nullish(),
  permissions: permissionsSchema.nullish(),
});

const robotChange = robotBody.partial();

type RobotChange = z.output<typeof robotChange>;
type Robot = Awaited<ReturnType<Accounts["robots"]["list"]>>[number];

const params = z.object({ robot: numberInPath });
const dayMs = 24 * 60 * 60_000;

/** Accounts of machines. Source: Harbor's swagger, tag "robot". */
export function robotRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  createRoute(app, context);
  changeRoutes(app, context);
}

function readRoutes(app: ApiApp, context: ApiContext): void {
  const { robots } = context.accounts;
  app.get(
    "/robots",
    { config: faithful("write"), schema: { querystring: listQuery } },
    async ({ query, caller }, reply) => {
      const conditions = readConditions(query.q);
      const project = await projectAsked(context, conditions, caller);
      const all = (await robots.list(project)).filter(
        (robot) =>
          mayManage(caller, robot) &&
          meets(conditions.get("level"), levelOf(robot)) &&
          meets(conditions.get("name"), robot.name),
      );
      const ordered = sorted(
        all.map((robot) => ({ name: robot.name, id: robot.number, creation_time: robot.createdAt, robot })),
        query.sort,
      );
      const { offset, limit } = sliceOf(query);
      const items = [];
      for (const { robot } of ordered.slice(offset, offset + limit)) items.push(await shown(context, robot));
      return await sendPage(reply, { items, total: ordered.length });
    },
  );
  app.get(
    "/robots/:robot",
    { config: faithful("write"), schema: { params } },
    async (request) => await shown(context, await found(context, request.params.robot, request.caller)),
  );
}

/** Robots of a project are for those who may manage them; all, and those of the system, for administrators. */
async function projectAsked(
  { accounts }: ApiContext,
  conditions: Conditions,
  caller: Caller,
): Promise<string | undefined> {
  const number = conditions.get("projectid");
  const level = conditions.get("level");
  if (level?.kind === "equal" && level.value === "project" && number === undefined)
    throw badRequest("must with project ID when to query project robots");
  const id = number?.kind === "equal" ? Number(number.value) : undefined;
  const project = id === undefined ? undefined : await accounts.projects.findById(Math.trunc(id) || 0);
  if (project === undefined ? !isAdmin(caller) : !caller.may("robots", project.name)) throw refusedTo(caller);
  if (id !== undefined && project === undefined) throw notFound(`project ${id} not found`);
  return project?.name;
}

function levelOf({ project }: Robot): "system" | "project" {
  return project === undefined ? "system" : "project";
}

function mayManage(caller: Caller, { project }: Robot): boolean {
  return isAdmin(caller) || (project !== undefined && caller.may("robots", project));
}

async function found({ accounts }: ApiContext, id: number, caller: Caller): Promise<Robot> {
  const robot = (await accounts.robots.list()).find(({ number }) => number === id);
  if (robot !== undefined && mayManage(caller, robot)) return robot;
  if (isAdmin(caller)) throw notFound(`robot ${id} not found`);
  throw refusedTo(caller);
}

/** What of a robot is echoed, beside what it means. */
interface SentRobot {
  readonly permissions: HarborPermissions;
}

async function shown({ factory, accounts }: ApiContext, robot: Robot): Promise<unknown> {
  const echo = await findEcho<SentRobot>(factory.store.db, {
    kind: "robot",
    subject: String(robot.number),
    meaning: robot.permissions,
  });
  const creator = await accounts.people.find(robot.createdBy);
  const createdAt = instantOf(robot.createdAt);
  return {
    id: robot.number,
    name: robot.name,
    description: robot.description,
    level: levelOf(robot),
    duration: durationOf(robot),
    editable: true,
    disable: robot.state === "disabled",
    expires_at: expiresAt(robot),
    permissions: echo?.permissions ?? shownPermissions(robot.permissions),
    creator_type: "local",
    creator_ref: creator?.number ?? 1,
    creation_time: createdAt,
    update_time: createdAt,
  };
}

function expiresAt({ expiresAt: end }: Robot): number {
  return end === undefined ? -1 : Math.floor(Date.parse(end) / 1000);
}

function durationOf(robot: Robot): number {
  const end = expiresAt(robot);
  return end < 0 ? -1 : Math.max(1, Math.round((end * 1000 - Date.parse(robot.createdAt)) / dayMs));
}

function endOf(days: number | null | undefined, from: number): string | null {
  return days === -1
    ? null
    : isoSeconds(from + (days === null || days === undefined || days === 0 ? 30 : days) * dayMs);
}

function createRoute(app: ApiApp, context: ApiContext): void {
  const { accounts, factory } = context;
  app.post(
    "/robots",
    {
      config: reduced("write", "robots act in projects: permissions of kind `system` are 501"),
      schema: { body: robotBody },
    },
    async (request, reply) => {
      const { body, caller } = request;
      const sent = body.permissions ?? [];
      const permissions = readPermissions(sent);
      const project = body.level === "project" ? sent[0]?.namespace : undefined;
      if (body.level === "project" && (project === undefined || sent.some(({ namespace }) => namespace !== project)))
        throw badRequest("a robot of a project has permissions in that project alone");
      for (const { namespace } of sent)
        if (namespace !== "*" && (await accounts.projects.find(namespace)) === undefined)
          throw notFound(`project ${namespace} not found`);
      const made = await accounts.robots.create({
        name: body.name,
        project,
        permissions,
        description: body.description ?? "",
        expiresAt: endOf(body.duration, nowMs()),
        secret: body.secret === null || body.secret === "" ? undefined : body.secret,
        actor: caller,
      });
      if (body.disable === true) await accounts.robots.disable(made.name, caller);
      const robot = (await accounts.robots.find(made.name))!;
      const subject = String(robot.number);
      await keepEcho(factory.store.db, { kind: "robot", subject, meaning: robot.permissions }, { permissions: sent });
      return await reply
        .code(201)
        .header("location", `/api/v2.0/robots/${robot.number}`)
        .send({
          id: robot.number,
          name: robot.name,
          secret: made.secret,
          creation_time: instantOf(robot.createdAt),
          expires_at: expiresAt(robot),
        });
    },
  );
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { accounts, factory } = context;
  app.put(
    "/robots/:robot",
    { config: faithful("write"), schema: { params, body: robotChange } },
    async (request, reply) => {
      const robot = await found(context, request.params.robot, request.caller);
      await change(context, { robot, body: request.body, caller: request.caller });
      return await sendDone(reply);
    },
  );
  app.patch(
    "/robots/:robot",
    {
      config: faithful("write", "the old secret stays good for a day"),
      schema: { params, body: z.object({ secret: z.string().max(255).nullish() }).nullish() },
    },
    async (request) => {
      const robot = await found(context, request.params.robot, request.caller);
      const given = request.body?.secret ?? "";
      const secret = given === "" ? {} : { secret: given };
      const rotated = await accounts.robots.rotate({ name: robot.name, ...secret, actor: request.caller });
      // Harbor tells only what it has made itself.
      return { secret: given === "" ? rotated.secret : undefined };
    },
  );
  app.delete("/robots/:robot", { config: faithful("write"), schema: { params } }, async (request, reply) => {
    const robot = await found(context, request.params.robot, request.caller);
    await accounts.robots.remove(robot.name, request.caller);
    await dropEcho(factory.store.db, { kind: "robot", subject: String(robot.number) });
    return await sendDone(reply);
  });
}

interface RobotWish {
  readonly robot: Robot;
  readonly body: RobotChange;
  readonly caller: Caller;
}

async function change({ accounts, factory }: ApiContext, { robot, body, caller }: RobotWish): Promise<void> {
  const { name, number } = robot;
  if (typeof body.name === "string" && body.name !== "" && !name.endsWith(body.name))
    throw badRequest("cannot update the name of robot");
  if (body.level !== null && body.level !== undefined && body.level !== levelOf(robot))
    throw badRequest("cannot update the level of robot");
  const sent = body.permissions;
  const permissions = sent === null || sent === undefined ? undefined : readPermissions(sent);
  const { duration } = body;
  const isSame = duration === null || duration === undefined || duration === durationOf(robot);
  const changed = await accounts.robots.change({
    name,
    description: body.description ?? undefined,
    permissions,
    disabled: body.disable ?? undefined,
    expiresAt: isSame ? undefined : endOf(duration, Date.parse(robot.createdAt)),
    actor: caller,
  });
  const echo = { kind: "robot", subject: String(number), meaning: changed.permissions } as const;
  if (permissions !== undefined) await keepEcho(factory.store.db, echo, { permissions: sent });
}
