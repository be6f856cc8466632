import { type Command } from "commander";
import { code, pageHead, table } from "./markdown.ts";

interface Exits {
  /** What each exit code means. */
  readonly meanings: Readonly<Record<number, string>>;
  /** The codes of failures with their exit codes. */
  readonly failures: Readonly<Record<string, { readonly exit: number }>>;
}

/** docs/reference/cli.md: every command with its arguments and options, as commander knows them. */
export function cliPage(program: Command, { meanings, failures }: Exits): string {
  const commands = visible(program).flatMap((command) => commandSections(command, program.name()));
  const about = [
    "Every command takes the options of the first table. Standard output holds the answer and nothing else; progress",
    "and failures go to standard error. Colours are left out where the output is not a terminal or NO_COLOR is set.",
  ].join("\n");
  const names = Map.groupBy(Object.keys(failures), (name) => failures[name]!.exit);
  const exits = Object.entries(meanings).map(([exit, meaning]) => [
    exit,
    meaning,
    (names.get(Number(exit)) ?? []).map(code).join(", "),
  ]);
  return [
    pageHead(`The command ${code(program.name())}`, about),
    optionTable(program),
    ...commands,
    "## Exit codes\n",
    table(["exit", "meaning", "failures"], exits),
  ].join("\n");
}

function visible(command: Command): Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((entry) => entry.name() !== "help");
}

function commandSections(command: Command, parents: string): string[] {
  const name = `${parents} ${command.name()}`;
  const inner = visible(command);
  const usage = [name, ...command.registeredArguments.map((argument) => argumentText(argument))].join(" ");
  const own = [
    `## ${code(name)}\n`,
    `${command.description()}\n`,
    ...(inner.length > 0 ? [] : [`\`\`\`sh\n${usage}${command.options.length > 0 ? " [options]" : ""}\n\`\`\`\n`]),
    ...argumentTable(command),
    ...(command.options.length > 0 ? [optionTable(command)] : []),
  ];
  return [...own, ...inner.flatMap((entry) => commandSections(entry, name))];
}

function argumentText(argument: Command["registeredArguments"][number]): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function argumentTable(command: Command): string[] {
  const described = command.registeredArguments.filter((argument) => argument.description !== "");
  const rows = described.map((argument) => [code(argumentText(argument)), argument.description]);
  return rows.length === 0 ? [] : [table(["argument", "meaning"], rows)];
}

function optionTable(command: Command): string {
  const options = command.createHelp().visibleOptions(command);
  const rows = options.map((option) => {
    const preset: unknown = option.defaultValue;
    return [code(option.flags), option.description, preset === undefined ? "" : code(JSON.stringify(preset))];
  });
  return table(["option", "meaning", "default"], rows);
}
