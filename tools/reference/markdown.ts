/** The first lines of every generated page. */
export function pageHead(title: string, about: string): string {
  return `<!-- Written by tools/gen-reference.ts from the code: change the code, then run \`npm run reference\`. -->\n\n# ${title}\n\n${about}\n`;
}

/** A table; cells may hold inline Markdown, line breaks become spaces. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `| ${head.map(() => "---").join(" | ")} |`, ...rows.map(line)].join("\n") + "\n";
}

/** Inline code that may hold back ticks; an empty text gives nothing. */
export function code(text: string): string {
  if (text === "") return "";
  const fence = text.includes("`") ? "``" : "`";
  return `${fence}${text}${fence}`;
}

function cell(text: string): string {
  return text
    .replaceAll(/\s*\n\s*/g, " ")
    .replaceAll("|", "\\|")
    .trim();
}
