import type { Command } from "commander";
import { Failure } from "../../base/errors.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import { endOf } from "../end-instant.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { pairLines } from "../output/table.ts";
import { withClient } from "../session.ts";
import { defineProjectGate } from "./project-gate.ts";
import { defineProjectProxy } from "./project-proxy.ts";

/** `mintmark project list | show | create | set-public | set-private | delete | bootstrap | members | … | gate | proxy`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark project create team", "private; the first push into it does the same"],
      ["mintmark project add-member team anna --role developer", "who may push to it"],
      ["mintmark project bootstrap aibox", "a project with roles and robots for CI, machines and administrators"],
    ),
  );
  defineShow(command, run);
  defineChanges(command, run);
  defineBootstrap(command, run);
  defineMembers(command, run);
  defineProjectGate(command, run);
  defineProjectProxy(command, run);
};

function defineShow(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list projects")
    .addHelpText("after", examples(["mintmark project list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.projects();
          const rows = list.projects.map((one) => [
            one.name,
            one.isPublic ? "public" : "private",
            one.createdAt,
            one.createdBy,
          ]);
          printAnswer(context, list, tableOf(context, ["NAME", "SEEN BY", "MADE", "BY"], rows));
        }),
      ),
    );
  command
    .command("show")
    .summary("show one project and its members")
    .argument("<project>", "its name")
    .addHelpText("after", examples(["mintmark project show team", "who may do what there"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const project = await client.project(name);
          const { members } = await client.members(name);
          const facts = pairLines(
            [
              ["name", project.name],
              ["id", String(project.id)],
              ["seen by", project.isPublic ? "everybody" : "members"],
              ["made", `${project.createdAt} by ${project.createdBy}`],
            ],
            context.terminal.paint,
          );
          const rows = members.map((one) => [one.kind, one.name, one.role]);
          const lines = rows.length === 0 ? [] : ["", ...tableOf(context, ["MEMBER", "NAME", "ROLE"], rows)];
          printAnswer(context, { ...project, members }, [...facts, ...lines]);
        }),
      ),
    );
}

function defineChanges(command: Command, run: RunAction): void {
  command
    .command("create")
    .summary("make a project")
    .argument("<project>", "lower-case letters and digits, with single dots, dashes or underscores between")
    .option("--public", "everybody may list and pull")
    .addHelpText("after", examples(["mintmark project create base --public", "everybody may pull from it"]))
    .action(
      run((context, [name]: readonly [string], options: { readonly public?: boolean }) =>
        withClient(context, async ({ client }) => {
          const made = await client.createProject({ name, isPublic: options.public === true });
          printAnswer(context, made, [`made ${made.name}, ${made.isPublic ? "public" : "private"}`]);
        }),
      ),
    );
  for (const isPublic of [true, false])
    command
      .command(isPublic ? "set-public" : "set-private")
      .summary(isPublic ? "let everybody list and pull" : "let only members list and pull")
      .argument("<project>", "its name")
      .addHelpText("after", examples([`mintmark project set-${isPublic ? "public" : "private"} team`, "from now on"]))
      .action(
        run((context, [name]: readonly [string]) =>
          withClient(context, async ({ client }) => {
            const changed = await client.setProjectPublic(name, isPublic);
            printAnswer(context, changed, [`${name} is ${changed.isPublic ? "public" : "private"}`]);
          }),
        ),
      );
  command
    .command("delete")
    .summary("remove a project that holds no images, with its members and robots")
    .argument("<project>", "its name")
    .addHelpText("after", examples(["mintmark project delete old", "where its images are gone"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) =>
          printAnswer(context, await client.deleteProject(name), [`removed ${name}`]),
        ),
      ),
    );
}

function defineBootstrap(command: Command, run: RunAction): void {
  command
    .command("bootstrap")
    .summary("make a project with roles and robots to begin with, as far as they lack")
    .argument("<project>", "its name")
    .option("--until <when>", "when the robots end", "365d")
    .addHelpText(
      "after",
      `${examples(["mintmark project bootstrap aibox > aibox.secrets", "robot and secret, a line each; again prints nothing"])}\nMakes NAME-push, NAME-pull and NAME-admin as roles for people, and robot$NAME-ci, robot$NAME-pull and\nrobot$NAME-admin with what those roles allow.\n`,
    )
    .action(
      run((context, [name]: readonly [string], options: { readonly until: string }) =>
        withClient(context, async ({ client }) => {
          const expiresAt = endOf(options.until);
          const made = await client.bootstrapProject(name, expiresAt);
          if (context.flags.json === true) return context.terminal.out(JSON.stringify(made, null, 2));
          for (const robot of made.robots) {
            if (robot.secret === undefined) context.terminal.err(`"${robot.name}" is there already\n`);
            else context.terminal.out(`${robot.name} ${robot.secret}`);
          }
          if (made.robots.some(({ secret }) => secret !== undefined))
            context.terminal.err(`These secrets are shown once; they end ${expiresAt}\n`);
        }),
      ),
    );
}

interface MemberOptions {
  readonly group?: boolean;
}

function defineMembers(command: Command, run: RunAction): void {
  command
    .command("add-member")
    .summary("give an account or group a role, in place of the one that it had")
    .argument("<project>", "its name")
    .argument("<name>", "the account, or the group with --group")
    .requiredOption("--role <role>", "as `mintmark role list` shows them")
    .option("--group", "the name is a group's")
    .addHelpText(
      "after",
      examples(["mintmark project add-member team platform --group --role maintainer", "all of that group"]),
    )
    .action(
      run((context, [project, name]: readonly [string, string], options: MemberOptions & { readonly role: string }) =>
        withClient(context, async ({ client }) => {
          const kind = options.group === true ? "group" : "account";
          const member = await client.putMember(project, { kind, name, role: options.role });
          printAnswer(context, member, [`${name} is ${member.role} of ${project}`]);
        }),
      ),
    );
  command
    .command("remove-member")
    .summary("take a role away")
    .argument("<project>", "its name")
    .argument("<name>", "the account, or the group with --group")
    .option("--group", "the name is a group's")
    .addHelpText("after", examples(["mintmark project remove-member team anna", "from the next request on"]))
    .action(
      run((context, [project, name]: readonly [string, string], options: MemberOptions) =>
        withClient(context, async ({ client }) => {
          const kind = options.group === true ? "group" : "account";
          const { members } = await client.members(project);
          const member = members.find((one) => one.kind === kind && one.name === name);
          if (member === undefined)
            throw new Failure("not_found", `Cannot find the ${kind} "${name}" among the members of "${project}"`);
          printAnswer(context, await client.removeMember(project, member.id), [`${name} has no role in ${project}`]);
        }),
      ),
    );
}
