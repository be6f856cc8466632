/**
 * Puts settings among those that a file has already: what it says about the same thing is replaced, all else stays.
 *
 * @returns undefined where the kind of file is not known, or what is there cannot be understood: then the settings are
 *   the whole file
 */
export function mergedSettings(path: string, before: string, wanted: string): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (name.endsWith(".json")) return mergedJson(before, wanted);
  if (name.endsWith(".toml") && isWrittenFlat(before, wanted)) return undefined;
  if (name.endsWith(".toml") || /^(?:\.npmrc|\.yarnrc|pip\.conf|\.pypirc|env)$/.test(name))
    return mergedSections(before, wanted);
  if (name.endsWith(".yml")) return mergedMembers(before, wanted);
  if (name === "settings.xml") return mergedElements(before, wanted, ["mirrors"]);
  if (/^nuget\.config$/i.test(name)) return mergedElements(before, wanted, ["packageSources", "packageSourceMapping"]);
  return undefined;
}

/** The members of an object take the place of those that are there. */
function mergedJson(before: string, wanted: string): string | undefined {
  try {
    const [old, fresh]: unknown[] = [JSON.parse(before), JSON.parse(wanted)];
    if (!isObject(old) || !isObject(fresh)) return undefined;
    const both = { ...old, ...fresh };
    return JSON.stringify(both) === JSON.stringify(old) ? before : `${JSON.stringify(both, null, 2)}\n`;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** `key = value` lines in sections, as npm, yarn, pip, Go and TOML write them. */
function mergedSections(before: string, wanted: string): string {
  const lines = before.replace(/\n$/, "").split("\n");
  let section = "";
  for (const line of wanted.split("\n")) {
    const trimmed = line.trim();
    const header = headerOf(line);
    if (header !== undefined) {
      section = header;
      // Of a list of tables one has no name of its own: ours is the one that stands for all, and there can be only one.
      if (trimmed.startsWith("[[")) dropDefaults(lines, header);
    } else if (trimmed !== "" && !/^[#;]/.test(trimmed)) setLine(lines, section, line);
  }
  return `${lines.filter((line, index) => index > 0 || line !== "").join("\n")}\n`;
}

/** Whether TOML says in keys with dots, or in one line, what we write as tables: both together would be no TOML. */
function isWrittenFlat(before: string, wanted: string): boolean {
  const tables = wanted.split("\n").flatMap((line) => headerOf(line)?.replace(/^\[/, "").split(/[.\]]/, 1) ?? []);
  return before.split("\n").some((line) => tables.includes(/^([\w-]+)\s*[.=]/.exec(line)?.[1] ?? ""));
}

function headerOf(line: string): string | undefined {
  const match = /^\s*(\[\[?)\s*([^[\]]+?)\s*\]\]?\s*(?:#.*)?$/.exec(line);
  if (match === null) return undefined;
  return match[1] === "[[" ? `[${match[2]!}]` : match[2];
}

/** Takes away the tables of a list that are marked as the default. */
function dropDefaults(lines: string[], header: string): void {
  for (let start = lines.length - 1; start >= 0; start--) {
    if (headerOf(lines[start]!) !== header) continue;
    const next = lines.findIndex((line, index) => index > start && headerOf(line) !== undefined);
    const end = next === -1 ? lines.length : next;
    if (lines.slice(start, end).some((line) => /^\s*default\s*=\s*true\b/.test(line))) lines.splice(start, end - start);
  }
}

/** `key = value`, or `key value` as yarn writes it. */
function keyOf(line: string): string | undefined {
  return /^\s*([\w@:./-]+)\s*(?:=|\s"|\s\S)/.exec(line)?.[1];
}

function setLine(lines: string[], section: string, wanted: string): void {
  const headers = lines.map(headerOf);
  const isList = section.startsWith("[");
  const start = section === "" ? -1 : isList ? headers.lastIndexOf(section) : headers.indexOf(section);
  const isOurs = !isList || lines.slice(start + 1).every((line) => keyOf(line) !== keyOf(wanted));
  if (section !== "" && (start === -1 || !isOurs)) {
    lines.push(...(lines.at(-1)?.trim() === "" || lines.length === 0 ? [] : [""]), `[${section}]`, wanted);
    return;
  }
  const next = headers.findIndex((header, index) => index > start && header !== undefined);
  const end = next === -1 ? lines.length : next;
  const at = lines.findIndex(
    (line, index) => index > start && index < end && keyOf(line) === keyOf(wanted) && !/^\s*[#;]/.test(line),
  );
  if (at === -1) lines.splice(lastFilled(lines, start, end), 0, wanted);
  else lines.splice(at, valueLines(lines, at), wanted);
}

/** A list of TOML may go over several lines; they are replaced together. */
function valueLines(lines: readonly string[], at: number): number {
  if (!/=\s*\[[^\]]*$/.test(lines[at]!)) return 1;
  const end = lines.findIndex((line, index) => index > at && /\]\s*(?:#.*)?$/.test(line));
  return end === -1 ? 1 : end - at + 1;
}

/** After the last line of a section that says anything. */
function lastFilled(lines: readonly string[], start: number, end: number): number {
  let at = end;
  while (at - 1 > start && lines[at - 1]!.trim() === "") at--;
  return at;
}

/** The members of a YAML mapping, each with the lines below it that are indented. */
function mergedMembers(before: string, wanted: string): string {
  const blocks = blocksOf(before);
  for (const block of blocksOf(wanted)) {
    const at = blocks.findIndex(({ key }) => key !== undefined && key === block.key);
    if (at === -1) blocks.push(block);
    else blocks[at] = block;
  }
  return `${blocks.flatMap(({ lines }) => lines).join("\n")}\n`;
}

interface Block {
  readonly key: string | undefined;
  readonly lines: string[];
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  for (const line of text.replace(/\n+$/, "").split("\n")) {
    const key = /^["']?([\w@./-]+)["']?\s*:/.exec(line)?.[1];
    if (key !== undefined || blocks.length === 0 || /^[#\s]*$|^#/.test(line)) blocks.push({ key, lines: [line] });
    else blocks.at(-1)!.lines.push(line);
  }
  return blocks.filter(({ key, lines }, index) => key !== undefined || index > 0 || lines.join("") !== "");
}

/** Elements of the root take the place of those of the same name; one that is not there yet comes at the end. */
function mergedElements(before: string, wanted: string, names: readonly string[]): string | undefined {
  const root = /<([\w.:-]+)[^>]*>[^]*<\/\1\s*>\s*$/.exec(before.replace(/^\s*<\?[^]*?\?>/, ""))?.[1];
  const own = /<([\w.:-]+)[^>]*>[^]*<\/\1\s*>\s*$/.exec(wanted.replace(/^\s*<\?[^]*?\?>/, ""))?.[1];
  if (root === undefined || root !== own) return undefined;
  // What stands in a comment is no setting: it is hidden while elements are looked for.
  const comments: string[] = [];
  let text = before.replaceAll(/<!--[^]*?-->/g, (comment) => `<!--${comments.push(comment) - 1}-->`);
  for (const name of names) {
    const fresh = elementOf(wanted, name);
    if (fresh === undefined) return undefined;
    const old = elementOf(text, name);
    const end = text.lastIndexOf(`</${root}`);
    text = old === undefined ? `${text.slice(0, end)}  ${fresh}\n${text.slice(end)}` : text.replace(old, () => fresh);
  }
  return text.replaceAll(/<!--(\d+)-->/g, (_, index: string) => comments[Number(index)]!);
}

function elementOf(text: string, name: string): string | undefined {
  return new RegExp(`<${name}(?:\\s[^>]*)?(?:/>|>[^]*?</${name}\\s*>)`).exec(text)?.[0];
}
