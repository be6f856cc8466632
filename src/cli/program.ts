import { Command, CommanderError } from "commander";
import { Failure } from "../base/errors.ts";
import { loadConfig } from "../config/config.ts";
import { nearestName } from "../config/nearest-name.ts";
import type { CommandContext, GlobalFlags, RunAction } from "./command.ts";
import { examples } from "./command.ts";
import { commandTable } from "./command-table.ts";
import { exitCodes } from "./exit-codes.ts";
import { printFailure, printFailureJson } from "./output/failure-lines.ts";
import { openTerminal, type Terminal } from "./output/terminal.ts";

/** What a run of the command line is given; nothing else of the process is read. */
export interface ProgramInput {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: Parameters<typeof openTerminal>[0]["stdout"];
  readonly stderr: Parameters<typeof openTerminal>[0]["stderr"];
  readonly stopped: AbortSignal;
  readonly version: string;
}

/** Runs one command to its end and returns the exit code; prints whatever failed. */
export async function runProgram(input: ProgramInput): Promise<number> {
  const early = parseEarly(input.args);
  const terminal = openTerminal({
    ...input,
    color: !early.flags.includes("--no-color"),
    quiet: early.flags.includes("--quiet") || early.flags.includes("-q"),
  });
  let code = 0;
  const run: RunAction =
    (work) =>
    async (...all) => {
      const command = all.at(-1) as Command;
      const flags = command.optsWithGlobals<GlobalFlags>();
      code = (await work(contextOf(input, flags, terminal), all.slice(0, -2) as never, all.at(-2) as never)) ?? 0;
    };
  try {
    const program = await makeProgram(input, terminal, { run, wanted: early.command });
    await program.parseAsync([...input.args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const print = early.flags.includes("--json") ? printFailureJson : printFailure;
    const failed = print(error, terminal);
    return input.stopped.aborted && error instanceof Failure && error.code === "cancelled" ? 130 : failed;
  }
}

function contextOf(input: ProgramInput, flags: GlobalFlags, terminal: Terminal): CommandContext {
  const configInput = {
    flags: { data: flags.data, listen: flags.listen },
    environment: input.environment,
    ...(flags.config === undefined ? {} : { file: flags.config }),
  };
  return {
    terminal,
    flags,
    configInput,
    loadConfig: () => loadConfig(configInput),
    stopped: input.stopped,
    version: input.version,
  };
}

/** The commander program with every command in place, for the reference page and the golden test; it runs nothing. */
export async function wholeProgram(): Promise<Command> {
  return await silentProgram(everyCommand);
}

async function silentProgram(wanted: string | undefined): Promise<Command> {
  const silent = { write: () => true };
  const terminal = openTerminal({ stdout: silent, stderr: silent, environment: {}, color: false, quiet: true });
  const stopped = new AbortController().signal;
  const input: ProgramInput = { args: [], environment: {}, stdout: silent, stderr: silent, stopped, version: "0.0.0" };
  return await makeProgram(input, terminal, { run: idle, wanted });
}

/** The help of every command and sub-command in the order of the table, for the golden test. */
export async function helpTexts(): Promise<string> {
  const program = await wholeProgram();
  const commands = program.commands.filter((one) => one.name() !== "help").flatMap((one) => [one, ...one.commands]);
  const first = (await silentProgram(undefined)).helpInformation();
  return [first, ...commands.map(wholeHelp)].join("\n----\n");
}

/** In place of a command's name: all of them are loaded. */
const everyCommand = "*";

const idle: RunAction = () => async () => undefined;

/** Commander adds the texts before and after only when it prints. */
function wholeHelp(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => void (text += part),
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}

interface Wiring {
  readonly run: RunAction;
  /** The command that is to run: only its file is loaded; {@link everyCommand} loads all. */
  readonly wanted: string | undefined;
}

async function makeProgram(
  { version, stdout }: ProgramInput,
  terminal: Terminal,
  { run, wanted }: Wiring,
): Promise<Command> {
  const program = new Command("mintmark")
    .description("The golden image factory: builds, proves, refuses, signs and serves container images.")
    .version(version, "-V, --version", "print the version")
    .option("--data <folder>", "the data folder (MINTMARK_DATA)")
    .option("--config <file>", "the configuration file (MINTMARK_CONFIG)")
    .option("--listen <host:port>", "where to serve; port 0 picks a free one (MINTMARK_LISTEN)")
    .option("--json", "print results as JSON")
    .option("--no-color", "no colours; NO_COLOR does the same")
    .option("-q, --quiet", "no progress, only results and failures")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show the help of a command")
    .addHelpText(
      "after",
      `${examples(["mintmark up", "start here"], ["mintmark build base", "mint an image"], ["mintmark inspect base:latest", "what is in it, and how to use it"])}${exitCodeText()}`,
    )
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: terminal.err,
      outputError: (text) => terminal.err(usageLines(text, wanted)),
    });
  for (const { name, summary, load } of commandTable) {
    const command = program
      .command(name)
      .summary(summary)
      .description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`)
      .helpOption("-h, --help", "show help")
      .configureHelp({ showGlobalOptions: true });
    if (name === wanted || wanted === everyCommand) (await load()).define(command, run);
    for (const child of command.commands)
      child
        .description(`${child.summary()[0]!.toUpperCase()}${child.summary().slice(1)}.`)
        .helpOption("-h, --help", "show help");
  }
  return program;
}

function exitCodeText(): string {
  const lines = Object.entries(exitCodes).map(([code, about]) => `  ${code.padStart(3)}  ${about}`);
  return `\nExit codes:\n${lines.join("\n")}\n`;
}

/** Commander's complaint as our two lines. */
function usageLines(text: string, wanted: string | undefined): string {
  const complaint = text.replace(/^error: /, "").trim();
  const unknown = /^unknown command '(.+)'$/.exec(complaint)?.[1];
  const near =
    unknown === undefined
      ? undefined
      : nearestName(
          unknown,
          commandTable.map(({ name }) => name),
        );
  const isKnown = commandTable.some(({ name }) => name === wanted);
  const hint =
    near === undefined ? `See \`mintmark${isKnown ? ` ${wanted}` : ""} --help\`` : `Did you mean \`mintmark ${near}\`?`;
  return `error: Cannot read the command line: ${complaint}\nhint:  ${hint}\n`;
}

const flagsWithValue = ["--data", "--config", "--listen"];

/** The command that is wanted and the flags that matter before anything is parsed. */
function parseEarly(args: readonly string[]): {
  readonly command: string | undefined;
  readonly flags: readonly string[];
} {
  const end = args.indexOf("--");
  const known = end < 0 ? args : args.slice(0, end);
  const words: string[] = [];
  for (let position = 0; position < known.length; position++) {
    const arg = known[position]!;
    if (flagsWithValue.includes(arg)) position++;
    else if (!arg.startsWith("-")) words.push(arg);
  }
  return { command: words[0] === "help" ? words[1] : words[0], flags: known.filter((arg) => arg.startsWith("-")) };
}
