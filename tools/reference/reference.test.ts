import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { cliPage } from "./cli-page.ts";
import { configurationPage, errorsPage, metricsPage } from "./code-pages.ts";
import { httpApiPage } from "./http-api-page.ts";
import { imageYamlPage } from "./image-yaml-page.ts";

test("errorsPage has a row for every code", () => {
  assert.match(
    errorsPage({ lost: { status: 404, exit: 1, about: "It | went\naway" } }),
    /^\| `lost` \| It \\\| went away \| 404 \| 1 \|$/m,
  );
});

test("configurationPage shows defaults as the file writes them and never a secret's", () => {
  const page = configurationPage([
    { name: "gate.block", type: "list", default: ["critical"], about: "What is refused.", environment: "X_GATE" },
    { name: "key", type: "text", secret: true, about: "A key.", environment: "X_KEY" },
  ]);
  assert.match(page, /\| `gate\.block` \| `X_GATE` \| list \| `\["critical"\]` \| What is refused\. \|/);
  assert.match(page, /\| `key` \| `X_KEY` \| text, secret \|  \| A key\. \|/);
});

test("metricsPage has a row for every metric", () => {
  const page = metricsPage([{ name: "m_total", type: "counter", about: "Counts.", labels: ["a", "b"] }]);
  assert.match(page, /\| `m_total` \| counter \| `a`, `b` \| Counts\. \|/);
});

test("cliPage has every command, argument and option, and none that is hidden", () => {
  const program = new Command("mint").option("--data <folder>", "Where all is kept");
  program
    .command("build")
    .description("Builds.")
    .argument("<recipe...>", "What to build")
    .option("--locked", "As locked");
  program.command("config").description("Tells.").command("explain").description("Explains.");
  program.command("secret", { hidden: true });
  const page = cliPage(program, { meanings: { 0: "success", 3: "refused" }, failures: { lost: { exit: 3 } } });
  assert.match(page, /`--data <folder>` \| Where all is kept/);
  assert.match(page, /## `mint build`[\s\S]*mint build <recipe\.\.\.> \[options\][\s\S]*`--locked` \| As locked/);
  assert.match(page, /## `mint config explain`/);
  assert.match(page, /\| 3 \| refused \| `lost` \|/);
  assert.doesNotMatch(page, /secret|## `mint help`/);
});

test("httpApiPage has every operation with its parameters, answers and the shapes they name", () => {
  const parameters = [{ name: "id", in: "path", required: true, description: "Which", schema: { type: "string" } }];
  const content = { "application/json": { schema: { $ref: "#/components/schemas/Image" } } };
  const page = httpApiPage({
    paths: {
      "/images/{id}": { get: { summary: "One image", parameters, responses: { 200: { description: "It", content } } } },
    },
    components: {
      schemas: { Image: { properties: { size: { type: "integer", description: "Bytes" } }, required: ["size"] } },
    },
  });
  assert.match(page, /## `GET \/images\/\{id\}`\n\nOne image\n/);
  assert.match(page, /\| `id` \| path \| string, required \| Which \|/);
  assert.match(page, /\| 200 \| \[Image\]\(#image\) \| It \|/);
  assert.match(page, /### Image\n\n[\s\S]*\| `size` \| integer \| Bytes \|/);
});

test("imageYamlPage takes types from the schema and meanings from the doc comments, by path", () => {
  const source = `export const s = z.strictObject({
    /** The name. */
    name: z.string(),
    users: z.array(z.strictObject({ /** The user's name. */ name: z.string(), uid: z.int() })).default([]),
  });`;
  const users = {
    type: "array",
    items: {
      type: "object",
      properties: { name: { type: "string" }, uid: { type: "integer", minimum: 1, maximum: 9 } },
    },
    default: [],
  };
  const page = imageYamlPage(
    { type: "object", properties: { name: { type: "string" }, users }, required: ["name"] },
    source,
  );
  assert.match(page, /\| `name` \| text \| required \| The name\. \|/);
  assert.match(page, /\| `users\[\]\.name` \| text \|  \| The user's name\. \|/);
  assert.match(page, /\| `users\[\]\.uid` \| integer 1 to 9 \|  \|  \|/);
});
