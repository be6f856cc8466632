import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { sleep } from "../../base/clock.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import type {
  NewReplicationRule,
  ReplicationExecution,
  ReplicationRule,
  ReplicationTaskPage,
} from "../../client/api-types.ts";
import type { Client } from "../../client/client.ts";
import { type CommandContext, examples, type Define, type RunAction } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { cut } from "../output/table.ts";
import { withClient } from "../session.ts";

/** `mintmark replication list | set | start | log | tasks | retry | stop | enable | disable | remove`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      [
        "mintmark replication set site-b --to site-b --repository 'base/**' --on event",
        "push what changes below base/",
      ],
      ["mintmark replication start site-b", "now, and wait for the end"],
      ["mintmark replication tasks EXECUTION --state failed", "what is dead, and why"],
    ),
  );
  defineList(command, run);
  defineSet(command, run);
  defineStart(command, run);
  defineLog(command, run);
  defineTasks(command, run);
  defineSmall(command, run);
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list the rules by which images travel")
    .addHelpText("after", examples(["mintmark replication list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.replicationRules();
          const rows = list.rules.map((rule) => [
            rule.name,
            rule.isEnabled ? "on" : "off",
            `${rule.direction === "push" ? "to" : "from"} ${rule.peer}`,
            rule.repositories.join(", "),
            rule.trigger.kind === "schedule" ? rule.trigger.cron : rule.trigger.kind,
          ]);
          printAnswer(context, list, tableOf(context, ["NAME", "STATE", "PEER", "REPOSITORIES", "STARTED BY"], rows));
        }),
      ),
    );
}

interface SetOptions {
  readonly to?: string;
  readonly from?: string;
  readonly repository: string[];
  readonly tag?: string[];
  readonly label?: string[];
  readonly on?: "event";
  readonly cron?: string;
  readonly namespace?: string;
  readonly replace?: string;
  readonly signed?: boolean;
  readonly keyFile?: string[];
  readonly deletion?: boolean;
  /** False with `--no-override`. */
  readonly override: boolean;
  readonly limit?: string;
  readonly disabled?: boolean;
}

function defineSet(command: Command, run: RunAction): void {
  command
    .command("set")
    .summary("add a rule, or change the one of its name")
    .argument("<name>", "lower-case letters, digits, dots, dashes")
    .option("--to <peer>", "push to this peer")
    .option("--from <peer>", "pull from this peer")
    .requiredOption("--repository <pattern...>", "names at the source, or patterns such as 'base/**'")
    .option("--tag <pattern...>", "only these tags, such as 'v*'")
    .option("--label <name...>", "only images that carry all of these labels; for rules that push")
    .addOption(new Option("--on <trigger>", "start by itself when something changes here").choices(["event"]))
    .option("--cron <expression>", "start by a schedule in UTC, such as '0 3 * * *'")
    .option("--namespace <name>", "what stands before the name at the destination")
    .option("--replace <count>", "how many leading parts of the name the namespace replaces; default 1")
    .option("--signed", "only images that have a signature")
    .option("--key-file <path...>", "only images that one of these public keys signed")
    .option("--deletion", "tags that are gone at the source go at the destination too")
    .option("--no-override", "leave tags that point elsewhere at the destination")
    .option("--limit <kilobytes>", "kilobytes a second, all transfers of the rule together")
    .option("--disabled", "do not start it yet")
    .addHelpText(
      "after",
      examples([
        "mintmark replication set hub --from hub --repository library/debian --tag '12*' --cron '0 3 * * *'",
        "every night",
      ]),
    )
    .action(
      run((context, [name]: readonly [string], options: SetOptions) =>
        withClient(context, async ({ client }) => {
          const rule = await client.setReplicationRule(await ruleOf(name, options));
          printAnswer(context, rule, [
            `${rule.name} ${rule.direction === "push" ? "pushes to" : "pulls from"} ${rule.peer}`,
          ]);
        }),
      ),
    );
}

