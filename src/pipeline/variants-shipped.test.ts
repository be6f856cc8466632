import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openAuthoring } from "../build/build.ts";
import { planBake } from "./bake.ts";
import { lintRecipes } from "./checks.ts";
import { readRecipeGraph } from "./variants.ts";

const recipesDir = join(import.meta.dirname, "../../recipes");
const all = ["base", "cuda", "dotnet", "full", "java", "node", "vllm"];

describe("shipped recipes", () => {
  test("are built on each other as they should be", async () => {
    const { nodes, waves } = await readRecipeGraph(recipesDir);
    assert.deepEqual([...nodes.keys()], all);
    assert.deepEqual(waves, [["base", "cuda"], ["dotnet", "java", "node", "vllm"], ["full"]]);
    for (const { recipe, repository } of nodes.values()) assert.equal(repository, `aibox/${recipe}`);
  });

  test("are clean for the linter, but for locks that the first build writes", async () => {
    const { fails, reports } = await lintRecipes(all, recipesDir);
    assert.ok(!fails);
    const findings = reports.flatMap((report) => report.findings);
    assert.deepEqual(
      findings.filter(({ rule }) => rule !== "MM1012"),
      [],
    );
  });

  for (const recipe of all)
    test(`${recipe} has a README and tests`, async () => {
      assert.match(await readFile(join(recipesDir, recipe, "README.md"), "utf8"), new RegExp(`^# aibox/${recipe}\n`));
      const folder = join(recipesDir, recipe, "tests");
      for (const name of await readdir(folder)) {
        const path = join(folder, name);
        (await openAuthoring()).parseTestFile(await readFile(path, "utf8"), path);
      }
    });

  test("are baked for other distributions by one argument", async () => {
    const request = { folder: recipesDir, files: [], changes: [], environment: {} };
    const { target } = await planBake({ ...request, targets: ["full-13", "node-12"] });
    assert.deepEqual(Object.keys(target), ["full-13", "java-13", "node-12"]);
    assert.deepEqual(target["node-12"]!.tags, ["aibox/node:20-12"]);
    assert.deepEqual(target["java-13"]!.args, { DISTRIBUTION: "13" });
  });
});
