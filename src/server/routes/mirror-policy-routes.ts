import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { PolicyCheck } from "../../mirror/mirror.ts";
import type { MirrorExceptionRecord } from "../../store/mirror-policy-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import {
  mirrorCheckSchema,
  mirrorCheckWishSchema,
  mirrorExceptionListSchema,
  mirrorExceptionSchema,
  mirrorFindingListSchema,
  mirrorPolicySchema,
  mirrorRulesAnswerSchema,
  mirrorRulesChangeSchema,
  newMirrorExceptionSchema,
} from "./mirror-schemas.ts";

const tags = ["mirrors"];
const read = { need: "read" } as const;
const config = { need: "administrator" } as const;
const scopeParams = z.object({
  scope: z.string().min(1).max(64).describe("`*` for all repositories, or the name of one"),
});
const everywhere = "*";

/** The rules of the package mirror: what is kept back, dated exceptions, dry runs, and what happened. */
export function mirrorPolicyRoutes(app: ApiApp, context: ApiContext): void {
  ruleRoutes(app, context);
  exceptionRoutes(app, context);
  checkRoutes(app, context);
}

function ruleRoutes(app: ApiApp, { factory }: ApiContext): void {
  const must = async (scope: string): Promise<string> => {
    if (scope === everywhere || (await factory.mirror.get(scope)) !== undefined) return scope;
    throw new Failure("not_found", `Cannot find the repository "${scope}" of the mirror`);
  };
  app.get(
    "/mirrors/-/rules",
    {
      config: read,
      schema: {
        operationId: "listMirrorRules",
        tags,
        summary: "Show what rules are chosen",
        response: { 200: mirrorPolicySchema },
      },
    },
    async () => {
      const { rules } = factory.mirrorCare;
      const chosen = (await rules.chosen()).map((one) => ({ ...one, changedAt: isoSeconds(one.changedAt) }));
      return { defaults: rules.rules(everywhere), chosen };
    },
  );
  app.post(
    "/mirrors/-/rules/:scope",
    {
      config,
      schema: {
        operationId: "chooseMirrorRules",
        tags,
        summary: "Choose rules for all repositories or one; what is left out stays, what is null is taken back",
        params: scopeParams,
        body: mirrorRulesChangeSchema,
        response: { 200: mirrorRulesAnswerSchema, 400: problemSchema, 404: problemSchema },
      },
    },
    async ({ params, body, caller }) => {
      const scope = await must(params.scope);
      return { scope, rules: await factory.mirrorCare.rules.choose(scope, body, caller.name) };
    },
  );
  app.delete(
    "/mirrors/-/rules/:scope",
    {
      config,
      schema: {
        operationId: "forgetMirrorRules",
        tags,
        summary: "Forget what was chosen for all repositories or one",
        params: scopeParams,
        response: { 200: z.object({ removed: z.boolean() }) },
      },
    },
    async ({ params, caller }) => ({ removed: await factory.mirrorCare.rules.forget(params.scope, caller.name) }),
  );
}

function exceptionRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/mirrors/-/exceptions",
    {
      config: read,
      schema: {
        operationId: "listMirrorExceptions",
        tags,
        summary: "List dated exceptions from the mirror's rules",
        response: { 200: mirrorExceptionListSchema },
      },
    },
    async () => ({ exceptions: (await factory.mirrorCare.rules.exceptions()).map(shownException) }),
  );
  app.post(
    "/mirrors/-/exceptions",
    {
      config,
      schema: {
        operationId: "createMirrorException",
        tags,
        summary: "Let something through until a date, with a reason",
        body: newMirrorExceptionSchema,
        response: { 201: mirrorExceptionSchema, 404: problemSchema, 422: problemSchema },
      },
    },
    async ({ body, caller }, reply) => {
      const { repository } = body;
      if (repository !== undefined && (await factory.mirror.get(repository)) === undefined)
        throw new Failure("not_found", `Cannot find the repository "${repository}" of the mirror`);
      const expiresAt = Date.parse(body.expiresAt);
      const { pattern, reason } = body;
      const made = await factory.mirrorCare.rules.allow({
        pattern,
        reason,
        repository,
        expiresAt,
        author: caller.name,
      });
      return await reply.code(201).send(shownException(made));
    },
  );
  app.delete(
    "/mirrors/-/exceptions/:id",
    {
      config,
      schema: {
        operationId: "endMirrorException",
        tags,
        summary: "End an exception now",
        params: z.object({ id: z.string().min(1).max(64) }),
        response: { 200: z.object({ removed: z.boolean() }), 404: problemSchema },
      },
    },
    async ({ params, caller }) => {
      await factory.mirrorCare.rules.endException(params.id, caller.name);
      return { removed: true };
    },
  );
}

function checkRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/mirrors/-/checks",
    {
      config,
      schema: {
        operationId: "checkMirrorRules",
        tags,
        summary: "Tell what the rules say of packages; nothing is counted or changed",
        body: mirrorCheckWishSchema,
        response: { 200: mirrorCheckSchema, 400: problemSchema, 404: problemSchema },
      },
    },
    async ({ body }) => {
      const answers = await factory.mirrorCare.check(body.purls, body.repository);
      return { answers: answers.map(({ purl, checks }) => ({ purl, checks: checks.map(shownCheck) })) };
    },
  );
  app.get(
    "/mirrors/-/findings",
    {
      config: read,
      schema: {
        operationId: "listMirrorFindings",
        tags,
        summary: "List what the rules were against when it was asked for, the latest first",
        querystring: z.object({
          repository: z.string().max(64).optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
        response: { 200: mirrorFindingListSchema },
      },
    },
    async ({ query: { repository, limit } }) => {
      const findings = await factory.mirrorCare.rules.findings({ repository, limit });
      return {
        findings: findings.map((one) => ({
          ...one,
          firstAt: isoSeconds(one.firstAt),
          lastAt: isoSeconds(one.lastAt),
        })),
      };
    },
  );
}

type ShownCheck = z.output<typeof mirrorCheckSchema>["answers"][number]["checks"][number];

function shownCheck({ repository, name, mode, withheld, excepted }: PolicyCheck): ShownCheck {
  const shown = <One extends PolicyCheck["withheld"][number]>({ until, ...one }: One) => ({
    ...one,
    ...(until === undefined ? {} : { until: isoSeconds(until) }),
  });
  return { repository, name, mode, withheld: withheld.map(shown), excepted: excepted.map(shown) };
}

function shownException({
  repository,
  createdAt,
  expiresAt,
  ...plain
}: MirrorExceptionRecord): z.output<typeof mirrorExceptionSchema> {
  return {
    ...plain,
    ...(repository === undefined ? {} : { repository }),
    createdAt: isoSeconds(createdAt),
    expiresAt: isoSeconds(expiresAt),
  };
}
