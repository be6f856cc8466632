/** One paragraph of a control file: field names in lower case, values with their continuation lines joined by a line feed. */
export type Paragraph = ReadonlyMap<string, string>;

const fieldForm = /^([!-9;-~]+):[ \t]*(.*)$/;

/**
 * Reads the paragraphs of a Debian control file, leniently: a line that is neither field nor continuation is passed over.
 *
 * A continuation keeps its text without the one leading blank; a single dot stands for an empty line.
 * Source: deb822(5), Debian Policy 5.1.
 */
export function parseDeb822(text: string): Paragraph[] {
  const paragraphs: Paragraph[] = [];
  let fields = new Map<string, string>();
  let current: string | undefined;
  const finish = (): void => {
    if (fields.size > 0) paragraphs.push(fields);
    fields = new Map();
    current = undefined;
  };
  for (const rawLine of text.split("\n")) {
    const line = rawLine.trimEnd();
    if (line === "") finish();
    else if (line.startsWith(" ") || line.startsWith("\t")) {
      if (current !== undefined) fields.set(current, `${fields.get(current)}\n${continued(line)}`);
    } else if (!line.startsWith("#")) {
      const match = fieldForm.exec(line);
      current = match?.[1]?.toLowerCase();
      if (current !== undefined) fields.set(current, match![2]!);
    }
  }
  finish();
  return paragraphs;
}

function continued(line: string): string {
  const rest = line.slice(1);
  return rest.trim() === "." ? "" : rest;
}
