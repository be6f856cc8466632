import { z } from "zod";
import { nowMs } from "../../base/clock.ts";
import { countHeldRepositories, listHeldRepositories } from "../../store/harbor-records.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced } from "./harbor-app.ts";
import { instant, instantOf } from "./names.ts";
import { isAdmin } from "./places.ts";
import { shownProject } from "./project-shapes.ts";
import { notFound } from "./refusals.ts";

/** What is known of the whole system, and who asks. */
export function systemRoutes(app: ApiApp, context: ApiContext): void {
  stateRoutes(app, context);
  countRoutes(app, context);
  searchRoute(app, context);
  callerRoutes(app, context);
}

const components = ["core", "database", "jobservice", "portal", "registry", "registryctl"];

function stateRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/ping",
    { config: faithful("open") },
    async (_request, reply) => await reply.type("text/plain").send("Pong"),
  );
  app.get("/health", { config: reduced("open", "one process stands for all components") }, async () => ({
    status: "healthy",
    components: components.map((name) => ({ name, status: "healthy" })),
  }));
  app.get(
    "/systeminfo",
    { config: reduced("open", "names the version of Harbor whose shapes these are") },
    async (request) => {
      const { config } = factory;
      const external = config.publicUrl ?? `${request.protocol}://${request.host}`;
      return {
        auth_mode: "db_auth",
        primary_auth_mode: false,
        current_time: instant(nowMs()),
        registry_url: new URL(external).host,
        external_url: external,
        project_creation_restriction: "adminonly",
        self_registration: false,
        has_ca_root: false,
        harbor_version: "v2.14.0-mintmark",
        registry_storage_provider_name: "filesystem",
        read_only: false,
        notification_enable: true,
      };
    },
  );
}

function countRoutes(app: ApiApp, { factory, accounts: { projects } }: ApiContext): void {
  app.get("/statistics", { config: faithful("write") }, async ({ caller }) => {
    const seen = (await projects.list()).filter(({ name }) => caller.sees(name));
    const counts = await countHeldRepositories(
      factory.store.db,
      seen.map(({ name }) => name),
    );
    const countsOf = (isPublic: boolean): { readonly projects: number; readonly repositories: number } => {
      const some = seen.filter((project) => project.isPublic === isPublic);
      return { projects: some.length, repositories: some.reduce((sum, { name }) => sum + (counts.get(name) ?? 0), 0) };
    };
    const [open, closed] = [countsOf(true), countsOf(false)];
    return {
      private_project_count: closed.projects,
      private_repo_count: closed.repositories,
      public_project_count: open.projects,
      public_repo_count: open.repositories,
      total_project_count: open.projects + closed.projects,
      total_repo_count: open.repositories + closed.repositories,
      total_storage_consumption: isAdmin(caller) ? await factory.store.blobs.usedBytes() : 0,
    };
  });
}

/** Found of each kind. */
const foundMax = 20;

function searchRoute(app: ApiApp, context: ApiContext): void {
  const { factory, accounts } = context;
  app.get(
    "/search",
    {
      config: reduced("public", `at most ${foundMax} projects and ${foundMax} repositories`),
      schema: { querystring: z.object({ q: z.string().max(255).default("") }) },
    },
    async ({ query: { q }, caller }) => {
      const seen = (await accounts.projects.list()).filter(({ name }) => caller.sees(name));
      const named = seen.filter(({ name }) => name.includes(q.toLowerCase())).slice(0, foundMax);
      const { rows } = await listHeldRepositories(factory.store.db, {
        projects: seen.slice(0, 500).map(({ name }) => name),
        conditions: q === "" ? [] : [{ kind: "like", value: q }],
        order: [],
        offset: 0,
        limit: foundMax,
      });
      const projects = new Map(seen.map((project) => [project.name, project]));
      const shown = await shownProjects(context, named, caller);
      return {
        project: shown,
        repository: rows
          .filter(({ name }) => caller.may("list", name))
          .map((row) => {
            const project = projects.get(row.name.split("/", 1)[0]!)!;
            return {
              project_id: project.id,
              project_name: project.name,
              project_public: project.isPublic,
              repository_name: row.name,
              pull_count: row.pullCount,
              artifact_count: row.artifactCount,
            };
          }),
      };
    },
  );
}

async function shownProjects(
  context: ApiContext,
  projects: readonly ProjectRecord[],
  caller: Caller,
): Promise<unknown[]> {
  return await Promise.all(projects.map(async (project) => await shownProject(context, project, { caller })));
}

function callerRoutes(app: ApiApp, { accounts: { people, robots } }: ApiContext): void {
  app.get("/users/current", { config: faithful("write") }, async ({ caller }) => {
    const isRobot = caller.role === "robot";
    const person = isRobot ? undefined : await people.find(caller.name === "owner" ? "admin" : caller.name);
    const robot = isRobot ? await robots.find(caller.name) : undefined;
    const account = person ?? robot;
    if (account === undefined) throw notFound(`user ${caller.name} not found`);
    const createdAt = instantOf(account.createdAt);
    return {
      user_id: account.number,
      username: account.name,
      email: person?.email ?? "",
      realname: account.name,
      comment: robot?.description ?? "",
      admin_role_in_auth: false,
      sysadmin_flag: isAdmin(caller),
      creation_time: createdAt,
      update_time: createdAt,
    };
  });
}
