import type { CommandContext } from "../command.ts";
import { tableLines } from "./table.ts";

/** Prints an answer: as JSON where that was asked for, else the lines for people. */
export function printAnswer({ terminal, flags }: CommandContext, answer: unknown, lines: readonly string[]): void {
  terminal.out(flags.json === true ? JSON.stringify(answer, null, 2) : lines.join("\n"));
}

/** Lines of a table in the colours of the terminal. */
export function tableOf(
  { terminal }: CommandContext,
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  return tableLines(titles, rows, terminal.paint);
}
