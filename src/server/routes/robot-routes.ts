import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { createdRobotSchema, newRobotSchema, problemSchema, revokedSchema, robotListSchema } from "../schemas.ts";

/** Accounts of machines: a scope, an end date, and a secret that is told once. */
export function robotRoutes(app: ApiApp, { robots }: ApiContext): void {
  app.get(
    "/robots",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "listRobots",
        tags: ["robots"],
        summary: "List robots",
        response: { 200: robotListSchema },
      },
    },
    async () => ({ robots: await robots.listRobots() }),
  );
  app.post(
    "/robots",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "createRobot",
        tags: ["robots"],
        summary: "Make a robot; its secret is in this answer and nowhere else",
        body: newRobotSchema,
        response: { 201: createdRobotSchema, 403: problemSchema, 409: problemSchema },
      },
    },
    async ({ body, caller }, reply) => {
      return await reply.code(201).send(await robots.createRobot({ ...body, actor: caller.name }));
    },
  );
  app.delete(
    "/robots/:name",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "revokeRobot",
        tags: ["robots"],
        summary: "Take a robot's access away",
        params: z.object({ name: z.string().min(1).max(200) }),
        response: { 200: revokedSchema, 403: problemSchema, 404: problemSchema },
      },
    },
    async ({ params: { name }, caller }) => {
      if (!(await robots.disableRobot(name, caller.name)))
        throw new Failure("not_found", `Cannot find the robot "${name}"`);
      return { revoked: true };
    },
  );
}
