import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { codeOf, tokensOf, type Token } from "./tokens.ts";

/** One thing that a checker found. */
export interface Problem {
  readonly path: string;
  /** Counted from 1; 0 for the whole file. */
  readonly line: number;
  readonly message: string;
}

/** One TypeScript file, cut into tokens. */
export interface SourceFile {
  /** From the checkout's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly tokens: readonly Token[];
  /** The tokens without comments. */
  readonly code: readonly Token[];
  readonly imports: readonly Import[];
}

/** One import, export-from or import(). */
export interface Import {
  readonly from: string;
  readonly line: number;
  /** `type`: erased before running; `lazy`: import(); `reexport`: export … from. */
  readonly kind: "static" | "type" | "lazy" | "reexport";
}

/** The folder of the checkout. */
export const rootFolder: string = resolve(import.meta.dirname, "..");

/** The files that git knows or would add, from the root, sorted; deleted ones left out. */
export function trackedFiles(): string[] {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: rootFolder,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const paths = listed.split("\0").filter((path) => path !== "" && existsSync(join(rootFolder, path)));
  return [...new Set(paths)].filter((path) => statSync(join(rootFolder, path)).isFile()).toSorted();
}

/** Reads the TypeScript files among paths; fixtures are not ours to judge. */
export function readSources(paths: readonly string[]): SourceFile[] {
  return paths
    .filter((path) => path.endsWith(".ts") && !path.includes("/fixtures/"))
    .map((path) => sourceFile(path, readFileSync(join(rootFolder, path), "utf8")));
}

/** Cuts one file into tokens and finds its imports. */
export function sourceFile(path: string, text: string): SourceFile {
  const tokens = tokensOf(text);
  const code = codeOf(tokens);
  return { path, text, tokens, code, imports: importsOf(code) };
}

/** Prints what was found, sorted by place, and sets the exit code. */
export function report(checker: string, problems: readonly Problem[]): void {
  const sorted = problems.toSorted((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1));
  for (const { path, line, message } of sorted) console.log(`${path}${line > 0 ? `:${line}` : ""}: ${message}`);
  if (problems.length === 0) return;
  console.log(`${checker}: ${problems.length} ${problems.length === 1 ? "problem" : "problems"}`);
  process.exitCode = 1;
}

/** True where `path` holds tests. */
export function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.startsWith("tests/");
}

function importsOf(code: readonly Token[]): Import[] {
  const found: Import[] = [];
  code.forEach((token, index) => {
    if (token.kind !== "word" || code[index - 1]?.text === ".") return;
    if (token.text !== "import" && token.text !== "export") return;
    const next = code[index + 1];
    const isLazy = token.text === "import" && next?.text === "(";
    const target = isLazy ? code[index + 2] : sourceOf(code, index);
    if (target?.kind !== "string") return;
    const isType = next?.text === "type" && code[index + 2]?.text !== "from" && code[index + 2]?.text !== ",";
    const kind = isLazy ? "lazy" : token.text === "export" ? "reexport" : isType ? "type" : "static";
    found.push({ from: target.text, line: token.line, kind });
  });
  return found;
}

/** The string after `from`, or after a bare `import`; undefined for an export of something declared here. */
function sourceOf(code: readonly Token[], index: number): Token | undefined {
  let at = index + 1;
  if (code[index]!.text === "import" && code[at]?.kind === "string") return code[at];
  if (code[at]?.text === "type") at++;
  for (; at < code.length; at++) {
    const token = code[at]!;
    if (token.text === "from" && code[at + 1]?.kind === "string") return code[at + 1];
    const isList = token.kind === "word" || ["{", "}", ",", "*"].includes(token.text);
    const isDeclaration = token.kind === "word" && declarations.has(token.text);
    if (!isList || isDeclaration) return undefined;
    if (token.text === "}" && code[at + 1]?.text !== "from") return undefined;
  }
  return undefined;
}

const declarations = new Set("function const let var class interface enum namespace abstract async default".split(" "));
