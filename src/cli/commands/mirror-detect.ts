import { resolve } from "node:path";
import type { Command } from "commander";
import type { Detection } from "../../client/api-types.ts";
import { type CommandContext, examples, type RunAction } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { withClient } from "../session.ts";

interface DetectOptions {
  readonly apply?: boolean;
  readonly takeOver?: boolean;
  readonly folder?: string;
}

/** `mintmark mirror detect [--apply]`. */
export function defineMirrorDetect(command: Command, run: RunAction): void {
  command
    .command("detect")
    .summary("find what this machine's package clients use today")
    .option("--apply", "make the repositories that are proposed")
    .option("--take-over", "also those that a Nexus or Artifactory lists, under their own names")
    .option("--folder <path>", "a project whose files count before the user's")
    .addHelpText(
      "after",
      examples(
        ["mintmark mirror detect", "reads settings and asks the clients; changes nothing"],
        ["mintmark mirror detect --apply", "makes the repositories; what is there stays as it is"],
      ),
    )
    .action(
      run((context, _args: readonly [], { apply = false, takeOver = false, folder }: DetectOptions) =>
        withClient(context, async ({ client }) => {
          const found = await client.detectMirrors({
            isApplied: apply,
            takesOver: takeOver,
            ...(folder === undefined ? {} : { folder: resolve(folder) }),
          });
          printAnswer(context, found, detectionLines(context, found, apply));
          return found.applied.some(({ state }) => state === "failed") ? 1 : 0;
        }),
      ),
    );
}

function detectionLines(context: CommandContext, found: Detection, isApplied: boolean): string[] {
  const sources = found.sources.map(({ client, name, url, from, credentials, product, note }) => [
    name === "" ? client : `${client} (${name})`,
    url ?? "unknown",
    credentials === "present" ? "present" : "none",
    [from, product, note].filter((part) => part !== undefined).join("; "),
  ]);
  const applied = new Map(found.applied.map((one) => [one.name, one]));
  const proposals = found.proposals.map(({ name, format, url, note }) => {
    const outcome = applied.get(name);
    return [
      name,
      format,
      url ?? "",
      outcome === undefined
        ? (note ?? "")
        : `${outcome.state}${outcome.reason === undefined ? "" : `: ${outcome.reason}`}`,
    ];
  });
  return [
    ...tableOf(context, ["CLIENT", "TAKES PACKAGES FROM", "CREDENTIALS", "SAYS"], sources),
    ...found.servers.map(({ product, address, repositories, problem }) =>
      repositories === undefined
        ? `${product} at ${address}: does not list its repositories${problem === undefined ? "" : ` (${problem})`}`
        : `${product} at ${address}: lists ${repositories.length} repositories; --take-over proposes them too`,
    ),
    ...found.problems.map(({ client, problem }) => `${client}: ${problem}`),
    "",
    ...tableOf(context, ["REPOSITORY", "FORMAT", "UPSTREAM", isApplied ? "STATE" : "NOTE"], proposals),
    ...(isApplied ? [] : ["", "`mintmark mirror detect --apply` makes these repositories"]),
  ];
}
