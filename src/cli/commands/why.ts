import { stringify } from "yaml";
import { examples, type Define } from "../command.ts";
import { printable } from "../output/terminal.ts";
import { withClient } from "../session.ts";

/** `mintmark why IMAGE`: which recipe, lock, build and verdict made an image what it is. */
export const define: Define = (command, run) => {
  command
    .argument("<image>", "repository:tag or digest")
    .addHelpText(
      "after",
      examples(["mintmark why base:latest", "for people"], ["mintmark why base:latest --json", "for programs"]),
    )
    .action(
      run((context, [image]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const answer = await client.why(image);
          context.terminal.out(
            context.flags.json === true ? JSON.stringify(answer, null, 2) : printable(stringify(answer).trimEnd()),
          );
        }),
      ),
    );
};
