/** One assignment of an ini file. */
interface Assignment {
  /** In lower case; empty before the first section. */
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/**
 * Reads an ini file as pip and npm write theirs: sections, `key = value`, comments with `#` or `;`, values that go on
 * in indented lines.
 *
 * Source: Python's configparser, "Supported INI File Structure"; npm's npmrc(5).
 */
export function parseIni(text: string): Assignment[] {
  const found: { section: string; key: string; value: string }[] = [];
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === "" || /^[#;]/.test(trimmed)) continue;
    const header = /^\[([^\]]*)\]$/.exec(trimmed);
    if (header !== null) {
      section = header[1]!.trim().toLowerCase();
      continue;
    }
    const last = found.at(-1);
    if (/^\s/.test(line) && last !== undefined && last.section === section && !/^[\w@:./-]+\s*=/.test(trimmed)) {
      last.value += `\n${trimmed}`;
      continue;
    }
    const match = /^([^=]*?)\s*=\s*(.*)$/.exec(trimmed);
    if (match !== null) found.push({ section, key: match[1]!, value: unquoted(match[2]!) });
  }
  return found;
}

function unquoted(text: string): string {
  const match = /^"(.*)"$|^'(.*)'$/.exec(text.trim());
  return match?.[1] ?? match?.[2] ?? text.trim();
}
