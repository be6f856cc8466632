import { statfs } from "node:fs/promises";
import { messageOf } from "../../base/errors.ts";
import { emptyDescriptor } from "../../model/oci.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { aboutSchema, healthSchema, readySchema } from "../schemas.ts";

/** Below this the server is not ready: a build or a push would fail half-way. */
const freeBytesMin = 64 * 1024 * 1024;

/** Whether the server lives, whether it can work, what it measures, and who asks. */
export function healthRoutes(app: ApiApp, context: ApiContext): void {
  const about = (operationId: string, summary: string) => ({ operationId, tags: ["server"], summary });
  app.get(
    "/health",
    {
      config: { need: "open" },
      schema: { ...about("health", "Whether the server lives"), response: { 200: healthSchema } },
    },
    async () => ({ status: "ok" as const }),
  );
  app.get(
    "/ready",
    {
      config: { need: "open" },
      schema: {
        ...about("ready", "Whether the server can work: database, blobs, disk"),
        response: { 200: readySchema, 503: readySchema },
      },
    },
    async (_request, reply) => {
      const checks = await readiness(context);
      const isReady = checks.every((check) => check.ok);
      return await reply.code(isReady ? 200 : 503).send({ status: isReady ? "ready" : "not-ready", checks });
    },
  );
  app.get(
    "/metrics",
    {
      config: { need: "read" },
      schema: { ...about("metrics", "Metrics in the Prometheus text format"), produces: ["text/plain"] },
    },
    async (_request, reply) => {
      const { contentType, text } = await context.metrics.scrape();
      return await reply.type(contentType).send(text);
    },
  );
  app.get(
    "/about",
    {
      config: { need: "read" },
      schema: { ...about("about", "Version, and who you are"), response: { 200: aboutSchema } },
    },
    async ({ caller }) => ({
      name: "mintmark" as const,
      version: context.version,
      caller: caller.name,
      role: caller.role,
    }),
  );
}

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly about: string;
}

async function readiness({ factory, stopping }: ApiContext): Promise<Check[]> {
  const attempt = async (name: string, work: () => Promise<Omit<Check, "name">>): Promise<Check> => {
    try {
      return { name, ...(await work()) };
    } catch (error) {
      factory.log.warn({ err: error, check: name }, "not ready");
      return { name, ok: false, about: name === "disk" ? messageOf(error) : "does not answer" };
    }
  };
  return await Promise.all([
    attempt("serving", async () => ({
      ok: !stopping.aborted,
      about: stopping.aborted ? "stopping" : "accepting requests",
    })),
    attempt("database", async () => {
      await factory.run("00000000-0000-7000-8000-000000000000");
      return { ok: true, about: "answers" };
    }),
    attempt("blobs", async () => {
      await factory.store.blobs.stat(emptyDescriptor.digest);
      return { ok: true, about: "answers" };
    }),
    attempt("disk", async () => {
      const { bavail, bsize } = await statfs(factory.store.dataDir);
      const freeMib = Math.floor((bavail * bsize) / 2 ** 20);
      return { ok: bavail * bsize >= freeBytesMin, about: `${freeMib} MiB free` };
    }),
  ]);
}
