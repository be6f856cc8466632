import { printable, widthOf, type Paint } from "./terminal.ts";

/** Lines of a table: titles, then rows, columns as wide as their widest cell, two spaces between. */
export function tableLines(titles: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string[] {
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => widthOf(row[column] ?? ""))),
  );
  const line = (cells: readonly string[], look: (text: string) => string = (text) => text): string =>
    cells
      .map(
        (cell, column) => look(cell) + (column === cells.length - 1 ? "" : " ".repeat(widths[column]! - widthOf(cell))),
      )
      .join("  ")
      .trimEnd();
  return [line(titles, paint.soft), ...rows.map((row) => line(row))];
}

/** Lines of names and values, the values under one another. */
export function pairLines(pairs: readonly (readonly [name: string, value: string])[], paint: Paint): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${paint.soft(name.padEnd(width))}  ${value}`);
}

/** Cuts a text from elsewhere to a number of columns, with an ellipsis where something is missing. */
export function cut(text: string, columns: number): string {
  const chars = Array.from(printable(text).replaceAll("\n", " "));
  return chars.length <= columns ? chars.join("") : `${chars.slice(0, Math.max(columns - 1, 0)).join("")}…`;
}
