import { examples, type Define } from "../command.ts";
import { printImage } from "../run-build.ts";
import { withClient } from "../session.ts";

/** `mintmark inspect IMAGE`: all that is known of an image, and the lines to use it. */
export const define: Define = (command, run) => {
  command
    .argument("<image>", "repository:tag or digest")
    .addHelpText(
      "after",
      examples(
        ["mintmark inspect base:latest", "digest, size, findings, evidence, timings"],
        ["mintmark inspect base:latest --json", "the same as JSON"],
      ),
    )
    .action(
      run((context, [image]: readonly [string]) =>
        withClient(context, async (session) => printImage(context, await session.client.image(image), session)),
      ),
    );
};
