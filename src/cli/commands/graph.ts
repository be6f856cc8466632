import { Option } from "commander";
import type { GraphState } from "../../pipeline/pipeline.ts";
import { examples, type CommandContext, type Define } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";

interface Options {
  readonly output: "text" | "json" | "dot";
}

/** `mintmark graph`: which recipe is built on which, and what is due. */
export const define: Define = (command, run) => {
  command
    .addOption(new Option("-o, --output <format>", "the format").choices(["text", "json", "dot"]).default("text"))
    .addHelpText(
      "after",
      examples(
        ["mintmark graph", "recipes in the order of their build, with what is due"],
        ["mintmark graph -o dot", "for Graphviz"],
        ["mintmark build base --with-variants", "build one and all that is built on it"],
      ),
    )
    .action(
      run(async (context, _: readonly unknown[], { output }: Options) => {
        const { recipeGraph } = await import("../../pipeline/pipeline.ts");
        const state = await recipeGraph(await context.loadConfig());
        if (output === "dot") context.terminal.out(state.dot());
        else if (output === "json") context.terminal.out(JSON.stringify(state, null, 2));
        else printGraph(context, state);
      }),
    );
};

function printGraph(context: CommandContext, state: GraphState): void {
  const { recipes, waves } = state;
  const rows = recipes.map(({ wave, recipe, repository, bases, images, due }) => [
    String(wave + 1),
    recipe,
    repository,
    [...bases, ...images].join(", ") || "packages",
    due ?? "up to date",
  ]);
  printAnswer(
    context,
    { recipes, waves },
    tableOf(context, ["WAVE", "RECIPE", "REPOSITORY", "BUILT ON", "STATE"], rows),
  );
}
