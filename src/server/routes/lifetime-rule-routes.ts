import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { TagScope } from "../../model/tag-scope.ts";
import type { Lifetime } from "../../registry/registry.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { lifetimeErrors, pageLimit, projectParams, requireRight } from "./lifetime-access.ts";
import {
  addedRuleSchema,
  holdPageSchema,
  holdReleaseSchema,
  holdSchema,
  lifetimeRulesSchema,
  newHoldRuleSchema,
  newHoldSchema,
  newImmutableRuleSchema,
  removedSchema,
} from "./lifetime-schemas.ts";

/** What pins tags and holds images. */
export function lifetimeRuleRoutes(app: ApiApp, context: ApiContext): void {
  ruleRoutes(app, context);
  holdRuleRoutes(app, context);
  holdRoutes(app, context);
}

const ruleParams = projectParams.extend({ id: z.string().min(1).max(64) });

function ruleRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/projects/:name/lifetime-rules",
    {
      config: { need: "read" },
      schema: {
        operationId: "listLifetimeRules",
        tags: ["tags"],
        summary: "The rules of a project that pin tags and hold images",
        params: projectParams,
        response: { 200: lifetimeRulesSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, caller }) => {
      requireRight(caller, "list", name);
      const { immutability, holdRules } = await factory.lifetime.rules.list(name);
      const dated = <Rule extends { readonly createdAt: number }>(
        rule: Rule,
      ): Omit<Rule, "createdAt"> & { createdAt: string } => ({ ...rule, createdAt: isoSeconds(rule.createdAt) });
      return { immutability: immutability.map(dated), holds: holdRules.map(dated) };
    },
  );
  app.post(
    "/projects/:name/immutability",
    {
      config: { need: "write" },
      schema: {
        operationId: "addImmutableRule",
        tags: ["tags"],
        summary: "Pin tags: they cannot move and cannot be removed by hand while the rule stands",
        params: projectParams,
        body: newImmutableRuleSchema,
        response: { 201: addedRuleSchema, 409: lifetimeErrors[404], ...lifetimeErrors },
      },
    },
    async ({ params: { name }, body, caller }, reply) => {
      requireRight(caller, "lifetime", name);
      const rule = await factory.lifetime.rules.pin({ ...scopeOf(body), project: name, author: caller.name });
      return await reply.code(201).send({ id: rule.id });
    },
  );
  app.delete(
    "/projects/:name/immutability/:id",
    {
      config: { need: "write" },
      schema: {
        operationId: "removeImmutableRule",
        tags: ["tags"],
        summary: "Let the tags of a rule move again",
        params: ruleParams,
        response: { 200: removedSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name, id }, caller }) => {
      requireRight(caller, "lifetime", name);
      if (!(await factory.lifetime.rules.unpin(name, id, caller.name))) throw missing("rule", id);
      return { removed: true };
    },
  );
}

function holdRuleRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/projects/:name/hold-rules",
    {
      config: { need: "write" },
      schema: {
        operationId: "addHoldRule",
        tags: ["tags"],
        summary: "Hold images by their tags, for some days after they were pushed",
        params: projectParams,
        body: newHoldRuleSchema,
        response: { 201: addedRuleSchema, 409: lifetimeErrors[404], ...lifetimeErrors },
      },
    },
    async ({ params: { name }, body: { days, reason, ...scope }, caller }, reply) => {
      requireRight(caller, "lifetime", name);
      const wish = { ...scopeOf(scope), days, reason, project: name, author: caller.name };
      const rule = await factory.lifetime.rules.addHoldRule(wish);
      return await reply.code(201).send({ id: rule.id });
    },
  );
  app.post(
    "/projects/:name/hold-rules/:id/remove",
    {
      config: { need: "write" },
      schema: {
        operationId: "removeHoldRule",
        tags: ["tags"],
        summary: "End a hold rule, and with it what it holds",
        params: ruleParams,
        body: holdReleaseSchema,
        response: { 200: removedSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name, id }, body: { reason }, caller }) => {
      requireRight(caller, "lifetime", name);
      const ending = { by: caller.name, reason };
      if (!(await factory.lifetime.rules.removeHoldRule(name, id, ending))) throw missing("rule", id);
      return { removed: true };
    },
  );
}

function holdRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/projects/:name/holds",
    {
      config: { need: "read" },
      schema: {
        operationId: "listHolds",
        tags: ["tags"],
        summary: "List the holds of a project, newest first, ended ones too",
        params: projectParams,
        querystring: z.object({ before: z.string().max(64).optional(), limit: pageLimit }),
        response: { 200: holdPageSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, query: { before, limit }, caller }) => {
      requireRight(caller, "list", name);
      const page = { limit, ...(before === undefined ? {} : { before }) };
      const holds = (await factory.lifetime.rules.holds(name, page)).map(shownHold);
      return { holds, ...(holds.length < limit ? {} : { next: holds.at(-1)!.id }) };
    },
  );
  app.post(
    "/holds",
    {
      config: { need: "write" },
      schema: {
        operationId: "createHold",
        tags: ["tags"],
        summary: "Hold an image: until an instant nobody can delete it, and retention does not drop it",
        body: newHoldSchema,
        response: { 201: holdSchema, ...lifetimeErrors },
      },
    },
    async ({ body: { until, ...body }, caller }, reply) => {
      requireRight(caller, "lifetime", body.repository);
      const wish = { ...body, untilAt: Date.parse(until), author: caller.name };
      return await reply.code(201).send(shownHold(await factory.lifetime.rules.hold(wish)));
    },
  );
  app.post(
    "/holds/:id/release",
    {
      config: { need: "write" },
      schema: {
        operationId: "releaseHold",
        tags: ["tags"],
        summary: "End a hold before its time",
        params: z.object({ id: z.string().min(1).max(64) }),
        body: holdReleaseSchema,
        response: { 200: removedSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { id }, body: { reason }, caller }) => {
      const hold = await factory.lifetime.rules.findHold(id);
      if (hold === undefined || !caller.may("list", hold.repository)) throw missing("hold", id);
      requireRight(caller, "lifetime", hold.repository);
      return { removed: await factory.lifetime.rules.release(id, { by: caller.name, reason }) };
    },
  );
}

type ScopeBody = { readonly [Key in keyof TagScope]: TagScope[Key] | undefined } & { readonly tagPattern: string };

function scopeOf({ tagPattern, excludesTags, repositoryPattern, excludesRepositories }: ScopeBody): TagScope {
  return {
    tagPattern,
    ...(excludesTags === true ? { excludesTags } : {}),
    ...(repositoryPattern === undefined ? {} : { repositoryPattern }),
    ...(excludesRepositories === true ? { excludesRepositories } : {}),
  };
}

type HoldRecord = Awaited<ReturnType<Lifetime["rules"]["hold"]>>;

function shownHold({ untilAt, createdAt, release, ...hold }: HoldRecord): z.output<typeof holdSchema> {
  return {
    ...hold,
    until: isoSeconds(untilAt),
    createdAt: isoSeconds(createdAt),
    ...(release === undefined ? {} : { release: { ...release, at: isoSeconds(release.at) } }),
  };
}

function missing(kind: string, id: string): Failure {
  return new Failure("not_found", `Cannot find the ${kind} "${id}"`);
}
