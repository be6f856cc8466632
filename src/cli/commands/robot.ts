import { Option, type Command } from "commander";
import { examples, type Define, type RunAction } from "../command.ts";
import { endOf } from "../end-instant.ts";
import { tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

interface NewOptions {
  readonly repository?: string[];
  readonly action: ("pull" | "push" | "delete")[];
  readonly build?: boolean;
  readonly until: string;
}

/** `mintmark robot list | create | revoke`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark robot list", "all robots"],
      ["mintmark robot create ci --repository 'team/*' --action pull push --until 90d", "its secret is printed once"],
    ),
  );
  defineList(command, run);
  defineCreate(command, run);
  command
    .command("revoke")
    .summary("take a robot's access away")
    .argument("<name>", "the robot")
    .addHelpText("after", examples(["mintmark robot revoke ci", "from now on"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const answer = await client.revokeRobot(name);
          context.terminal.out(context.flags.json === true ? JSON.stringify(answer) : `revoked ${name}`);
        }),
      ),
    );
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list robots")
    .addHelpText("after", examples(["mintmark robot list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const list = await client.robots();
          if (flags.json === true) return terminal.out(JSON.stringify(list, null, 2));
          const rows = list.robots.map(({ name, state, permissions, mayBuild, expiresAt }) => {
            const rights = permissions.map(({ repository, actions }) => `${actions.join(",")} ${repository}`);
            return [name, state, [...rights, ...(mayBuild ? ["build"] : [])].join("; "), expiresAt];
          });
          terminal.out(tableLines(["NAME", "STATE", "MAY", "UNTIL"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
}

function defineCreate(command: Command, run: RunAction): void {
  command
    .command("create")
    .summary("make a robot; its secret is printed once")
    .argument("<name>", "lower-case letters, digits, dots, dashes")
    .option("--repository <name...>", "repositories that it may use, or patterns such as team/*")
    .addOption(
      new Option("--action <action...>", "what it may do there").choices(["pull", "push", "delete"]).default(["pull"]),
    )
    .option("--build", "it may also start and stop builds of shipped recipes")
    .requiredOption("--until <when>", "a date such as 2026-12-31, or a span such as 90d")
    .addHelpText("after", examples(["mintmark robot create ci --repository base --until 90d", "may pull base"]))
    .action(
      run((context, [name]: readonly [string], options: NewOptions) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const permissions = (options.repository ?? []).map((repository) => ({ repository, actions: options.action }));
          const expiresAt = endOf(options.until);
          const robot = await client.createRobot({ name, permissions, mayBuild: options.build === true, expiresAt });
          if (flags.json === true) return terminal.out(JSON.stringify(robot, null, 2));
          terminal.out(robot.secret);
          terminal.err(`This secret of "${robot.name}" is shown once; it ends ${expiresAt}\n`);
        }),
      ),
    );
}
