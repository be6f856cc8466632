import { errorCodes } from "../../base/error-codes.ts";
import type { Command } from "commander";
import type { PullVerdict } from "../../client/api-types.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import type { Paint } from "../output/terminal.ts";
import { withClient } from "../session.ts";

/** `mintmark gate IMAGE`: the policy's answer with its reasons; `gate explain` says why a pull is refused. A denial is exit code 4. */
export const define: Define = (command, run) => {
  defineExplain(command, run);
  command
    .argument("<image>", "repository:tag or digest of an image that was built here")
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

function defineExplain(command: Command, run: RunAction): void {
  command
    .command("explain")
    .summary("say whether an image is given out now, and why not")
    .argument("<image>", "repository:tag, or repository@digest; of any origin")
    .addHelpText(
      "after",
      `${examples(["mintmark gate explain team/app:1", "what its project's gate says"], ["mintmark gate explain team/app:1 --json", "with every finding"])}\nExit code 4 where the image is not given out.\n`,
    )
    .action(
      run((context, [image]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const verdict = await client.explainPull(image);
          terminal.out(
            flags.json === true ? JSON.stringify(verdict, null, 2) : explained(verdict, terminal.paint).join("\n"),
          );
          return verdict.result === "fail" ? errorCodes.gate_denied.exit : 0;
        }),
      ),
    );
}

function explained(verdict: PullVerdict, paint: Paint): string[] {
  const { result, project, images } = verdict;
  if (result === "open") return [`${paint.good("given out")}: the project "${project}" has no gate`];
  const lines = [result === "pass" ? paint.good("given out") : paint.bad("refused")];
  for (const image of images) {
    const state = [image.scan, image.signedBy === undefined ? undefined : `signed by ${image.signedBy.slice(0, 12)}`];
    const about = state.filter((part) => part !== undefined).join(", ");
    lines.push(`  ${paint.bold(image.platform ?? image.digest.slice(0, 19))}  ${about}`);
    for (const missing of image.missing) lines.push(`    ${paint.bad("deny ")}  ${missing}`);
    for (const { id, severity, package: name, version, fixedVersion } of image.findings)
      lines.push(
        `    ${paint.bad("deny ")}  ${id} (${severity}) in ${name} ${version}, ${fixedVersion === undefined ? "no fixed version yet" : `fixed in ${fixedVersion}`}`,
      );
    for (const allowed of image.allowed) lines.push(`    ${paint.good("allow")}  ${allowed}`);
  }
  return verdict.message === undefined ? lines : [...lines, "", verdict.message];
}
