import { isTest, readSources, report, trackedFiles, type Problem, type SourceFile } from "./tree.ts";
import { type Token } from "./tokens.ts";

/** Finds exports of src/ without a doc comment whose first sentence says something. */
export function exportProblems(file: SourceFile): Problem[] {
  if (!file.path.startsWith("src/") || isTest(file.path)) return [];
  const documented = new Set<string>();
  return file.tokens.flatMap((token, index) => {
    const name = exportedName(file.tokens, index);
    if (name === undefined || documented.has(name)) return [];
    documented.add(name);
    const doc = file.tokens[index - 1];
    if (doc?.kind !== "doc")
      return [{ path: file.path, line: token.line, message: `exports "${name}" without a doc comment (/** … */)` }];
    return firstSentence(doc.text).length >= 12
      ? []
      : [{ path: file.path, line: doc.line, message: `the doc comment of "${name}" says nothing` }];
  });
}

const modifiers = new Set("async abstract declare default".split(" "));
const declarations = new Set("function const let var class interface type enum".split(" "));

/** The name that an `export` at this place declares; undefined for lists, re-exports and all else. */
function exportedName(tokens: readonly Token[], index: number): string | undefined {
  if (tokens[index]!.kind !== "word" || tokens[index]!.text !== "export" || tokens[index - 1]?.text === ".")
    return undefined;
  let at = index + 1;
  while (modifiers.has(tokens[at]?.text ?? "")) at++;
  if (!declarations.has(tokens[at]?.text ?? "")) return undefined;
  at++;
  if (tokens[at]?.text === "*") at++;
  return tokens[at]?.kind === "word" ? tokens[at]!.text : undefined;
}

/** The text of a doc comment up to its first full stop, blank line or tag. */
export function firstSentence(doc: string): string {
  const text = doc
    .replace(/^\/\*\*/, "")
    .replace(/\*\/$/, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\*\s?/, "").trim())
    .join("\n")
    .trim();
  return text
    .split(/\n\s*\n|\n@|\.(?:\s|$)/)[0]!
    .replaceAll("\n", " ")
    .trim();
}

if (import.meta.main) report("exports", readSources(trackedFiles()).flatMap(exportProblems));
