import type { Command } from "commander";
import { Failure } from "../../base/errors.ts";
import type { Quota } from "../../client/api-types.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { tableLines } from "../output/table.ts";
import type { Paint } from "../output/terminal.ts";
import { withClient } from "../session.ts";

/** `mintmark quota list | show | set`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark quota list", "what each project stores, and may store"],
      ["mintmark quota set team 200GiB", "pushes beyond it are refused"],
    ),
  );
  defineShow(command, run);
  defineSet(command, run);
};

function defineShow(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list what each project stores and may store")
    .addHelpText("after", examples(["mintmark quota list --json", "as JSON, a project a line"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const all: Quota[] = [];
          for (let after: string | undefined; ;) {
            const page = await client.quotas({ limit: 1000, ...(after === undefined ? {} : { after }) });
            all.push(...page.quotas);
            if (page.next === undefined) break;
            after = page.next;
          }
          terminal.out(
            flags.json === true ? all.map((one) => JSON.stringify(one)).join("\n") : table(all, terminal.paint),
          );
        }),
      ),
    );
  command
    .command("show")
    .summary("show what a project stores and may store")
    .argument("<project>", "the first part of a repository's name")
    .addHelpText("after", examples(["mintmark quota show team", "its use and its quota"]))
    .action(
      run((context, [project]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const quota = await client.quota(project);
          const { terminal, flags } = context;
          terminal.out(flags.json === true ? JSON.stringify(quota) : table([quota], terminal.paint));
        }),
      ),
    );
}

function defineSet(command: Command, run: RunAction): void {
  command
    .command("set")
    .summary("set or lift the quota of a project")
    .argument("<project>", "the first part of a repository's name")
    .argument("<size>", "bytes, or such as 500MiB, 200GiB, 2TiB; none lifts the quota")
    .addHelpText("after", examples(["mintmark quota set team none", "no limit any more"]))
    .action(
      run((context, [project, size]: readonly [string, string]) =>
        withClient(context, async ({ client }) => {
          const quota = await client.setQuota(project, size === "none" ? undefined : bytesOf(size));
          const { terminal, flags } = context;
          terminal.out(flags.json === true ? JSON.stringify(quota) : table([quota], terminal.paint));
        }),
      ),
    );
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
};

function bytesOf(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,3})?)\s*([KMGT]i?B|B|)$/.exec(text);
  const bytes = match === null ? Number.NaN : Math.round(Number(match[1]) * units[match[2]!]!);
  if (!Number.isSafeInteger(bytes))
    throw new Failure("usage", `Cannot read the size "${text}"`, {
      hint: "Write such as 200GiB, or a number of bytes",
    });
  return bytes;
}

function table(quotas: readonly Quota[], paint: Paint): string {
  const rows = quotas.map(({ project, usedBytes, quotaBytes }) => [
    project,
    showBytes(usedBytes),
    quotaBytes === undefined ? "none" : showBytes(quotaBytes),
    quotaBytes === undefined || quotaBytes === 0 ? "" : `${Math.floor((usedBytes / quotaBytes) * 100)} %`,
  ]);
  return tableLines(["PROJECT", "USED", "QUOTA", ""], rows, paint).join("\n");
}
