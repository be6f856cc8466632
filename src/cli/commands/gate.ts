import { errorCodes } from "../../base/error-codes.ts";
import { examples, type Define } from "../command.ts";
import { withClient } from "../session.ts";

/** `mintmark gate IMAGE`: the policy's answer with its reasons; a denial is exit code 4. */
export const define: Define = (command, run) => {
  command
    .argument("<image>", "repository:tag or digest")
    .addHelpText(
      "after",
      `${examples(["mintmark gate base:latest", "pass or fail, and why"], ["mintmark gate base:latest --json", "the verdict as JSON"])}\nExit code 4 where the gate refuses the image.\n`,
    )
    .action(
      run((context, [image]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const verdict = await client.verdict(image);
          if (flags.json === true) terminal.out(JSON.stringify(verdict, null, 2));
          else {
            const look = { deny: terminal.paint.bad, warn: terminal.paint.warn, allow: terminal.paint.good };
            const reasons = verdict.reasons.map(
              ({ outcome, message, rule }) =>
                `  ${look[outcome](outcome.padEnd(5))}  ${message}  ${terminal.paint.soft(rule)}`,
            );
            terminal.out(
              [verdict.result === "pass" ? terminal.paint.good("pass") : terminal.paint.bad("fail"), ...reasons].join(
                "\n",
              ),
            );
          }
          return verdict.result === "pass" ? 0 : errorCodes.gate_denied.exit;
        }),
      ),
    );
};
