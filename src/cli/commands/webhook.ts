import { readFile } from "node:fs/promises";
import { Option, type Command } from "commander";
import { Failure, messageOf } from "../../base/errors.ts";
import type { Webhook, WebhookDeliveryList } from "../../client/api-types.ts";
import type { Client } from "../../client/client.ts";
import { type CommandContext, examples, type Define, type RunAction } from "../command.ts";
import { cut, tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

interface NewOptions {
  readonly project?: string;
  readonly to: string[];
  readonly format: "cloudevents" | "slack";
  readonly event: string[];
  readonly repository?: string[];
  readonly tag?: string[];
  readonly authorizationFile?: string;
}

/** `mintmark webhook list | create | test | deliveries | redeliver | enable | disable | delete`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark webhook create ci --project team --to https://ci.example/hook --event image.pushed", "tell of pushes"],
      ["mintmark webhook deliveries ci --project team --state dead", "what was given up, and why"],
    ),
  );
  defineList(command, run);
  defineCreate(command, run);
  defineDeliveries(command, run);
  for (const [name, summary, work] of actions)
    named(command.command(name).summary(summary))
      .addHelpText("after", examples([`mintmark webhook ${name} ci --project team`, summary]))
      .action(
        run((context, [webhook]: readonly [string], options: { readonly project?: string }) =>
          withClient(context, async ({ client }) => await work(context, client, await find(client, webhook, options))),
        ),
      );
  named(command.command("redeliver").summary("send a message again now"))
    .argument("<delivery>", "its id in the list of deliveries")
    .addHelpText("after", examples(["mintmark webhook redeliver ci ID --project team", "whatever became of it"]))
    .action(
      run((context, [name, delivery]: readonly [string, string], options: { readonly project?: string }) =>
        withClient(context, async ({ client }) => {
          const webhook = await find(client, name, options);
          return showDeliveries(context, await client.redeliverWebhook(webhook.id, delivery));
        }),
      ),
    );
};

type Action = (context: CommandContext, client: Client, webhook: Webhook) => Promise<number | void>;

const actions: readonly (readonly [name: string, summary: string, work: Action])[] = [
  [
    "test",
    "send a made-up event to each target now",
    async (context, client, { id }) => {
      const list = await client.testWebhook(id);
      showDeliveries(context, list);
      return list.deliveries.every(({ state }) => state === "delivered") ? 0 : 1;
    },
  ],
  [
    "enable",
    "switch a webhook on",
    async (context, client, { id }) => tell(context, "enabled", await client.switchWebhook(id, true)),
  ],
  [
    "disable",
    "switch a webhook off; what waits stays",
    async (context, client, { id }) => tell(context, "disabled", await client.switchWebhook(id, false)),
  ],
  [
    "delete",
    "delete a webhook with its messages",
    async (context, client, { id }) => tell(context, "deleted", await client.deleteWebhook(id)),
  ],
];

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list webhooks")
    .option("--project <project>", "only those of a project")
    .addHelpText("after", examples(["mintmark webhook list --json", "as JSON"]))
    .action(
      run((context, _args, { project }: { readonly project?: string }) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const list = await client.webhooks(project);
          if (flags.json === true) return terminal.out(JSON.stringify(list, null, 2));
          const rows = list.webhooks.map((webhook) => [
            webhook.name,
            webhook.project ?? "(all)",
            webhook.enabled ? "on" : "off",
            webhook.targets.map(({ address, format }) => `${format} ${address}`).join(", "),
            webhook.events.join(","),
          ]);
          terminal.out(tableLines(["NAME", "PROJECT", "STATE", "TARGETS", "EVENTS"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
}

function defineCreate(command: Command, run: RunAction): void {
  named(command.command("create"))
    .summary("make a webhook; the secrets that sign its messages are printed once")
    .requiredOption("--to <url...>", "where messages are posted to")
    .addOption(
      new Option("--format <format>", "what they look like").choices(["cloudevents", "slack"]).default("cloudevents"),
    )
    .requiredOption("--event <event...>", "actions such as image.pushed, or Harbor's names; pulls only where named")
    .option("--repository <pattern...>", "only these repositories, such as 'team/**'")
    .option("--tag <pattern...>", "only these tags, such as 'v*'")
    .option("--authorization-file <path>", "a file with the value of the Authorization header")
    .addHelpText(
      "after",
      examples([
        "mintmark webhook create chat --to https://chat.example/services/T/B/x --format slack --event scan.failed pull.refused",
        "for all projects",
      ]),
    )
    .action(
      run((context, [name]: readonly [string], options: NewOptions) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const { project, to, format, event, repository = [], tag = [], authorizationFile } = options;
          const authorization = authorizationFile === undefined ? undefined : await readHeader(authorizationFile);
          const target = { format, ...(authorization === undefined ? {} : { authorization }) };
          const created = await client.createWebhook({
            name,
            ...(project === undefined ? {} : { project }),
            events: event,
            repositories: repository,
            tags: tag,
            enabled: true,
            targets: to.map((url) => ({ url, ...target })),
          });
          if (flags.json === true) return terminal.out(JSON.stringify(created, null, 2));
          terminal.out(created.secrets.join("\n"));
          terminal.err(`Messages of "${name}" are signed with this secret, which is shown once\n`);
        }),
      ),
    );
}

function defineDeliveries(command: Command, run: RunAction): void {
  named(command.command("deliveries"))
    .summary("list the messages of a webhook, newest first")
    .addOption(new Option("--state <state>", "only messages in a state").choices(["pending", "delivered", "dead"]))
    .option("--limit <count>", "at most as many", "50")
    .addHelpText("after", examples(["mintmark webhook deliveries ci --state dead --json", "with bodies and answers"]))
    .action(
      run((context, [name]: readonly [string], options: { project?: string; state?: string; limit: string }) =>
        withClient(context, async ({ client }) => {
          const { id } = await find(client, name, options);
          const { state, limit } = options;
          const filter = { limit: Number(limit), ...(state === undefined ? {} : { state }) };
          showDeliveries(context, await client.webhookDeliveries(id, filter));
        }),
      ),
    );
}

function named(command: Command): Command {
  return command
    .argument("<name>", "the webhook")
    .option("--project <project>", "the project it belongs to; without it, one for all projects");
}

async function find(client: Client, name: string, { project }: { readonly project?: string }): Promise<Webhook> {
  const { webhooks } = await client.webhooks(project);
  const webhook = webhooks.find((one) => one.name === name && one.project === project);
  if (webhook === undefined)
    throw new Failure(
      "not_found",
      `Cannot find the webhook "${name}"${project === undefined ? "" : ` in "${project}"`}`,
      {
        hint: "`mintmark webhook list` shows them with their projects",
      },
    );
  return webhook;
}

async function readHeader(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new Failure("usage", `Cannot read the file "${path}": ${messageOf(error)}`, { cause: error });
  });
  return text.trim();
}

function tell({ terminal, flags }: CommandContext, done: string, webhook: Webhook): void {
  terminal.out(flags.json === true ? JSON.stringify(webhook, null, 2) : `${done} ${webhook.name}`);
}

function showDeliveries({ terminal, flags }: CommandContext, list: WebhookDeliveryList): void {
  if (flags.json === true) return terminal.out(JSON.stringify(list, null, 2));
  const rows = list.deliveries.map(({ id, createdAt, action, subject, state, attempt, status, durationMs, answer }) => [
    id,
    createdAt,
    action,
    cut(subject, 60),
    state,
    `${attempt}×`,
    status === undefined ? "-" : String(status),
    durationMs === undefined ? "-" : `${durationMs} ms`,
    cut(answer ?? "", 60),
  ]);
  const titles = ["ID", "MADE", "EVENT", "SUBJECT", "STATE", "TRIED", "STATUS", "TOOK", "ANSWER"];
  terminal.out(tableLines(titles, rows, terminal.paint).join("\n"));
}
