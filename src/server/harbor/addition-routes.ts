import { z } from "zod";
import type { Digest } from "../../model/digest.ts";
import type { Descriptor } from "../../model/oci.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { readHistory } from "./extra-attributes.ts";
import { faithful, reduced } from "./harbor-app.ts";
import { parseJson } from "./json-parts.ts";
import { artifactParams, type FoundArtifact, foundArtifact } from "./places.ts";
import { badRequest, notFound } from "./refusals.ts";
import { acceptedReport, reportId, type ReportedImage, shownReport } from "./scan-shapes.ts";

/** What belongs to an artifact without being in it. Source: Harbor's swagger, tag "artifact". */
export function additionRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.get(
    "/projects/:project/repositories/:repository/artifacts/:reference/additions/vulnerabilities",
    {
      config: faithful("public", "CVSS scores and CWE numbers are not kept: null and none"),
      schema: { params: artifactParams },
    },
    async (request) => {
      const { repository, digest } = await foundArtifact(context, request, { ...request.params, action: "list" });
      const type = acceptedReport(request.headers["x-accept-vulnerabilities"]);
      const images = await reportedImages(context, repository, digest);
      return type === undefined || images.length === 0 ? {} : { [type]: shownReport(images) };
    },
  );
  app.get(
    "/projects/:project/repositories/:repository/artifacts/:reference/additions/:addition",
    {
      config: reduced("public", "`build_history` and `sbom` (SPDX); others are 400 as for images in Harbor"),
      schema: { params: artifactParams.extend({ addition: z.string().max(100) }) },
    },
    async (request, reply) => {
      const found = await foundArtifact(context, request, { ...request.params, action: "list" });
      const { addition } = request.params;
      const type = "application/json; charset=utf-8";
      if (addition === "sbom") {
        const sbom = await factory.admission.sbom(found.repository, found.digest, "spdx");
        if (sbom === undefined) throw notFound(`the SBOM of ${found.repository}@${found.digest} not found`);
        return await reply.type(type).serializer(String).send(sbom);
      }
      const config = parseJson<{ readonly config: Descriptor }>(found.bytes)?.config;
      if (addition !== "build_history" || config === undefined)
        throw badRequest(`addition ${addition} isn't supported for ${found.mediaType}`);
      return await reply.type(type).send(await readHistory(factory, config));
    },
  );
  scanLogRoute(app, context);
}

async function reportedImages(
  { factory }: ApiContext,
  repository: string,
  digest: Digest,
): Promise<readonly ReportedImage[]> {
  const scans = (await factory.admission.scans(repository, digest)) ?? [];
  return scans.flatMap(({ scan, report }) => (report === undefined ? [] : [{ digest: scan.digest, report }]));
}

function scanLogRoute(app: ApiApp, context: ApiContext): void {
  const { admission } = context.factory;
  app.get(
    "/projects/:project/repositories/:repository/artifacts/:reference/scan/:report/log",
    { config: faithful("public"), schema: { params: artifactParams.extend({ report: z.string().max(64) }) } },
    async (request, reply) => {
      const found: FoundArtifact = await foundArtifact(context, request, { ...request.params, action: "list" });
      const { report } = request.params;
      const scans = (await admission.scans(found.repository, found.digest)) ?? [];
      if (scans.length === 0 || report !== reportId(found.digest))
        throw notFound(`the scan report ${report} not found`);
      const lines: string[] = [];
      for (const { scan } of scans)
        for (const { at, line } of await admission.log(scan.digest))
          lines.push(`${at} ${scan.platform ?? ""} ${line}\n`);
      return await reply.type("text/plain; charset=utf-8").send(lines.join(""));
    },
  );
}
