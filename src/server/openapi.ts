import { STATUS_CODES } from "node:http";
import fastify from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Need } from "./access.ts";
import { addApi } from "./api.ts";
import type { ApiApp, ApiContext } from "./api-app.ts";

/**
 * The OpenAPI 3.1 document of the API as JSON.
 *
 * It is made from the same routes on an app of its own that is dropped afterwards: the generator is loaded by the
 * first reader and weighs nothing in a server that nobody asks.
 */
export async function describeApi(version: string): Promise<string> {
  const [{ default: swagger }, zod] = await Promise.all([
    import("@fastify/swagger"),
    import("fastify-type-provider-zod"),
  ]);
  const transform = zod.createJsonSchemaTransform({});
  const app: ApiApp = fastify().withTypeProvider<ZodTypeProvider>();
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Mintmark",
        version,
        description:
          "The golden image factory: builds, proves, refuses, signs and serves container images. Images are pulled and pushed under /v2, as the OCI distribution specification says.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      servers: [{ url: "/api/v1" }, { url: "/", description: "The short form of every path" }],
      tags: [...tags],
      components: {
        securitySchemes: { basic: { type: "http", scheme: "basic" }, bearer: { type: "http", scheme: "bearer" } },
      },
    },
    transform: (route) => {
      const { schema, url } = transform(route);
      const security = credentialsOf((route as { route?: { config?: { need?: Need } } }).route?.config?.need);
      return { schema: { ...schema, security }, url };
    },
    transformObject: zod.createJsonSchemaTransformObject({}),
  });
  // The handlers never run here, and the routes read their context only when they do.
  await app.register(async (scope) =>
    addApi(scope.withTypeProvider<ZodTypeProvider>(), lazyContext(), () => Promise.reject(new Error("never called"))),
  );
  try {
    await app.ready();
    return JSON.stringify(nameAnswers(app.swagger() as unknown as Description));
  } finally {
    await app.close();
  }
}

const tags = [
  { name: "images", description: "What was minted, and what is known about it" },
  { name: "builds", description: "Asking for images, following and stopping the work" },
  { name: "exceptions", description: "Dated permissions to ignore a finding" },
  { name: "advisories", description: "The feeds that images are scanned against" },
  { name: "projects", description: "What repositories belong to, who sees them, who may do what in them" },
  { name: "accounts", description: "People" },
  { name: "groups", description: "People who have roles together" },
  { name: "roles", description: "What members of projects may do" },
  { name: "robots", description: "Accounts of machines" },
  { name: "tags", description: "Where tags were and are, what pins them, what holds their images" },
  { name: "retention", description: "Which tags projects keep, and what was dropped" },
  { name: "quotas", description: "What projects store, and may store" },
  { name: "tokens", description: "What people use in place of their passwords" },
  { name: "mirrors", description: "Where packages come from: repositories, their rules, and the care for them" },
  { name: "server", description: "Health, readiness, metrics" },
] as const;

/** An empty entry means: works without credentials too. */
function credentialsOf(need: Need | undefined): Record<string, string[]>[] {
  const either = [{ basic: [] }, { bearer: [] }];
  if (need === "open") return [];
  return need === "read" || need === "public" ? [{}, ...either] : either;
}

interface Answer {
  description: string;
  content?: Record<string, unknown>;
}

interface Description {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses?: Readonly<Record<string, Answer>> }>>>
  >;
}

/** The generator calls every answer "Default Response" and every body JSON; ours have names, and failures a type. */
function nameAnswers(description: Description): Description {
  for (const operations of Object.values(description.paths))
    for (const { responses } of Object.values(operations))
      for (const [status, answer] of Object.entries(responses ?? {})) {
        if (answer.description === "Default Response") answer.description = STATUS_CODES[status] ?? status;
        const body = answer.content?.["application/json"];
        if (Number(status) >= 400 && status !== "503" && body !== undefined)
          answer.content = { "application/problem+json": body };
      }
  return description;
}

function lazyContext(): ApiContext {
  return { factory: {}, accounts: {} } as ApiContext;
}
