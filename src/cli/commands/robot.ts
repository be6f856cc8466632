import { Option, type Command } from "commander";
import { Failure } from "../../base/errors.ts";
import { projectActions, type ProjectAction } from "../../model/permission.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import { endOf } from "../end-instant.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { withClient } from "../session.ts";

/** `mintmark robot list | create | rotate | prolong | revoke | enable | delete`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark robot list", "all robots"],
      ["mintmark robot create ci --repository 'team/*' --action pull push --until 90d", "its secret is printed once"],
      ["mintmark robot rotate ci", "a new secret; the old one is good for a day more"],
    ),
  );
  defineList(command, run);
  defineCreate(command, run);
  defineRotate(command, run);
  defineProlong(command, run);
  defineStates(command, run);
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list robots")
    .option("--project <name>", "only of this project")
    .addHelpText("after", examples(["mintmark robot list --json", "as JSON"]))
    .action(
      run((context, _args: readonly [], { project }: { readonly project?: string }) =>
        withClient(context, async ({ client }) => {
          const list = await client.robots(project);
          const rows = list.robots.map(({ name, state, permissions, expiresAt = "for ever", lastUsedAt = "never" }) => {
            const rights = permissions.map(({ repository, actions }) => `${wordsOf(actions)} ${repository}`);
            return [name, state, rights.join("; "), expiresAt, lastUsedAt];
          });
          printAnswer(context, list, tableOf(context, ["NAME", "STATE", "MAY", "UNTIL", "LAST USED"], rows));
        }),
      ),
    );
}

/** Every ability in one word: sixteen of them say less. */
function wordsOf(actions: readonly string[]): string {
  return projectActions.every((action) => actions.includes(action)) ? "everything" : actions.join(",");
}

interface NewOptions {
  readonly repository?: string[];
  readonly action: readonly ProjectAction[];
  readonly project?: string;
  readonly description?: string;
  readonly build?: boolean;
  readonly until: string;
}

function defineCreate(command: Command, run: RunAction): void {
  command
    .command("create")
    .summary("make a robot; its secret is printed once")
    .argument("<name>", "lower-case letters, digits, dots, dashes")
    .option("--repository <name...>", "repositories that it may use, or patterns such as team/*")
    .addOption(new Option("--action <action...>", "what it may do there").choices(projectActions).default(["pull"]))
    .option("--project <name>", "a robot of that project; without --repository it may use all of it")
    .option("--description <text>", "what it is for")
    .option("--build", "it may also start and stop builds of shipped recipes")
    .requiredOption("--until <when>", "a date such as 2026-12-31, a span such as 90d, or never")
    .addHelpText("after", examples(["mintmark robot create ci --repository base --until 90d", "may pull base"]))
    .action(
      run((context, [name]: readonly [string], options: NewOptions) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const { project, description = "", action: actions } = options;
          const repositories = options.repository ?? (project === undefined ? [] : [`${project}/**`]);
          const expiresAt = endOrNever(options.until);
          const robot = await client.createRobot({
            name,
            ...(project === undefined ? {} : { project }),
            description,
            permissions: repositories.map((repository) => ({ repository, actions })),
            mayBuild: options.build === true,
            expiresAt,
          });
          if (flags.json === true) return terminal.out(JSON.stringify(robot, null, 2));
          terminal.out(robot.secret);
          terminal.err(
            `This secret of "${robot.name}" is shown once; it ${expiresAt === null ? "never ends" : `ends ${expiresAt}`}\n`,
          );
        }),
      ),
    );
}

const unitSeconds: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400 };

function defineRotate(command: Command, run: RunAction): void {
  command
    .command("rotate")
    .summary("give a robot a new secret, printed once")
    .argument("<name>", "the robot")
    .option("--overlap <span>", "how long the old secret stays good: 0, 30m, 12h, 2d", "24h")
    .addHelpText("after", examples(["mintmark robot rotate ci --overlap 0", "the old secret ends now: it leaked"]))
    .action(
      run((context, [name]: readonly [string], { overlap }: { readonly overlap: string }) =>
        withClient(context, async ({ client }) => {
          const [, count, unit] = /^(?:0|(\d{1,5})([mhd]))$/.exec(overlap) ?? refuseSpan(overlap);
          const seconds = count === undefined ? 0 : Number(count) * unitSeconds[unit!]!;
          const rotated = await client.rotateRobot(name, seconds);
          if (context.flags.json === true) return context.terminal.out(JSON.stringify(rotated, null, 2));
          context.terminal.out(rotated.secret);
          const end = rotated.oldSecretUntil === undefined ? "has ended" : `is good until ${rotated.oldSecretUntil}`;
          context.terminal.err(`This secret is shown once; the one before ${end}\n`);
        }),
      ),
    );
}

function defineProlong(command: Command, run: RunAction): void {
  command
    .command("prolong")
    .summary("give a robot a later end, or an earlier one")
    .argument("<name>", "the robot")
    .requiredOption("--until <when>", "a date such as 2026-12-31, a span such as 90d, or never")
    .addHelpText(
      "after",
      examples(["mintmark robot prolong ci --until 90d", "from now; one that has ended works again"]),
    )
    .action(
      run((context, [name]: readonly [string], { until }: { readonly until: string }) =>
        withClient(context, async ({ client }) => {
          const robot = await client.changeRobot(name, { expiresAt: endOrNever(until) });
          printAnswer(context, robot, [`${robot.name} ends ${robot.expiresAt ?? "never"}`]);
        }),
      ),
    );
}

function defineStates(command: Command, run: RunAction): void {
  for (const disabled of [true, false])
    command
      .command(disabled ? "revoke" : "enable")
      .summary(disabled ? "take a robot's access away; it stays in the list" : "give a revoked robot its access again")
      .argument("<name>", "the robot")
      .addHelpText("after", examples([`mintmark robot ${disabled ? "revoke" : "enable"} ci`, "from now on"]))
      .action(
        run((context, [name]: readonly [string]) =>
          withClient(context, async ({ client }) => {
            const robot = await client.changeRobot(name, { disabled });
            printAnswer(context, robot, [disabled ? `revoked ${name}` : `${name} is ${robot.state}`]);
          }),
        ),
      );
  command
    .command("delete")
    .summary("remove a robot")
    .argument("<name>", "the robot")
    .addHelpText("after", examples(["mintmark robot delete ci", "from the list too"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) =>
          printAnswer(context, await client.deleteRobot(name), [`removed ${name}`]),
        ),
      ),
    );
}

function endOrNever(text: string): string | null {
  return text === "never" ? null : endOf(text);
}

function refuseSpan(text: string): never {
  throw new Failure("usage", `Cannot read the overlap "${text}": it is no span`, {
    hint: "Write such as 0, 30m, 12h, 2d",
  });
}
