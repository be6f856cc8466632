import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { Failure } from "../../base/errors.ts";
import { examples, type CommandContext, type Define, type RunAction } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { withClient } from "../session.ts";

/** `mintmark account list | create | password | change | delete`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark account create anna --email anna@corp.example", "its password is made and printed once"],
      ["mintmark account password admin", "a new one for the administrator, where the old one is lost"],
    ),
  );
  defineList(command, run);
  defineCreate(command, run);
  definePassword(command, run);
  defineChange(command, run);
  defineDelete(command, run);
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list people")
    .addHelpText("after", examples(["mintmark account list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.accounts();
          const rows = list.accounts.map((one) => [
            one.name,
            one.disabled ? "disabled" : "active",
            one.isSystemAdmin ? "administrator" : "",
            one.origin,
            one.email ?? "",
            one.lastUsedAt ?? "never",
          ]);
          printAnswer(context, list, tableOf(context, ["NAME", "STATE", "SYSTEM", "FROM", "MAIL", "LAST USED"], rows));
        }),
      ),
    );
}

interface NewOptions {
  readonly email?: string;
  readonly admin?: boolean;
  readonly stdin?: boolean;
}

function defineCreate(command: Command, run: RunAction): void {
  command
    .command("create")
    .summary("make an account; a password is made and printed once")
    .argument("<name>", "lower-case letters, digits, dots, dashes, underscores and @")
    .option("--email <address>", "where the person gets mail")
    .option("--admin", "may administrate the whole system")
    .option("--stdin", "take the password from standard input")
    .addHelpText("after", examples(["mintmark account create anna --admin", "another administrator"]))
    .action(
      run((context, [name]: readonly [string], { email, admin = false, stdin = false }: NewOptions) =>
        withClient(context, async ({ client }) => {
          const made = await client.createAccount({
            name,
            isSystemAdmin: admin,
            ...(email === undefined ? {} : { email }),
            ...(stdin ? { password: await readPassword() } : {}),
          });
          printPassword(context, made, `made ${name}`);
        }),
      ),
    );
}

function definePassword(command: Command, run: RunAction): void {
  command
    .command("password")
    .summary("set a password; one is made and printed once")
    .argument("<name>", "the account")
    .option("--stdin", "take the password from standard input")
    .addHelpText(
      "after",
      examples(
        ["mintmark account password admin", "works on the data folder too, where no server runs"],
        ["mintmark account password anna --stdin < password.txt", "of your choice, at least 10 characters"],
      ),
    )
    .action(
      run((context, [name]: readonly [string], { stdin = false }: { readonly stdin?: boolean }) =>
        withClient(context, async ({ client }) => {
          const password = stdin ? await readPassword() : undefined;
          printPassword(context, await client.setPassword(name, password), `${name} has a new password`);
        }),
      ),
    );
}

interface ChangeOptions {
  readonly email?: string;
  readonly admin?: "on" | "off";
  readonly disable?: boolean;
  readonly enable?: boolean;
}

function defineChange(command: Command, run: RunAction): void {
  command
    .command("change")
    .summary("change address, administration or state")
    .argument("<name>", "the account")
    .option("--email <address>", "where the person gets mail; empty for nowhere")
    .option("--admin <on|off>", "whether it may administrate the whole system")
    .option("--disable", "refuse it from now on, its tokens too")
    .option("--enable", "let it in again")
    .addHelpText("after", examples(["mintmark account change anna --disable", "she left"]))
    .action(
      run((context, [name]: readonly [string], options: ChangeOptions) =>
        withClient(context, async ({ client }) => {
          const { email, admin, disable, enable } = options;
          if (admin !== undefined && !["on", "off"].includes(admin))
            throw new Failure("usage", `Cannot read --admin "${String(admin)}": it is neither on nor off`);
          const changed = await client.changeAccount(name, {
            ...(email === undefined ? {} : { email }),
            ...(admin === undefined ? {} : { isSystemAdmin: admin === "on" }),
            ...(disable === true ? { disabled: true } : enable === true ? { disabled: false } : {}),
          });
          printAnswer(context, changed, [`${name} is ${changed.disabled ? "disabled" : "active"}`]);
        }),
      ),
    );
}

function defineDelete(command: Command, run: RunAction): void {
  command
    .command("delete")
    .summary("remove an account with its roles and tokens")
    .argument("<name>", "the account")
    .addHelpText("after", examples(["mintmark account delete anna", "her name is free again"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { removed } = await client.deleteAccount(name);
          if (!removed) throw new Failure("not_found", `Cannot find the account "${name}"`);
          printAnswer(context, { removed }, [`removed ${name}`]);
        }),
      ),
    );
}

/** Only a made password goes to standard output. */
function printPassword(
  context: CommandContext,
  answer: { readonly password?: string | undefined },
  line: string,
): void {
  if (context.flags.json === true) return context.terminal.out(JSON.stringify(answer, null, 2));
  if (answer.password !== undefined) context.terminal.out(answer.password);
  context.terminal.err(`${line}${answer.password === undefined ? "" : "; it is shown once"}\n`);
}

/** Passwords never stand on a command line: others can read those. */
async function readPassword(): Promise<string> {
  return (await text(process.stdin)).replace(/\r?\n$/, "");
}
