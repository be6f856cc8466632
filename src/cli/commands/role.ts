import { Option } from "commander";
import { Failure } from "../../base/errors.ts";
import { projectActions, type ProjectAction } from "../../model/permission.ts";
import { examples, type Define } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { withClient } from "../session.ts";

interface NewOptions {
  readonly action: readonly ProjectAction[];
  readonly description?: string;
}

/** `mintmark role list | create | delete`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark role list", "built-in and custom roles"],
      ["mintmark role create auditor --action list audit", "who only looks"],
    ),
  );
  command
    .command("list")
    .summary("list roles with what they allow")
    .addHelpText("after", examples(["mintmark role list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.roles();
          const rows = list.roles.map((one) => [
            one.name,
            one.isBuiltIn ? "built in" : "custom",
            one.actions.join(" "),
          ]);
          printAnswer(context, list, tableOf(context, ["NAME", "KIND", "MAY"], rows));
        }),
      ),
    );
  command
    .command("create")
    .summary("make a role")
    .argument("<role>", "its name")
    .addOption(new Option("--action <action...>", "what it allows").choices(projectActions).makeOptionMandatory())
    .option("--description <text>", "what it is for")
    .addHelpText("after", examples(["mintmark role create auditor --action list audit", "who only looks"]))
    .action(
      run((context, [name]: readonly [string], { action, description = "" }: NewOptions) =>
        withClient(context, async ({ client }) => {
          const made = await client.createRole({ name, actions: action, description });
          printAnswer(context, made, [`made ${name}: ${made.actions.join(" ")}`]);
        }),
      ),
    );
  command
    .command("delete")
    .summary("remove a role that nobody has")
    .argument("<role>", "its name")
    .addHelpText("after", examples(["mintmark role delete auditor", "where no member has it"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { removed } = await client.deleteRole(name);
          if (!removed) throw new Failure("not_found", `Cannot find the custom role "${name}"`);
          printAnswer(context, { removed }, [`removed ${name}`]);
        }),
      ),
    );
};
