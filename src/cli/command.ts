import type { Command } from "commander";
import type { Config } from "../config/config.ts";
import type { ConfigInput } from "../config/config-sources.ts";
import type { Terminal } from "./output/terminal.ts";

/** Flags that every command takes. */
export interface GlobalFlags {
  readonly data?: string;
  readonly config?: string;
  readonly listen?: string;
  readonly json?: boolean;
  readonly color?: boolean;
  readonly quiet?: boolean;
}

/** What a command runs in. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly flags: GlobalFlags;
  /** What the configuration is made of; for commands that explain it. */
  readonly configInput: ConfigInput;
  loadConfig(): Promise<Config>;
  /** Fires on the first SIGINT or SIGTERM. */
  readonly stopped: AbortSignal;
  readonly version: string;
}

/** Gives a command its arguments and options; `run` wraps what it does: the number it returns is the exit code. */
export type Define = (command: Command, run: RunAction) => void;

/** Makes a commander action of a function of arguments, options and context. */
export type RunAction = <Args extends readonly unknown[], Options>(
  work: (context: CommandContext, args: Args, options: Options) => Promise<number | void>,
) => (...all: unknown[]) => Promise<void>;

/** The examples that a command's help ends with. */
export function examples(...lines: readonly (readonly [line: string, about: string])[]): string {
  const width = Math.max(...lines.map(([line]) => line.length));
  return `\nExamples:\n${lines.map(([line, about]) => `  $ ${line.padEnd(width)}  # ${about}`).join("\n")}\n`;
}
