import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { errorCodes } from "../src/base/error-codes.ts";
import { recipeSchema } from "../src/model/recipe.ts";
import { wholeProgram } from "../src/cli/program.ts";
import { cliPage } from "./reference/cli-page.ts";
import { configurationPage, errorsPage, metricsPage } from "./reference/code-pages.ts";
import { httpApiPage, type OpenApi } from "./reference/http-api-page.ts";
import { imageYamlPage } from "./reference/image-yaml-page.ts";
import { lintRulesPage } from "./reference/lint-rules-page.ts";
import { rootFolder } from "./tree.ts";

/** One page of docs/reference/, or why it cannot be written. */
export interface ReferencePage {
  readonly path: string;
  readonly text?: string;
  readonly problem?: string;
}

/**
 * Writes every page of the reference from the code, in memory.
 *
 * A page whose source does not load gets a problem instead of a text, so that one broken room does not hide the rest.
 */
export async function referencePages(): Promise<ReferencePage[]> {
  return await Promise.all([
    page("errors", () => errorsPage()),
    page("image-yaml", () => imageYamlPage(recipeJsonSchema(), textOf("src/model/recipe.ts"))),
    page("configuration", async () => {
      const { configKeys } = await load<{ configKeys: Parameters<typeof configurationPage>[0] }>(
        "src/config/config-keys.ts",
      );
      return configurationPage(configKeys);
    }),
    page("lint-rules", () => lintRulesPage()),
    page("metrics", async () => {
      const { metricTable } = await load<{ metricTable: Record<string, MetricRows[number]> }>(
        "src/server/metric-table.ts",
      );
      return metricsPage(Object.values(metricTable));
    }),
    page("cli", async () => {
      const { exitCodes } = await load<{ exitCodes: Readonly<Record<number, string>> }>("src/cli/exit-codes.ts");
      return cliPage(await wholeProgram(), { meanings: exitCodes, failures: errorCodes });
    }),
    page("http-api", async () => {
      const { describeApi } = await load<{ describeApi: (version: string) => Promise<string> }>(
        "src/server/openapi.ts",
      );
      return httpApiPage(JSON.parse(await describeApi("0")) as OpenApi);
    }),
  ]);
}

type MetricRows = Parameters<typeof metricsPage>[0];

async function page(name: string, write: () => string | Promise<string>): Promise<ReferencePage> {
  const path = `docs/reference/${name}.md`;
  try {
    return { path, text: await write() };
  } catch (error) {
    return { path, problem: error instanceof Error ? error.message : String(error) };
  }
}

function recipeJsonSchema(): Parameters<typeof imageYamlPage>[0] {
  return z.toJSONSchema(recipeSchema, { io: "input", unrepresentable: "any" }) as Parameters<typeof imageYamlPage>[0];
}

async function load<Module>(path: string): Promise<Module> {
  return (await import(join(rootFolder, path))) as Module;
}

function textOf(path: string): string {
  return readFileSync(join(rootFolder, path), "utf8");
}

if (import.meta.main) {
  for (const { path, text, problem } of await referencePages()) {
    if (text === undefined) {
      console.error(`cannot write ${path}: ${problem}`);
      process.exitCode = 1;
      continue;
    }
    mkdirSync(dirname(join(rootFolder, path)), { recursive: true });
    writeFileSync(join(rootFolder, path), text);
    console.log(`wrote ${path}`);
  }
}
