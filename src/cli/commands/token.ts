import { Option, type Command } from "commander";
import { projectActions, type ProjectAction } from "../../model/permission.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import { endOf } from "../end-instant.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { withClient } from "../session.ts";

interface NewOptions {
  readonly account: string;
  readonly label: string;
  readonly project?: readonly string[];
  readonly action?: readonly ProjectAction[];
  readonly administrates?: boolean;
  readonly until: string;
}

/** `mintmark token list | create | revoke`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark token create --account anna --label laptop --until 30d --action pull", "its secret is printed once"],
      ["mintmark token list --account anna", "what there is"],
    ),
  );
  defineCreate(command, run);
  defineList(command, run);
};

function defineCreate(command: Command, run: RunAction): void {
  command
    .command("create")
    .summary("make a personal token; its secret is printed once")
    .requiredOption("--until <when>", "a date such as 2026-12-31, or a span such as 30d; at most two years")
    .option("--account <name>", "whose it is", "admin")
    .option("--label <text>", "what it is for", "made on the command line")
    .option("--project <name...>", "only in these projects")
    .addOption(new Option("--action <action...>", "only this").choices(projectActions))
    .option("--administrates", "carries the right to administrate the whole system")
    .addHelpText(
      "after",
      examples(["mintmark token create --account anna --project team --action pull --until 30d", "pulls from team"]),
    )
    .action(
      run((context, _args: readonly [], options: NewOptions) =>
        withClient(context, async ({ client }) => {
          const { account, label, project = [], action = [], administrates = false } = options;
          const expiresAt = endOf(options.until);
          const made = await client.createToken({
            account,
            label,
            projects: project,
            actions: action,
            administrates,
            expiresAt,
          });
          if (context.flags.json === true) return context.terminal.out(JSON.stringify(made, null, 2));
          context.terminal.out(made.secret);
          context.terminal.err(`This token of "${account}" is shown once; it ends ${expiresAt}\n`);
        }),
      ),
    );
}

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list personal tokens")
    .option("--account <name>", "only of this account")
    .addHelpText("after", examples(["mintmark token list --json", "as JSON"]))
    .action(
      run((context, _args: readonly [], { account }: { readonly account?: string }) =>
        withClient(context, async ({ client }) => {
          const list = await client.tokens(account);
          const rows = list.tokens.map((one) => [
            one.id,
            one.account,
            one.label,
            one.administrates ? "administrate" : one.actions.join(" ") || "all that its owner may",
            one.projects.join(" ") || "everywhere",
            one.expiresAt,
            one.lastUsedAt ?? "never",
          ]);
          const titles = ["ID", "ACCOUNT", "LABEL", "MAY", "IN", "UNTIL", "LAST USED"];
          printAnswer(context, list, tableOf(context, titles, rows));
        }),
      ),
    );
  command
    .command("revoke")
    .summary("end a token at once")
    .argument("<id>", "as `mintmark token list` shows it")
    .addHelpText("after", examples(["mintmark token revoke AbCdEf0123456789", "from now on"]))
    .action(
      run((context, [id]: readonly [string]) =>
        withClient(context, async ({ client }) =>
          printAnswer(context, await client.revokeToken(id), [`revoked ${id}`]),
        ),
      ),
    );
}
