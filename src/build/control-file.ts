/** A paragraph of a Debian control file: field name to value; continuation lines keep their line breaks. */
export type Paragraph = ReadonlyMap<string, string>;

/**
 * Reads one paragraph. Field names keep their case; a malformed line is skipped.
 *
 * Source: Debian Policy, chapter 5 "Control files and their fields".
 */
export function parseParagraph(text: string): Paragraph {
  const fields = new Map<string, string>();
  let name: string | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("#") || line === "") continue;
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (name !== undefined) fields.set(name, `${fields.get(name)}\n${line}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    name = line.slice(0, colon);
    fields.set(name, line.slice(colon + 1).trim());
  }
  return fields;
}

/** Splits a control file into the texts of its paragraphs. */
export function splitParagraphs(text: string): string[] {
  return text.split(/\n[ \t]*\n+/).filter((paragraph) => paragraph.trim() !== "");
}

/** The source package and its version, which default to the binary's own. */
export function sourceOf(paragraph: Paragraph): { readonly source: string; readonly sourceVersion: string } {
  const field = /^(\S+)(?:\s+\((.+)\))?$/.exec(paragraph.get("Source") ?? "");
  return {
    source: field?.[1] ?? paragraph.get("Package") ?? "",
    sourceVersion: field?.[2] ?? paragraph.get("Version") ?? "",
  };
}

/** The package names of a relation field, without versions and architectures: one list of alternatives a relation. */
export function relationGroups(field: string | undefined): string[][] {
  if (field === undefined) return [];
  return field
    .split(",")
    .map((relation) =>
      relation
        .split("|")
        .map((alternative) => alternative.trim().replace(/[\s:([<].*$/s, ""))
        .filter((name) => name !== ""),
    )
    .filter((names) => names.length > 0);
}

/** The package names of a relation field, alternatives included, without versions and architectures. */
export function relationNames(field: string | undefined): string[] {
  return relationGroups(field).flat();
}