async function ruleOf(name: string, options: SetOptions): Promise<NewReplicationRule> {
  const { to, from, repository, tag, cron, namespace, signed, keyFile } = options;
  if ((to === undefined) === (from === undefined))
    throw new Failure("usage", `Cannot set the rule "${name}": give either --to or --from`);
  if (cron !== undefined && options.on !== undefined)
    throw new Failure("usage", `Cannot set the rule "${name}": give either --on or --cron`);
  const keys = await Promise.all((keyFile ?? []).map(readKey));
  return {
    name,
    peer: to ?? from ?? "",
    direction: to === undefined ? "pull" : "push",
    isEnabled: options.disabled !== true,
    repositories: repository,
    tags: tag ?? [],
    labels: options.label ?? [],
    signed: keys.length > 0 ? "key" : signed === true ? "present" : "any",
    keys,
    ...(namespace === undefined ? {} : { namespace }),
    ...(options.replace === undefined ? {} : { replaceCount: countOf(options.replace) }),
    trigger: cron !== undefined ? { kind: "schedule", cron } : { kind: options.on ?? "manual" },
    deletion: options.deletion === true,
    override: options.override,
    ...(options.limit === undefined ? {} : { bytesPerSecond: countOf(options.limit) * 1000 }),
  };
}

async function readKey(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: unknown) => {
    throw new Failure("not_found", `Cannot read the key "${path}": ${messageOf(error)}`);
  });
}

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new Failure("usage", `Cannot use "${text}": it is not a whole number`);
}

/** How often a running execution is looked at. */
const lookMs = 300;

function defineStart(command: Command, run: RunAction): void {
  command
    .command("start")
    .summary("start a rule now and wait for its end")
    .argument("<rule>", "its name")
    .option("--no-wait", "only start it")
    .addHelpText("after", examples(["mintmark replication start site-b", "exit code 1 where an image did not arrive"]))
    .action(
      run((context, [name]: readonly [string], { wait }: { readonly wait: boolean }) =>
        withClient(context, async ({ client }) => {
          const { execution: id } = await client.startReplication(name);
          if (!wait) return printAnswer(context, { execution: id }, [id]);
          return await showEnd(context, client, await waitFor(context, client, id));
        }),
      ),
    );
}

async function waitFor(context: CommandContext, client: Client, id: string): Promise<ReplicationExecution> {
  for (;;) {
    const execution = await client.replication(id);
    if (execution.state !== "running" || context.stopped.aborted) return execution;
    await sleep(lookMs, context.stopped);
  }
}

async function showEnd(context: CommandContext, client: Client, execution: ReplicationExecution): Promise<number> {
  const { tasks } = await client.replicationTasks(execution.id);
  const sum = tasks.reduce((bytes, task) => bytes + task.sentBytes, 0);
  const { counts, total, problem, state } = execution;
  const failed = counts.failed === 0 ? "" : `, ${counts.failed} dead`;
  const summary = `${state}: ${counts.succeeded} of ${total} images${failed}; ${showBytes(sum)} sent`;
  const reason = problem === undefined ? [] : [cut(problem, 500)];
  printAnswer(context, { ...execution, tasks }, [...taskTable(context, tasks), summary, ...reason]);
  return state === "succeeded" ? 0 : 1;
}

function taskTable(context: CommandContext, tasks: ReplicationTaskPage["tasks"]): readonly string[] {
  if (tasks.length === 0) return [];
  const rows = tasks.map((task) => [
    task.id,
    `${task.source}:${task.tag}`,
    `${task.destination}:${task.tag}`,
    task.outcome ?? task.state,
    showBytes(task.sentBytes),
    cut(task.failure?.message ?? task.note ?? "", 200),
  ]);
  return tableOf(context, ["TASK", "FROM", "TO", "STATE", "SENT", "REASON"], rows);
}

