import { readFile } from "node:fs/promises";
import { Option, type Command } from "commander";
import { Failure, messageOf } from "../../base/errors.ts";
import type { NewPullGate, ProjectGate } from "../../client/api-types.ts";
import { severityBounds, type SeverityBound } from "../../model/pull-gate.ts";
import { examples, type RunAction } from "../command.ts";
import { pairLines } from "../output/table.ts";
import type { Paint } from "../output/terminal.ts";
import { withClient } from "../session.ts";

interface Options {
  readonly requireVerdict?: boolean;
  readonly maxSeverity?: SeverityBound;
  readonly allowUnfixed?: boolean;
  readonly requireSignature?: boolean;
  readonly trustedKey?: readonly string[];
  readonly off?: boolean;
}

/** `mintmark project gate PROJECT`: shows what the project asks of an image before it gives it out, or sets that. */
export function defineProjectGate(command: Command, run: RunAction): void {
  command
    .command("gate")
    .summary("show or set what a project asks of an image before it gives it out")
    .argument("<project>", "the first part of a repository's name")
    .option("--require-verdict", "no finding of the severities in gate.block; no verdict is a no")
    .addOption(
      new Option("--max-severity <severity>", "the worst severity that passes; none lets no finding pass").choices([
        ...severityBounds,
      ]),
    )
    .option("--allow-unfixed", "findings without a fixed version pass")
    .option("--require-signature", "a signature by a trusted key")
    .option("--trusted-key <file...>", "a file with a public key in PEM; by default this server's release key")
    .option("--off", "give out everything again")
    .addHelpText(
      "after",
      `${examples(["mintmark project gate team", "what is set"], ["mintmark project gate team --require-verdict --max-severity high", "refuse critical findings, and what was not scanned"], ["mintmark project gate team --require-signature --trusted-key cosign.pub", "only what that key signed"])}\nOptions replace what was set before.\n`,
    )
    .action(
      run((context, [project]: readonly [string], options: Options) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const gate = await wishedGate(options);
          const answer =
            options.off === true
              ? await client.removeProjectGate(project)
              : gate === undefined
                ? await client.projectGate(project)
                : await client.setProjectGate(project, gate);
          terminal.out(flags.json === true ? JSON.stringify(answer, null, 2) : shown(answer, terminal.paint));
        }),
      ),
    );
}

/** Undefined where nothing is to be set. */
async function wishedGate(options: Options): Promise<NewPullGate | undefined> {
  const { requireVerdict, maxSeverity, allowUnfixed, requireSignature, trustedKey } = options;
  const isAsked = [requireVerdict, maxSeverity, allowUnfixed, requireSignature, trustedKey].some(
    (option) => option !== undefined,
  );
  if (options.off === true && isAsked)
    throw new Failure("usage", "Cannot set the gate: --off goes with no other option");
  if (!isAsked) return undefined;
  return {
    requireVerdict: requireVerdict ?? false,
    allowUnfixed: allowUnfixed ?? false,
    requireSignature: requireSignature ?? trustedKey !== undefined,
    trustedKeys: await Promise.all((trustedKey ?? []).map(readKey)),
    ...(maxSeverity === undefined ? {} : { maxSeverity }),
  };
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Failure("usage", `Cannot read the key "${path}": ${messageOf(error)}`, { cause: error });
  }
}

function shown({ project, gate }: ProjectGate, paint: Paint): string {
  if (gate === undefined) return `The project "${project}" gives out everything`;
  const keys = gate.trustedKeys.length === 0 ? "this server's release key" : `${gate.trustedKeys.length} trusted keys`;
  return pairLines(
    [
      ["verdict of gate.block", gate.requireVerdict ? "needed" : "not asked for"],
      ["worst severity", gate.maxSeverity ?? "no bound"],
      ["findings without a fix", gate.allowUnfixed ? "pass" : "count"],
      ["signature", gate.requireSignature ? `by ${keys}` : "not asked for"],
    ],
    paint,
  ).join("\n");
}
