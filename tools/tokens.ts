/** One piece of TypeScript source; white space is left out, templates come in chunks between their `${}`. */
export interface Token {
  readonly kind: "word" | "string" | "template" | "number" | "regex" | "doc" | "comment" | "mark";
  /** As written; strings and template chunks without their quotes. */
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * Cuts TypeScript source into tokens, so that rules never trip over words in comments and strings.
 *
 * TypeScript 7 has no compiler interface, and no rule here needs a tree. A slash counts as the start of a regular
 * expression where no value can stand before it; JSX is not understood.
 */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each open `${`, how many braces are open inside it. */
  const templates: number[] = [];
  let at = 0;
  let line = 1;
  function push(kind: Token["kind"], raw: string, text = raw): void {
    if (kind !== "comment" || raw !== "") tokens.push({ kind, text, line });
    at += raw.length;
    for (let i = raw.indexOf("\n"); i !== -1; i = raw.indexOf("\n", i + 1)) line++;
  }
  function pushTemplate(opening: string): void {
    const chunk = match(templateChunk, source, at + opening.length) ?? "";
    const end = source.startsWith("${", at + opening.length + chunk.length) ? "${" : "`";
    push("template", opening + chunk + end, chunk);
    if (end === "${") templates.push(0);
  }
  while (at < source.length) {
    const space = match(/\s+/y, source, at);
    if (space !== undefined) {
      at += space.length;
      line += space.split("\n").length - 1;
      continue;
    }
    const character = source[at]!;
    const inTemplate = templates.length > 0;
    if (character === "`") pushTemplate("`");
    else if (character === "}" && inTemplate && templates.at(-1) === 0) {
      templates.pop();
      pushTemplate("}");
    } else {
      if (character === "{" && inTemplate) templates.push(templates.pop()! + 1);
      if (character === "}" && inTemplate) templates.push(templates.pop()! - 1);
      const found = tokenAt(source, at, tokens);
      push(found.kind, found.raw, found.text);
    }
  }
  return tokens;
}

/** The tokens without comments. */
export function codeOf(tokens: readonly Token[]): Token[] {
  return tokens.filter((token) => token.kind !== "comment" && token.kind !== "doc");
}

const templateChunk = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;
const regexForm = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** Words after which a value begins, so that a slash opens a regular expression. */
const beforeValue = new Set(
  "return typeof case in of delete void throw new else do await yield instanceof default".split(" "),
);

function tokenAt(
  source: string,
  at: number,
  before: readonly Token[],
): { kind: Token["kind"]; raw: string; text: string } {
  const comment = match(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|#![^\n]*/y, source, at);
  if (comment !== undefined)
    return { kind: comment.startsWith("/**") ? "doc" : "comment", raw: comment, text: comment };
  const quoted = match(/"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y, source, at);
  if (quoted !== undefined) return { kind: "string", raw: quoted, text: quoted.slice(1, -1) };
  const word = match(/#?[\p{ID_Start}$_][\p{ID_Continue}$]*/uy, source, at);
  if (word !== undefined) return { kind: "word", raw: word, text: word };
  const number = match(/\d[\w.]*/y, source, at);
  if (number !== undefined) return { kind: "number", raw: number, text: number };
  const regex = valueMayStart(before) ? match(regexForm, source, at) : undefined;
  if (regex !== undefined) return { kind: "regex", raw: regex, text: regex };
  const mark = match(/=>|\.\.\.|\?\.|[\s\S]/uy, source, at)!;
  return { kind: "mark", raw: mark, text: mark };
}

function valueMayStart(before: readonly Token[]): boolean {
  const last = before.findLast((token) => token.kind !== "comment" && token.kind !== "doc");
  if (last === undefined) return true;
  if (last.kind === "word") return beforeValue.has(last.text);
  return last.kind === "mark" && !")]}".includes(last.text);
}

function match(form: RegExp, source: string, at: number): string | undefined {
  form.lastIndex = at;
  return form.exec(source)?.[0];
}
