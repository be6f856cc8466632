import { errorCodes } from "../../base/error-codes.ts";
import { examples, type Define } from "../command.ts";
import { withClient } from "../session.ts";

/** `mintmark verify IMAGE`: signatures and evidence, offline; what does not verify is exit code 5. */
export const define: Define = (command, run) => {
  command
    .argument("<image>", "repository:tag or digest")
    .addHelpText(
      "after",
      `${examples(["mintmark verify base:latest", "each check with what it found"], ["mintmark verify base:latest --json", "the report as JSON"])}\nExit code 5 where a check fails.\n`,
    )
    .action(
      run((context, [image]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const { paint } = terminal;
          const report = await client.verification(image);
          if (flags.json === true) terminal.out(JSON.stringify(report, null, 2));
          else {
            const checks = report.checks.map(
              ({ ok, name, message }) => `  ${ok ? paint.good("✓") : paint.bad("✗")} ${name.padEnd(18)} ${message}`,
            );
            terminal.out(
              [
                `${report.result === "pass" ? paint.good("pass") : paint.bad("fail")}  ${report.repository}@${report.digest ?? report.reference}`,
                ...checks,
              ].join("\n"),
            );
          }
          return report.result === "pass" ? 0 : errorCodes.verification_failed.exit;
        }),
      ),
    );
};
