import { arch } from "node:os";
import { Option } from "commander";
import { errorCodes } from "../../base/error-codes.ts";
import type { TestAnswer } from "../../pipeline/pipeline.ts";
import { examples, type CommandContext, type Define } from "../command.ts";
import { cut } from "../output/table.ts";

interface Options {
  readonly tests: readonly string[];
  readonly platform?: string;
  readonly output: "text" | "json" | "junit";
}

/** `mintmark test IMAGE --tests FILE…`: runs files of container-structure-test. */
export const define: Define = (command, run) => {
  command
    .argument("<image>", "repository:tag, a tar archive of `docker save`, or an OCI layout")
    .requiredOption("--tests <file...>", "files of container-structure-test, schemaVersion 2.0.0")
    .option("--platform <platform>", "which image of an index, such as linux/arm64; by default the machine's")
    .addOption(new Option("-o, --output <format>", "the format").choices(["text", "json", "junit"]).default("text"))
    .addHelpText(
      "after",
      `${examples(
        ["mintmark test aibox/base:latest --tests recipes/base/tests/*.yaml", "every test with its result"],
        ["mintmark test image.tar --tests tests.yaml -o junit", "for a CI job"],
      )}\nExit code 5 where a test fails. Commands run without network, in a fresh copy of the image each.\n`,
    )
    .action(
      run(async (context, [image]: readonly [string], options: Options) => {
        const { testImage } = await import("../../pipeline/pipeline.ts");
        const answer = await testImage(await context.loadConfig(), {
          image,
          files: options.tests,
          architecture: options.platform?.replace(/^linux\//, "") ?? (arch() === "arm64" ? "arm64" : "amd64"),
          signal: context.stopped,
        });
        if (options.output === "junit") context.terminal.out(answer.junit());
        else if (options.output === "json" || context.flags.json === true)
          context.terminal.out(JSON.stringify(answer.json(), null, 2));
        else printResults(context, answer);
        return answer.isPass ? 0 : errorCodes.verification_failed.exit;
      }),
    );
};

function printResults({ terminal }: CommandContext, { results }: TestAnswer): void {
  const { paint } = terminal;
  for (const { name, isPass, errors } of results) {
    terminal.out(`${isPass ? paint.good("pass") : paint.bad("FAIL")}  ${name}`);
    for (const error of errors) terminal.out(`      ${cut(error, 500)}`);
  }
  const failed = results.filter(({ isPass }) => !isPass).length;
  terminal.err(`Passed: ${results.length - failed}, failed: ${failed}\n`);
}