function defineLog(command: Command, run: RunAction): void {
  command
    .command("log")
    .summary("list what the rules did, newest first")
    .argument("[rule]", "only one rule")
    .addHelpText("after", examples(["mintmark replication log site-b", "its last twenty starts"]))
    .action(
      run((context, [rule]: readonly [string?]) =>
        withClient(context, async ({ client }) => {
          const list = await client.replications(rule);
          const rows = list.executions.map(({ id, rule: name, trigger, state, startedAt, counts, total, problem }) => [
            id,
            name,
            trigger,
            startedAt,
            state,
            `${counts.succeeded}/${total}`,
            cut(problem ?? (counts.failed === 0 ? "" : `${counts.failed} dead`), 200),
          ]);
          printAnswer(
            context,
            list,
            tableOf(context, ["EXECUTION", "RULE", "BY", "STARTED", "STATE", "IMAGES", "NOTE"], rows),
          );
        }),
      ),
    );
}

function defineTasks(command: Command, run: RunAction): void {
  command
    .command("tasks")
    .summary("list the images that one start of a rule moves")
    .argument("<execution>", "its id in the log")
    .addOption(
      new Option("--state <state>", "only these").choices(["queued", "running", "succeeded", "failed", "cancelled"]),
    )
    .addHelpText("after", examples(["mintmark replication tasks EXECUTION --state failed", "what is dead, and why"]))
    .action(
      run((context, [execution]: readonly [string], { state }: { readonly state?: string }) =>
        withClient(context, async ({ client }) => {
          const tasks: ReplicationTaskPage["tasks"][number][] = [];
          for (let after: string | undefined = ""; after !== undefined;) {
            const page: ReplicationTaskPage = await client.replicationTasks(execution, {
              ...(state === undefined ? {} : { state }),
              ...(after === "" ? {} : { after }),
            });
            tasks.push(...page.tasks);
            after = page.next;
          }
          printAnswer(context, { tasks }, taskTable(context, tasks));
        }),
      ),
    );
}

function defineSmall(command: Command, run: RunAction): void {
  const small = (
    name: string,
    about: { readonly summary: string; readonly argument: string; readonly example: string },
    work: (client: Client, argument: string) => Promise<{ readonly answer: unknown; readonly line: string }>,
  ): void => {
    command
      .command(name)
      .summary(about.summary)
      .argument(`<${about.argument}>`, about.argument === "rule" ? "its name" : "its id")
      .addHelpText("after", examples([`mintmark replication ${name} ${about.example}`, about.summary]))
      .action(
        run((context, [argument]: readonly [string]) =>
          withClient(context, async ({ client }) => {
            const { answer, line } = await work(client, argument);
            printAnswer(context, answer, [line]);
          }),
        ),
      );
  };
  small("retry", { summary: "begin a dead task again", argument: "task", example: "TASK" }, async (client, task) => {
    const answer = await client.retryReplicationTask(task);
    return { answer, line: answer.revived ? "begun again" : "it is not dead" };
  });
  small(
    "stop",
    { summary: "stop what has not ended", argument: "execution", example: "EXECUTION" },
    async (client, id) => {
      const answer = await client.stopReplication(id);
      return { answer, line: `stopped ${answer.stopped}` };
    },
  );
  for (const isEnabled of [true, false]) {
    const name = isEnabled ? "enable" : "disable";
    const summary = isEnabled ? "switch a rule on" : "switch a rule off; what is queued is skipped";
    small(name, { summary, argument: "rule", example: "site-b" }, async (client, rule) => {
      const answer = await client.setReplicationRule({ ...(await findRule(client, rule)), isEnabled });
      return { answer, line: `${rule} is ${isEnabled ? "on" : "off"}` };
    });
  }
  small(
    "remove",
    { summary: "remove a rule with its history", argument: "rule", example: "site-b" },
    async (client, rule) => ({
      answer: await client.removeReplicationRule(rule),
      line: `removed ${rule}; what it copied stays`,
    }),
  );
}

async function findRule(client: Client, name: string): Promise<ReplicationRule> {
  const rule = (await client.replicationRules()).rules.find((one) => one.name === name);
  if (rule === undefined) throw new Failure("not_found", `Cannot find the replication rule "${name}"`);
  return rule;
}
