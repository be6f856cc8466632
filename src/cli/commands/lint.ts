import { Option } from "commander";
import { errorCodes } from "../../base/error-codes.ts";
import type { LintAnswer } from "../../pipeline/pipeline.ts";
import { examples, type CommandContext, type Define } from "../command.ts";
import type { Paint } from "../output/terminal.ts";

interface Options {
  readonly output: "text" | "json" | "sarif";
}

/** `mintmark lint RECIPE|FILE…`: judges Containerfiles by the rules of the house. */
export const define: Define = (command, run) => {
  command
    .argument("<recipe...>", "folders of recipes, names of shipped ones, or Containerfiles")
    .addOption(new Option("-o, --output <format>", "the format").choices(["text", "json", "sarif"]).default("text"))
    .addHelpText(
      "after",
      `${examples(
        ["mintmark lint ./recipes/vllm", "every finding with its advice"],
        ["mintmark lint Containerfile -o sarif", "for a code review"],
      )}\nExit code 3 where anything is an error. docs/reference/lint-rules.md describes the rules and \`lint.yaml\`.\n`,
    )
    .action(
      run(async (context, [recipes]: readonly [string[]], { output }: Options) => {
        const { lintRecipes } = await import("../../pipeline/pipeline.ts");
        const result = await lintRecipes(recipes, (await context.loadConfig()).recipesDir);
        if (output === "sarif") context.terminal.out(JSON.stringify(result.sarif(), null, 2));
        else if (output === "json" || context.flags.json === true)
          context.terminal.out(JSON.stringify(result, null, 2));
        else printResult(context, result);
        return result.fails ? errorCodes.recipe_invalid.exit : 0;
      }),
    );
};

function printResult({ terminal }: CommandContext, { reports, expired, without }: LintAnswer): void {
  const { paint } = terminal;
  for (const { file, findings, excepted } of reports) {
    for (const { rule, severity, line, message, advice } of findings)
      terminal.out(
        `${paint.bold(`${file}:${line}`)} ${painted(severity, paint)} ${rule} ${message}\n    ${paint.soft(advice)}`,
      );
    for (const { finding, exception } of excepted)
      terminal.out(
        paint.soft(
          `${file}:${finding.line} allowed ${finding.rule} until ${exception.until} by ${exception.author}: ${exception.reason}`,
        ),
      );
  }
  for (const { path, exception } of expired)
    terminal.out(
      `${paint.bold(path)} ${painted("error", paint)} the exception for ${exception.rule} ended on ${exception.until}\n    ${paint.soft("Mend what it allowed, or renew it with a reason that still holds.")}`,
    );
  for (const path of without) terminal.err(`${path}: no Containerfile\n`);
  const all = reports.flatMap(({ findings }) => findings);
  const errors = all.filter(({ severity }) => severity === "error").length + expired.length;
  terminal.err(`Files: ${reports.length}, findings: ${all.length}, errors: ${errors}\n`);
}

function painted(severity: string, { bad, warn, soft }: Paint): string {
  return (severity === "error" ? bad : severity === "warning" ? warn : soft)(severity);
}
