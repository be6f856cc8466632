/** One entry of a Debian changelog. */
export interface ChangelogEntry {
  readonly source: string;
  readonly version: string;
  /** Urgency in lower case without remarks, or undefined where the entry does not say. */
  readonly urgency: string | undefined;
  readonly lines: readonly string[];
}

const headForm = /^([a-z0-9][a-z0-9.+-]*) \(([^() \t]+)\)(?:[ \t]+[-+0-9A-Za-z.]+)+[ \t]*;(.*)$/;
const urgencyForm = /(?:^|[,\s])urgency=([a-z]+)/i;

/**
 * Reads the entries of a Debian changelog in their order, newest first as packages write them.
 *
 * Lenient like dpkg-parsechangelog: text before the first head, trailers and lines that are neither are passed over.
 * Source: deb-changelog(5).
 */
export function parseChangelog(text: string): ChangelogEntry[] {
  const entries: (ChangelogEntry & { lines: string[] })[] = [];
  for (const rawLine of text.split("\n")) {
    const line = rawLine.trimEnd();
    const head = headForm.exec(line);
    if (head !== null)
      entries.push({
        source: head[1]!,
        version: head[2]!,
        urgency: urgencyForm.exec(head[3]!)?.[1]?.toLowerCase(),
        lines: [],
      });
    else if (line.startsWith("  ") || line.startsWith("\t")) entries.at(-1)?.lines.push(line.trim());
  }
  return entries;
}

/** The CVEs that an entry names, each with the text of its item. */
export function vulnerabilitiesOf(entry: ChangelogEntry): Map<string, string> {
  const found = new Map<string, string>();
  for (const item of itemsOf(entry.lines)) {
    for (const [id] of item.matchAll(/\bCVE-\d{4}-\d{4,19}\b/gi))
      if (!found.has(id.toUpperCase())) found.set(id.toUpperCase(), item);
  }
  return found;
}

/** Joins the lines of each item: a new one starts with a bullet or names its author in brackets, and most name a CVE on another line than what it is about. */
function itemsOf(lines: readonly string[]): string[] {
  const items: string[] = [];
  for (const line of lines) {
    const isStart = /^(?:[*+-]\s|\[.*\]$)/.test(line);
    const previous = items.at(-1);
    if (isStart || previous === undefined || line === "") items.push(line.replace(/^[*+-]\s+/, ""));
    else items[items.length - 1] = `${previous} ${line}`;
  }
  return items;
}
