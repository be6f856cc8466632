import { addBuildFlags, buildRequest, type BuildFlags } from "../build-flags.ts";
import { examples, type Define } from "../command.ts";
import { withClient } from "../session.ts";

/** `mintmark lock RECIPE…`: resolves and writes the lock, and tells what changed in it. */
export const define: Define = (command, run) => {
  addBuildFlags(command.argument("<recipe...>", "folders that hold an image.yaml, or names of shipped recipes"))
    .addHelpText(
      "after",
      examples(
        ["mintmark lock base", "resolve to the newest packages"],
        ["mintmark lock base --json", "the changes as JSON"],
      ),
    )
    .action(
      run((context, [recipes]: readonly [string[]], options: BuildFlags) =>
        withClient(context, async ({ client }) => {
          for (const recipe of recipes) {
            const change = await client.lock(buildRequest(recipe, options, "update"));
            if (context.flags.json === true) context.terminal.out(JSON.stringify(change, null, 2));
            else
              context.terminal.out(
                [
                  `${change.path}: ${change.changes.length === 0 ? "unchanged" : `${change.changes.length} changes`}`,
                  ...change.changes.map((line) => `  ${line}`),
                ].join("\n"),
              );
          }
        }),
      ),
    );
};
