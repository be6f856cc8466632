import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { sleep } from "../../base/clock.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import type { RetentionRun } from "../../client/api-types.ts";
import type { Client } from "../../client/client.ts";
import { type CommandContext, examples, type Define, type RunAction } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { cut, tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

/** `mintmark retention show | set | remove | run | history`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark retention set team --file retention.yaml", "which tags of a project are kept"],
      ["mintmark retention run team --dry-run", "what would happen to every tag, and why"],
    ),
  );
  definePolicy(command, run);
  defineSet(command, run);
  defineRun(command, run);
  defineHistory(command, run);
};

const projectAbout = "the first part of a repository's name";

function definePolicy(command: Command, run: RunAction): void {
  command
    .command("show")
    .summary("print the retention policy of a project")
    .argument("<project>", projectAbout)
    .addHelpText("after", examples(["mintmark retention show team > retention.yaml", "as it was set"]))
    .action(
      run((context, [project]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const { policy } = await client.retention(project);
          if (flags.json === true) return terminal.out(JSON.stringify({ project, policy }, null, 2));
          if (policy === undefined) return terminal.err(`"${project}" has no retention policy: everything is kept\n`);
          terminal.out(policy.text.trimEnd());
          terminal.err(`set by ${policy.setBy} on ${policy.setAt}\n`);
        }),
      ),
    );
  command
    .command("remove")
    .summary("take the retention policy of a project away: everything is kept")
    .argument("<project>", projectAbout)
    .addHelpText("after", examples(["mintmark retention remove team", "nothing is dropped any more"]))
    .action(
      run((context, [project]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const answer = await client.removeRetention(project);
          const text = answer.removed ? `"${project}" keeps everything` : `"${project}" had no retention policy`;
          context.terminal.out(context.flags.json === true ? JSON.stringify(answer) : text);
        }),
      ),
    );
}

function defineSet(command: Command, run: RunAction): void {
  command
    .command("set")
    .summary("set the retention policy of a project")
    .argument("<project>", projectAbout)
    .requiredOption("--file <file>", "YAML with the keys schedule and retention; - reads standard input")
    .addHelpText("after", examples(["mintmark retention set team --file retention.yaml", "then look at a dry run"]))
    .action(
      run((context, [project]: readonly [string], { file }: { readonly file: string }) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const answer = await client.setRetention(project, await readPolicy(file));
          if (flags.json === true) return terminal.out(JSON.stringify(answer, null, 2));
          const { schedule, ruleCount } = answer.policy ?? { ruleCount: 0 };
          const when = schedule === undefined ? "by hand alone" : `at "${schedule}" in UTC`;
          terminal.out(`"${project}" keeps what its ${ruleCount} rules say; runs ${when}`);
          terminal.err(`see what it drops: mintmark retention run ${project} --dry-run\n`);
        }),
      ),
    );
}

async function readPolicy(file: string): Promise<string> {
  try {
    return await readFile(file === "-" ? "/dev/stdin" : file, "utf8");
  } catch (error) {
    throw new Failure("usage", `Cannot read the policy "${file}": ${messageOf(error)}`, { cause: error });
  }
}

interface RunOptions {
  readonly dryRun?: boolean;
  readonly dropped?: boolean;
}

function defineRun(command: Command, run: RunAction): void {
  command
    .command("run")
    .summary("drop what the policy does not keep, or see what that would be")
    .argument("<project>", projectAbout)
    .option("--dry-run", "decide about every tag, change nothing")
    .option("--dropped", "show only what is dropped")
    .addHelpText(
      "after",
      examples(
        ["mintmark retention run team --dry-run", "every tag with the reason, and bytes that would be free"],
        ["mintmark retention run team --dropped", "do it, and show what went"],
      ),
    )
    .action(
      run((context, [project]: readonly [string], options: RunOptions) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const started = await client.startRetention(project, options.dryRun === true);
          const ended = await untilEnded(context, client, started);
          const decision = options.dropped === true ? ({ decision: "dropped" } as const) : {};
          if (flags.json === true) terminal.out(JSON.stringify(ended));
          for (let after: number | undefined, isFirst = true; ; isFirst = false) {
            const place = after === undefined ? {} : { after };
            const page = await client.retentionOutcomes(project, ended.id, { limit: 1000, ...decision, ...place });
            const rows = page.outcomes.map((one) => [
              one.decision,
              `${one.repository}${one.tag === undefined ? `@${one.digest.slice(0, 19)}` : `:${one.tag}`}`,
              one.freedBytes === 0 ? "" : showBytes(one.freedBytes),
              one.reason,
            ]);
            if (flags.json === true) for (const one of page.outcomes) terminal.out(JSON.stringify(one));
            else if (rows.length > 0)
              terminal.out(
                tableLines(["", "TAG", "FREES", "WHY"], rows, terminal.paint)
                  .slice(isFirst ? 0 : 1)
                  .join("\n"),
              );
            if (page.next === undefined) break;
            after = page.next;
          }
          if (flags.json !== true) terminal.err(`${sumLine(ended)}\n`);
        }),
      ),
    );
}

/** How often is asked whether a run has ended. */
const askEveryMs = 250;

async function untilEnded({ stopped }: CommandContext, client: Client, started: RetentionRun): Promise<RetentionRun> {
  for (let run = started; ; run = await client.retentionRun(run.project, run.id)) {
    if (run.state === "succeeded") return run;
    if (run.state === "failed") throw new Failure("conflict", run.failure ?? "The retention run failed");
    if (stopped.aborted)
      throw new Failure("cancelled", "Stopped waiting for the retention run: it goes on", {
        hint: `See how it ends with \`mintmark retention history ${run.project}\``,
      });
    await sleep(askEveryMs, stopped);
  }
}

function sumLine({ dryRun, keptCount, droppedCount, freedBytes }: RetentionRun): string {
  return dryRun
    ? `${keptCount} tags would be kept, ${droppedCount} dropped; that would free ${showBytes(freedBytes)}`
    : `${keptCount} tags were kept, ${droppedCount} dropped: ${showBytes(freedBytes)} are free once the trash is emptied`;
}

function defineHistory(command: Command, run: RunAction): void {
  command
    .command("history")
    .summary("list the runs of a project's retention, newest first")
    .argument("<project>", projectAbout)
    .addHelpText("after", examples(["mintmark retention history team --json", "as JSON"]))
    .action(
      run((context, [project]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const page = await client.retentionRuns(project, { limit: 200 });
          if (flags.json === true) return terminal.out(JSON.stringify(page, null, 2));
          const rows = page.runs.map((one) => [
            one.createdAt,
            one.dryRun ? "dry run" : "run",
            one.state,
            String(one.keptCount),
            String(one.droppedCount),
            showBytes(one.freedBytes),
            one.actor,
            cut(one.failure ?? "", 60),
          ]);
          terminal.out(
            tableLines(["AT", "", "STATE", "KEPT", "DROPPED", "FREES", "WHO", ""], rows, terminal.paint).join("\n"),
          );
        }),
      ),
    );
}
