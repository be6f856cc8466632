import { resolve } from "node:path";
import type { Command } from "commander";
import type { Detection } from "../../client/api-types.ts";
import { withCredentials } from "../address-credentials.ts";
import { type CommandContext, examples, type RunAction } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { withClient } from "../session.ts";

interface DetectOptions {
  readonly apply?: boolean;
  readonly takeOver?: boolean;
  readonly folder?: string;
  readonly server?: string;
  readonly credentialsFile?: string;
}

/** `mintmark mirror detect [--apply]`. */
export function defineMirrorDetect(command: Command, run: RunAction): void {
  command
    .command("detect")
    .summary("find what this machine's package clients use today")
    .option("--apply", "make the repositories that are proposed")
    .option("--take-over", "also those that a Nexus or Artifactory lists, under their own names")
    .option("--server <url>", "the root of a Nexus or Artifactory whose repositories are taken over too")
    .option("--credentials-file <path>", "a file with user:password, or :token, for it; - is standard input")
    .option("--folder <path>", "a project whose files count before the user's")
    .addHelpText(
      "after",
      examples(
        ["mintmark mirror detect", "reads settings and asks the clients; changes nothing"],
        ["mintmark mirror detect --apply", "makes the repositories; what is there stays as it is"],
        ["mintmark mirror detect --server https://nexus.example/", "lists what a Nexus or Artifactory has"],
      ),
    )
    .action(
      run((context, _args: readonly [], options: DetectOptions) =>
        withClient(context, async ({ client }) => {
          const { apply = false, takeOver = false, folder, server, credentialsFile } = options;
          const found = await client.detectMirrors({
            isApplied: apply,
            takesOver: takeOver || server !== undefined,
            ...(folder === undefined ? {} : { folder: resolve(folder) }),
            ...(server === undefined ? {} : { server: await withCredentials(server, credentialsFile) }),
          });
          const wished = { isApplied: apply, isTaken: takeOver || server !== undefined };
          printAnswer(context, found, detectionLines(context, found, wished));
          return found.applied.some(({ state }) => state === "failed") ? 1 : 0;
        }),
      ),
    );
}

interface Wished {
  readonly isApplied: boolean;
  /** Whether the repositories of servers are proposed. */
  readonly isTaken: boolean;
}

function detectionLines(context: CommandContext, found: Detection, { isApplied, isTaken }: Wished): string[] {
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
        : `${product} at ${address}: lists ${repositories.length === 1 ? "1 repository" : `${repositories.length} repositories`}${isTaken ? "" : "; --take-over proposes them too"}`,
    ),
    ...found.problems.map(({ client, problem }) => `${client}: ${problem}`),
    "",
    ...tableOf(context, ["REPOSITORY", "FORMAT", "UPSTREAM", isApplied ? "STATE" : "NOTE"], proposals),
    ...(isApplied ? [] : ["", "`mintmark mirror detect --apply` makes these repositories"]),
  ];
}
