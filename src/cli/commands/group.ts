import type { Command } from "commander";
import { Failure } from "../../base/errors.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { withClient } from "../session.ts";

/** `mintmark group list | create | add | remove | delete`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark group create platform", "people who have roles together"],
      ["mintmark group create 'Platform Team' --external", "its members come with each sign-in through LDAP or OIDC"],
    ),
  );
  defineList(command, run);
  defineCreate(command, run);
  defineMoves(command, run);
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list groups with their members")
    .addHelpText("after", examples(["mintmark group list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.groups();
          const rows = list.groups.map((one) => [one.name, one.kind, one.members.join(", ")]);
          printAnswer(context, list, tableOf(context, ["NAME", "KIND", "MEMBERS"], rows));
        }),
      ),
    );
}

function defineCreate(command: Command, run: RunAction): void {
  command
    .command("create")
    .summary("make a group")
    .argument("<group>", "its name; for an external group as the directory names it")
    .option("--external", "its members come with each sign-in through LDAP or OIDC")
    .addHelpText("after", examples(["mintmark group create platform", "without members yet"]))
    .action(
      run((context, [name]: readonly [string], options: { readonly external?: boolean }) =>
        withClient(context, async ({ client }) => {
          const made = await client.createGroup({ name, kind: options.external === true ? "external" : "local" });
          printAnswer(context, made, [`made ${name}`]);
        }),
      ),
    );
  command
    .command("delete")
    .summary("remove a group and its roles")
    .argument("<group>", "its name")
    .addHelpText("after", examples(["mintmark group delete platform", "its members stay"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { removed } = await client.deleteGroup(name);
          if (!removed) throw new Failure("not_found", `Cannot find the group "${name}"`);
          printAnswer(context, { removed }, [`removed ${name}`]);
        }),
      ),
    );
}

function defineMoves(command: Command, run: RunAction): void {
  for (const isMember of [true, false])
    command
      .command(isMember ? "add" : "remove")
      .summary(isMember ? "put people into a group" : "take people out of a group")
      .argument("<group>", "its name")
      .argument("<account...>", "the people")
      .addHelpText("after", examples([`mintmark group ${isMember ? "add" : "remove"} platform anna ben`, "both"]))
      .action(
        run((context, [group, accounts]: readonly [string, readonly string[]]) =>
          withClient(context, async ({ client }) => {
            for (const account of accounts)
              await (isMember ? client.addGroupMember(group, account) : client.removeGroupMember(group, account));
            const answer = { group, accounts, isMember };
            printAnswer(context, answer, [`${accounts.join(", ")} ${isMember ? "joined" : "left"} ${group}`]);
          }),
        ),
      );
}
