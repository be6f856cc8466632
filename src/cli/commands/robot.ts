import { Option } from "commander";
import { examples, type Define } from "../command.ts";
import { endOf } from "../end-instant.ts";
import { tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

interface NewOptions {
  readonly repository: string[];
  readonly action: ("pull" | "push" | "delete" | "build")[];
  readonly until: string;
}

/** `mintmark robot list | create | revoke`. */
export const define: Define = (command, run) => {
  command.addHelpText("after", examples(["mintmark robot list", "all robots"], ["mintmark robot create ci --repository 'team/*' --action pull push --until 90d", "its secret is printed once"]));
  command
    .command("list")
    .summary("list robots")
    .addHelpText("after", examples(["mintmark robot list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const list = await client.robots();
          const rows = list.robots.map((robot) => [robot.name, robot.state, robot.repositories.join(", "), robot.actions.join(", "), robot.expiresAt]);
          terminal.out(flags.json === true ? JSON.stringify(list, null, 2) : tableLines(["NAME", "STATE", "REPOSITORIES", "MAY", "UNTIL"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
  command
    .command("create")
    .summary("make a robot; its secret is printed once")
    .argument("<name>", "lower-case letters, digits, dots, dashes")
    .requiredOption("--repository <name...>", "repositories that it may use, or patterns such as team/*")
    .addOption(new Option("--action <action...>", "what it may do there").choices(["pull", "push", "delete", "build"]).default(["pull"]))
    .requiredOption("--until <when>", "a date such as 2026-12-31, or a span such as 90d")
    .addHelpText("after", examples(["mintmark robot create ci --repository base --until 90d", "may pull base"]))
    .action(
      run((context, [name]: readonly [string], options: NewOptions) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const robot = await client.createRobot({ name, repositories: options.repository, actions: options.action, expiresAt: endOf(options.until) });
          if (flags.json === true) return terminal.out(JSON.stringify(robot, null, 2));
          terminal.out(robot.secret);
          terminal.err(`This secret of "${robot.name}" is shown once; it ends ${robot.expiresAt}\n`);
        }),
      ),
    );
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
