import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { errorCodes } from "../src/base/error-codes.ts";
import { referencePages, type ReferencePage } from "./gen-reference.ts";
import { isTest, readSources, report, rootFolder, trackedFiles, type Problem, type SourceFile } from "./tree.ts";

/** Finds reference pages that are not what the code says now. */
export function staleProblems(
  pages: readonly ReferencePage[],
  current: (path: string) => string | undefined,
): Problem[] {
  return pages.flatMap(({ path, text, problem }) => {
    if (text === undefined) return [{ path, line: 0, message: `cannot be made from the code: ${problem}` }];
    const now = current(path);
    if (now === text) return [];
    if (now === undefined) return [{ path, line: 0, message: "is missing: npm run reference" }];
    const [lines, wanted] = [now.split("\n"), text.split("\n")];
    const line = wanted.findIndex((entry, index) => entry !== lines[index]);
    return [
      {
        path,
        line: line === -1 ? wanted.length : line + 1,
        message: "differs from the code from here on: npm run reference",
      },
    ];
  });
}

/** Finds links in Markdown that lead nowhere: to files that are not there, or headings that no longer are. */
export function linkProblems(texts: ReadonlyMap<string, string>, exists: (path: string) => boolean): Problem[] {
  return [...texts].flatMap(([path, text]) =>
    linksOf(text).flatMap(({ target, line }) => {
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return [];
      const [file = "", anchor] = target.split("#");
      const goal = file === "" ? path : posix.join(posix.dirname(path), decodeURIComponent(file));
      if (!exists(goal)) return [{ path, line, message: `links to "${target}", which is not there` }];
      const page = texts.get(goal);
      if (anchor === undefined || page === undefined || anchorsOf(page).has(anchor)) return [];
      return [{ path, line, message: `links to "${target}": ${goal} has no such heading` }];
    }),
  );
}

/** Finds error codes that nothing in src/ uses: the reference would promise what never happens. */
export function unusedCodeProblems(codes: readonly string[], files: readonly SourceFile[]): Problem[] {
  const table = "src/base/error-codes.ts";
  const used = new Set(
    files.flatMap((file) =>
      file.path === table || isTest(file.path)
        ? []
        : file.code.filter((token) => token.kind === "string").map((token) => token.text),
    ),
  );
  return codes
    .filter((code) => !used.has(code))
    .map((code) => ({ path: table, line: 0, message: `the error code "${code}" is never used` }));
}

function linksOf(text: string): { target: string; line: number }[] {
  return withoutCode(text)
    .split("\n")
    .flatMap((content, index) => {
      const inline = content.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g);
      const named = content.matchAll(/^\[[^\]]+\]:\s+<?([^\s>]+)>?/g);
      const html = content.matchAll(/\b(?:src|href)="([^"]+)"/g);
      return [...inline, ...named, ...html].map((found) => ({ target: found[1]!, line: index + 1 }));
    });
}

/** Headings as the anchors that code forges make of them: lower case, no punctuation, spaces to hyphens. */
function anchorsOf(text: string): Set<string> {
  const counts = new Map<string, number>();
  const anchors = withoutFences(text).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm);
  const names = [...anchors].map(([, heading]) => {
    const plain = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-");
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
  return new Set(names);
}

function withoutCode(text: string): string {
  return withoutFences(text).replaceAll(/(`+)[^`\n]+?\1/g, "");
}

/** Blanks fenced code but keeps the count of lines. */
function withoutFences(text: string): string {
  return text.replaceAll(/^(```+|~~~+)[\s\S]*?^\1/gm, (block) => block.replaceAll(/[^\n]/g, ""));
}

if (import.meta.main) {
  const paths = trackedFiles();
  const read = (path: string): string => readFileSync(join(rootFolder, path), "utf8");
  const pages = paths.filter((path) => path.endsWith(".md") && !path.includes("/fixtures/"));
  const exists = (path: string): boolean => existsSync(join(rootFolder, path));
  report("docs", [
    ...staleProblems(await referencePages(), (path) => (exists(path) ? read(path) : undefined)),
    ...linkProblems(new Map(pages.map((path) => [path, read(path)])), exists),
    ...unusedCodeProblems(Object.keys(errorCodes), readSources(paths)),
  ]);
  // The server's modules may keep timers or sockets open; nothing is left to do.
  process.exit();
}
