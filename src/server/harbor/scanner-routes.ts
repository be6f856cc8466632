import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendDone } from "./harbor-app.ts";
import { listQuery, sendSlice } from "./listing.ts";
import { neverInstant } from "./names.ts";
import { foundProject, projectParams } from "./places.ts";
import { notFound, notOffered } from "./refusals.ts";
import { reportTypes, scanner } from "./scan-shapes.ts";

const uuid = "6d696e74-6d61-8b00-8000-000000000001";

const builtIn = {
  uuid,
  name: scanner.name,
  description: "The built-in scanner",
  url: "http://127.0.0.1",
  disabled: false,
  is_default: true,
  auth: "",
  access_credential: "",
  skip_certVerify: false,
  use_internal_addr: true,
  create_time: neverInstant,
  update_time: neverInstant,
  adapter: scanner.name,
  vendor: scanner.vendor,
  version: scanner.version,
  health: "healthy",
  capabilities: { support_vulnerability: true, support_sbom: true },
} as const;

const params = z.object({ scanner: z.string().max(64) });

/** The one scanner that there is. Source: Harbor's swagger, tag "scanner". */
export function scannerRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app);
  changeRoutes(app);
  projectRoutes(app, context);
}

function known(id: string): void {
  if (id !== uuid) throw notFound(`scanner registration ${id} not found`);
}

function readRoutes(app: ApiApp): void {
  app.get(
    "/scanners",
    { config: reduced("write", "one, built in"), schema: { querystring: listQuery } },
    async (_request, reply) => await sendSlice(reply, [builtIn], (one) => one),
  );
  app.get("/scanners/:scanner", { config: faithful("write"), schema: { params } }, async (request) => {
    known(request.params.scanner);
    return builtIn;
  });
  app.get("/scanners/:scanner/metadata", { config: faithful("write"), schema: { params } }, async (request) => {
    known(request.params.scanner);
    const consumed = [
      "application/vnd.oci.image.manifest.v1+json",
      "application/vnd.docker.distribution.manifest.v2+json",
    ];
    return {
      scanner,
      capabilities: [
        { type: "vulnerability", consumes_mime_types: consumed, produces_mime_types: reportTypes },
        {
          type: "sbom",
          consumes_mime_types: consumed,
          produces_mime_types: ["application/vnd.security.sbom.report+json; version=1.0"],
        },
      ],
      properties: { "harbor.scanner-adapter/scanner-type": "os-package-vulnerability" },
    };
  });
}

function changeRoutes(app: ApiApp): void {
  const refuse = async (): Promise<never> => {
    throw notOffered("the built-in scanner is the only one");
  };
  app.patch(
    "/scanners/:scanner",
    {
      config: reduced("administrator", "`is_default` for the built-in one"),
      schema: { params, body: z.object({ is_default: z.boolean() }) },
    },
    async (request, reply) => {
      known(request.params.scanner);
      if (!request.body.is_default) return await refuse();
      return await sendDone(reply);
    },
  );
  const absent = { need: "administrator", harbor: { fidelity: "absent", note: "one scanner, built in" } } as const;
  app.post("/scanners", { config: absent }, refuse);
  app.post("/scanners/ping", { config: absent }, refuse);
  app.put("/scanners/:scanner", { config: absent }, refuse);
  app.delete("/scanners/:scanner", { config: absent }, refuse);
}

function projectRoutes(app: ApiApp, context: ApiContext): void {
  app.get(
    "/projects/:project/scanner",
    { config: faithful("public"), schema: { params: projectParams } },
    async (request) => {
      await foundProject(context, request, request.params);
      return builtIn;
    },
  );
  app.get(
    "/projects/:project/scanner/candidates",
    { config: faithful("write"), schema: { params: projectParams, querystring: listQuery } },
    async (request, reply) => {
      await foundProject(context, request, request.params);
      return await sendSlice(reply, [builtIn], (one) => one);
    },
  );
  app.put(
    "/projects/:project/scanner",
    { config: faithful("write"), schema: { params: projectParams, body: z.object({ uuid: z.string().max(64) }) } },
    async (request, reply) => {
      await foundProject(context, request, { ...request.params, action: "settings" });
      known(request.body.uuid);
      return await sendDone(reply);
    },
  );
}
