import { emptyLastWords, emptyWords, fileLines, generatedFiles, properNames } from "./room-table.ts";
import { isTest, type Problem, type SourceFile } from "./tree.ts";
import { type Token } from "./tokens.ts";

/** SQL outside src/store/, and the environment outside src/config/. */
export function placeProblems(file: SourceFile): Problem[] {
  if (!file.path.startsWith("src/")) return [];
  const found: Problem[] = [];
  const mayHoldSql = file.path.startsWith("src/store/");
  const mayReadEnvironment = file.path.startsWith("src/config/") || isTest(file.path);
  if (!mayHoldSql)
    for (const { from, line } of file.imports)
      if (from === "kysely" || from.startsWith("kysely/") || from === "node:sqlite" || from === "pg")
        found.push(problem(file, line, `imports "${from}": SQL lives in src/store/ only`));
  file.code.forEach((token, index) => {
    if (!mayHoldSql && holdsSql(token, file.code[index - 1]))
      found.push(problem(file, token.line, "holds SQL: move it to src/store/"));
    if (!mayReadEnvironment && readsEnvironment(file.code, index))
      found.push(problem(file, token.line, "reads the environment: only src/config/ does; take the value from Config"));
  });
  return found;
}

const sqlForm =
  /^\s*(?:select\s[\s\S]+\sfrom\s|insert\s+(?:or\s+\w+\s+)?into\s|update\s+\w+\s+set\s|delete\s+from\s|create\s+(?:unique\s+)?(?:table|index|view|trigger)\s|alter\s+table\s|drop\s+table\s|pragma\s+\w)/i;
const queryBuilders = new Set("selectFrom insertInto updateTable deleteFrom replaceInto mergeInto".split(" "));

function holdsSql(token: Token, before: Token | undefined): boolean {
  if (token.kind === "string" || token.kind === "template")
    return sqlForm.test(token.text.replaceAll(/\\[nt]/g, " ")) || (token.kind === "template" && before?.text === "sql");
  return token.kind === "word" && queryBuilders.has(token.text) && before?.text === ".";
}

function readsEnvironment(code: readonly Token[], index: number): boolean {
  return code[index]!.text === "env" && code[index - 1]?.text === "." && code[index - 2]?.text === "process";
}

const clockCalls = ["Date.now", "Math.random", "performance.now", "process.hrtime"];

/** Reads of the clock or of chance outside src/base/clock.ts, so that tests can turn the time. */
export function clockProblems(file: SourceFile): Problem[] {
  if (!file.path.startsWith("src/") || file.path === "src/base/clock.ts" || isTest(file.path)) return [];
  return file.code.flatMap((token, index) => {
    const [next, afterNext] = [file.code[index + 1], file.code[index + 2]];
    const isBareDate =
      token.text === "new" && next?.text === "Date" && (afterNext?.text !== "(" || file.code[index + 3]?.text === ")");
    const call = isBareDate
      ? "new Date()"
      : clockCalls.find((name) => name === `${token.text}${next?.text}${afterNext?.text}`);
    return call === undefined
      ? []
      : [
          problem(
            file,
            token.line,
            `uses ${call}: take nowMs, nowIso, tickMs, newId or newSecret of src/base/clock.ts`,
          ),
        ];
  });
}

/** Names that say nothing, in files, folders and declarations, and notes to do something later. */
export function nameProblems(file: SourceFile): Problem[] {
  const found: Problem[] = [];
  for (const part of file.path.split("/")) {
    const word = emptyWordIn(part.replace(/(?:\.test)?\.ts$/, ""));
    if (word !== undefined) found.push(problem(file, 0, `has "${word}" in its path: name the noun it holds`));
  }
  for (const token of file.tokens)
    if ((token.kind === "comment" || token.kind === "doc") && /\b(?:TODO|FIXME|XXX)\b/.test(token.text))
      found.push(problem(file, token.line, "puts work off in a comment: do it, or write an issue"));
  for (const token of declaredNames(file.code)) {
    const word = properNames.has(token.text) ? undefined : emptyWordIn(token.text);
    if (word !== undefined)
      found.push(problem(file, token.line, `the name "${token.text}" has "${word}", which says nothing`));
  }
  return found;
}

const declarationWords = new Set("function const let class interface type".split(" "));

/** The names after `function`, `const`, `class` … at any depth; destructuring takes its names from elsewhere. */
function declaredNames(code: readonly Token[]): Token[] {
  return code.filter((token, index) => {
    const before = code[index - 1];
    if (token.kind !== "word" || before?.kind !== "word" || !declarationWords.has(before.text)) return false;
    // `import { type X }` declares nothing.
    if (before.text === "type" && !["=", "<"].includes(code[index + 1]?.text ?? "")) return false;
    return code[index - 2]?.text !== ".";
  });
}

function emptyWordIn(name: string): string | undefined {
  const words = name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((word) => word !== "");
  return words.find((word) => emptyWords.has(word)) ?? words.slice(-1).find((word) => emptyLastWords.has(word));
}

/** Files above their limit of lines. */
export function sizeProblems(file: SourceFile): Problem[] {
  if (generatedFiles.has(file.path)) return [];
  const lines = file.text.split("\n").length - (file.text.endsWith("\n") ? 1 : 0);
  const isTable = !file.code.some((token) => token.text === "function" || token.text === "=>");
  const limit = isTable || isTest(file.path) ? fileLines.tableOrTest : fileLines.code;
  return lines <= limit
    ? []
    : [problem(file, 0, `has ${lines} lines: the limit is ${limit}; give one part of it a file`)];
}

function problem(file: SourceFile, line: number, message: string): Problem {
  return { path: file.path, line, message };
}
