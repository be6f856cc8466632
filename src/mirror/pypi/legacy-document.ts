import type { Rendered, RenderInput } from "../format.ts";
import { fileAddress } from "./classify.ts";
import { normalVersion } from "./names.ts";
import { isObject, parseObject } from "./page.ts";

/**
 * The legacy JSON document of a project, or of one version: the first member's, with our addresses and without what is
 * withheld. Source: PyPI documentation, "JSON API".
 */
export function renderLegacy({ documents, source, base, withheld }: RenderInput): Rendered {
  const project = source.split("/")[1]!;
  const parsed = parseObject(documents[0]!);
  const isWithheld = (version: string): boolean => withheld.has("*") || withheld.has(normalVersion(version));
  const releases = parsed["releases"];
  if (isObject(releases))
    for (const [version, files] of Object.entries(releases))
      if (isWithheld(version)) delete releases[version];
      else rewrite(files, { project, base });
  const shown = isObject(parsed["info"]) ? parsed["info"]["version"] : undefined;
  if (typeof shown === "string" && isWithheld(shown)) parsed["urls"] = [];
  rewrite(parsed["urls"], { project, base });
  return { bytes: Buffer.from(JSON.stringify(parsed)), mediaType: "application/json" };
}

function rewrite(files: unknown, { project, base }: { project: string; base: string }): void {
  for (const file of Array.isArray(files) ? files.filter(isObject) : [])
    if (typeof file["filename"] === "string") file["url"] = fileAddress(base, project, file["filename"]);
}
