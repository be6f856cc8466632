import type { ApiApp } from "../api-app.ts";
import { notOffered } from "./refusals.ts";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What Harbor has and is not offered here, with what to do instead. Source: the paths of Harbor's swagger. */
const absent: readonly {
  readonly instead: string;
  readonly routes: readonly (readonly [url: string, ...methods: Method[]])[];
}[] = [
  {
    instead: "accounts and groups are kept under /api/v1/accounts and /api/v1/groups",
    routes: [
      ["/users", "GET", "POST"],
      ["/users/search", "GET"],
      ["/users/current/permissions", "GET"],
      ["/users/:id", "GET", "PUT", "DELETE"],
      ["/users/:id/sysadmin", "PUT"],
      ["/users/:id/password", "PUT"],
      ["/users/:id/cli_secret", "PUT"],
      ["/usergroups", "GET", "POST"],
      ["/usergroups/search", "GET"],
      ["/usergroups/:id", "GET", "PUT", "DELETE"],
      ["/permissions", "GET"],
    ],
  },
  {
    instead: "the configuration is a file: docs/reference/configuration.md has every key",
    routes: [
      ["/configurations", "GET", "PUT"],
      ["/internalconfig", "GET"],
      ["/ldap/ping", "POST"],
      ["/ldap/users/search", "GET"],
      ["/ldap/users/import", "POST"],
      ["/ldap/groups/search", "GET"],
      ["/system/oidc/ping", "POST"],
      ["/systeminfo/volumes", "GET"],
      ["/systeminfo/getcert", "GET"],
    ],
  },
  {
    instead: "what is ignored has a reason and an end: make an exception under /api/v1/exceptions",
    routes: [["/system/CVEAllowlist", "GET", "PUT"]],
  },
  {
    instead: "jobs are under /api/v1/jobs",
    routes: [
      ["/jobservice/pools", "GET"],
      ["/jobservice/pools/:id/workers", "GET"],
      ["/jobservice/jobs/:id", "PUT"],
      ["/jobservice/jobs/:id/log", "GET"],
      ["/jobservice/queues", "GET"],
      ["/jobservice/queues/:type", "PUT"],
      ["/schedules", "GET"],
      ["/schedules/:type/paused", "GET"],
      ["/system/scanAll/stop", "POST"],
    ],
  },
  {
    instead: "what was delivered is under /api/v1/webhooks",
    routes: [
      ["/projects/:project/webhook/jobs", "GET"],
      ["/projects/:project/webhook/policies/:policy/executions", "GET"],
      ["/projects/:project/webhook/policies/:policy/executions/:id/tasks", "GET"],
      ["/projects/:project/webhook/policies/:policy/executions/:id/tasks/:task/log", "GET"],
    ],
  },
  {
    instead: "findings can be listed with /security/vul",
    routes: [
      ["/export/cve", "POST"],
      ["/export/cve/execution/:id", "GET"],
      ["/export/cve/executions", "GET"],
      ["/export/cve/download/:id", "GET"],
    ],
  },
  {
    instead: "nothing is preheated and there are no icons",
    routes: [
      ["/p2p/preheat/providers", "GET"],
      ["/p2p/preheat/instances/ping", "POST"],
      ["/p2p/preheat/instances", "GET", "POST"],
      ["/p2p/preheat/instances/:name", "GET", "PUT", "DELETE"],
      ["/projects/:project/preheat/policies", "GET", "POST"],
      ["/projects/:project/preheat/policies/:policy", "GET", "PUT", "POST", "DELETE"],
      ["/projects/:project/preheat/policies/:policy/executions", "GET"],
      ["/projects/:project/preheat/policies/:policy/executions/:id", "GET", "PATCH"],
      ["/projects/:project/preheat/policies/:policy/executions/:id/tasks", "GET"],
      ["/projects/:project/preheat/policies/:policy/executions/:id/tasks/:task/logs", "GET"],
      ["/projects/:project/preheat/providers", "GET"],
      ["/icons/:digest", "GET"],
    ],
  },
  {
    instead: "the kinds of registries are under /replication/adapters",
    routes: [["/replication/adapterinfos", "GET"]],
  },
];

/** Answers 501 where Harbor would answer something that is not offered here. */
export function absentRoutes(app: ApiApp): void {
  for (const { instead, routes } of absent)
    for (const [url, ...method] of routes)
      app.route({
        url,
        method,
        config: { need: "write", harbor: { fidelity: "absent", note: instead } },
        handler: async () => {
          throw notOffered(`this part of Harbor's API is not offered: ${instead}`);
        },
      });
}
