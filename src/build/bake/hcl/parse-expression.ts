import { Failure } from "../../../base/errors.ts";
import type { Expression, Loop } from "./syntax.ts";

/** Binary operators from the loosest to the tightest. */
const levels: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  ["<=", ">=", "<", ">"],
  ["+", "-"],
  ["*", "/", "%"],
];
const depthMax = 200;

/** Reads expressions off a text, from where it stands. Source: HCL Native Syntax Specification, "Expressions". */
export class ExpressionReader {
  readonly #text: string;
  readonly #path: string;
  #at = 0;
  /** How many brackets are open: inside them line ends mean nothing. */
  #open = 0;
  readonly #isWhole: boolean;
  #depth = 0;

  /** @param isWhole false where the text is a part of a file that says nothing of lines */
  constructor(text: string, path: string, isWhole = true) {
    this.#text = text.replaceAll("\r\n", "\n");
    this.#path = path;
    this.#isWhole = isWhole;
  }

  /** `FILE:LINE:COLUMN`, both from 1. */
  get place(): string {
    if (!this.#isWhole) return this.#path;
    const before = this.#text.slice(0, this.#at).split("\n");
    return `${this.#path}:${before.length}:${before.at(-1)!.length + 1}`;
  }

  isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  fault(state: string): Failure {
    return new Failure("recipe_invalid", `Cannot read "${this.place}": ${state}`, {
      hint: "docs/how-to/bake.md says what of HCL is understood",
    });
  }

  sees(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  takes(text: string): boolean {
    const found = this.sees(text);
    if (found) this.#at += text.length;
    return found;
  }

  /** Goes over blanks and comments, and over line ends where they mean nothing. */
  skip(lines: boolean): void {
    const blank =
      lines || this.#open > 0
        ? /(?:\s|(?:#|\/\/)[^\n]*|\/\*[\s\S]*?\*\/)+/y
        : /(?:[^\S\n]|(?:#|\/\/)[^\n]*|\/\*[\s\S]*?\*\/)+/y;
    blank.lastIndex = this.#at;
    this.#at += blank.exec(this.#text)?.[0].length ?? 0;
  }

  word(): string {
    const form = /[\p{L}_][\p{L}\p{N}_-]*/uy;
    form.lastIndex = this.#at;
    const found = form.exec(this.#text)?.[0];
    if (found === undefined) throw this.fault("a name was expected");
    this.#at += found.length;
    return found;
  }

  /** A quoted text without anything to put in. */
  plainString(): string {
    const read = this.#quoted();
    if (read.kind !== "literal") throw this.fault("a plain text was expected");
    return String(read.value);
  }

  expression(): Expression {
    return this.#deeper(() => {
      const condition = this.#binary(0);
      this.skip(false);
      if (!this.takes("?")) return condition;
      const yes = this.expression();
      this.skip(false);
      if (!this.takes(":")) throw this.fault('":" was expected');
      return { kind: "choice", condition, yes, no: this.expression() };
    });
  }

  #deeper(read: () => Expression): Expression {
    if (++this.#depth > depthMax) throw this.fault("expressions lie too deep in each other");
    const expression = read();
    this.#depth--;
    return expression;
  }

  /** Text with `${…}` in it, up to where `isOver` says; escapes are those of here documents: `$${` and `%%{`. */
  template(isOver: () => boolean, unescape?: () => string | undefined): Expression {
    const parts: Expression[] = [];
    let plain = "";
    while (!isOver()) {
      if (this.isAtEnd()) throw this.fault("a text has no end");
      const escaped = unescape?.();
      if (escaped !== undefined) plain += escaped;
      else if (this.sees("$${") || this.sees("%%{")) {
        plain += this.#text.slice(this.#at + 1, this.#at + 3);
        this.#at += 3;
      } else if (this.sees("%{"))
        throw this.fault("template directives are not understood; use a conditional or a for expression");
      else if (this.takes("${")) {
        parts.push({ kind: "literal", value: plain }, this.#interpolated());
        plain = "";
      } else plain += this.#text[this.#at++]!;
    }
    if (parts.length === 0) return { kind: "literal", value: plain };
    const all = [...parts, { kind: "literal", value: plain } as const].filter(
      (part) => part.kind !== "literal" || part.value !== "",
    );
    // `"${x}"` alone is x, of whatever type.
    return all.length === 1 ? all[0]! : { kind: "template", parts: all };
  }

  #interpolated(): Expression {
    this.takes("~");
    const inner = this.#enclosed();
    this.takes("~");
    if (!this.takes("}")) throw this.fault('"}" was expected');
    return inner;
  }

  /** An expression up to the bracket that closes it. */
  #enclosed(): Expression {
    return this.#bracketed(() => {
      const expression = this.expression();
      this.skip(true);
      return expression;
    });
  }

  #bracketed<Result>(read: () => Result): Result {
    this.#open++;
    const result = read();
    this.#open--;
    return result;
  }

  #binary(level: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      this.skip(false);
      const operator = operators.find((one) => this.sees(one));
      if (operator === undefined) return left;
      const { place } = this;
      this.#at += operator.length;
      left = { kind: "binary", operator, left, right: this.#binary(level + 1), place };
    }
  }

  #unary(): Expression {
    this.skip(false);
    for (const operator of ["!", "-"] as const)
      if (this.takes(operator)) return this.#deeper(() => ({ kind: "unary", operator, of: this.#unary() }));
    return this.#postfix(this.#primary());
  }

  #postfix(first: Expression): Expression {
    let of = first;
    for (;;) {
      const { place } = this;
      if (this.takes("[*]") || this.takes(".*")) of = { kind: "splat", of, names: this.#splatNames() };
      else if (this.sees(".") && !this.sees("...")) {
        this.#at++;
        const digits = /\d+/y;
        digits.lastIndex = this.#at;
        const index = digits.exec(this.#text)?.[0];
        if (index !== undefined) this.#at += index.length;
        of = {
          kind: "index",
          of,
          at: { kind: "literal", value: index === undefined ? this.word() : Number(index) },
          place,
        };
      } else if (this.takes("[")) {
        const at = this.#enclosed();
        if (!this.takes("]")) throw this.fault('"]" was expected');
        of = { kind: "index", of, at, place };
      } else return of;
    }
  }

  #splatNames(): string[] {
    const names: string[] = [];
    while (this.sees(".") && !this.sees("...")) {
      this.#at++;
      names.push(this.word());
    }
    return names;
  }

  #primary(): Expression {
    if (this.sees('"')) return this.#quoted();
    if (this.sees("<<")) return this.#hereDocument();
    if (this.takes("(")) {
      const inner = this.#enclosed();
      if (!this.takes(")")) throw this.fault('")" was expected');
      return inner;
    }
    if (this.takes("[")) return this.#list();
    if (this.takes("{")) return this.#map();
    const number = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    number.lastIndex = this.#at;
    const digits = number.exec(this.#text)?.[0];
    if (digits !== undefined) {
      this.#at += digits.length;
      return { kind: "literal", value: Number(digits) };
    }
    return this.#named();
  }

  #named(): Expression {
    const { place } = this;
    const name = this.word();
    if (name === "true" || name === "false") return { kind: "literal", value: name === "true" };
    if (name === "null") return { kind: "literal", value: null };
    if (!this.takes("(")) return { kind: "name", name, place };
    let spreads = false;
    const args = this.#bracketed(() =>
      this.#items(")", () => {
        const arg = this.expression();
        this.skip(true);
        spreads ||= this.takes("...");
        return arg;
      }),
    );
    return { kind: "call", name, args, spreads, place };
  }

  /** Entries up to a closing bracket, which is taken; commas part them, and in a map line ends, too. */
  #items<Item>(close: string, read: () => Item): Item[] {
    const items: Item[] = [];
    for (;;) {
      this.skip(true);
      if (this.takes(close)) return items;
      items.push(read());
      this.skip(true);
      if (!this.takes(",") && !this.sees(close) && close !== "}") throw this.fault(`"," or "${close}" was expected`);
    }
  }

  #list(): Expression {
    return this.#bracketed(() => {
      this.skip(true);
      if (this.#takesFor()) return this.#for("]");
      return { kind: "list", items: this.#items("]", () => this.expression()) };
    });
  }

  #map(): Expression {
    return this.#bracketed(() => {
      this.skip(true);
      if (this.#takesFor()) return this.#for("}");
      return { kind: "map", entries: this.#items("}", () => this.#entry()) };
    });
  }

  /** A bare name is a key; in round brackets it is an expression. A value ends with its line. */
  #entry(): readonly [Expression, Expression] {
    const start = this.#at;
    const bare = /[\p{L}_][\p{L}\p{N}_-]*(?=\s*[=:](?!=))/uy;
    bare.lastIndex = start;
    const name = bare.exec(this.#text)?.[0];
    if (name !== undefined) this.#at += name.length;
    const key: Expression = name === undefined ? this.expression() : { kind: "literal", value: name };
    this.skip(true);
    if (!this.takes("=") && !this.takes(":")) throw this.fault('"=" was expected');
    const open = this.#open;
    this.skip(true);
    this.#open = 0;
    const value = this.expression();
    this.#open = open;
    return [key, value];
  }

  #takesFor(): boolean {
    const form = /for\s/y;
    form.lastIndex = this.#at;
    const found = form.test(this.#text);
    if (found) this.#at += 3;
    return found;
  }

  #for(close: string): Expression {
    const names: string[] = [];
    do {
      this.skip(true);
      names.push(this.word());
      this.skip(true);
    } while (this.takes(","));
    if (this.word() !== "in") throw this.fault('"in" was expected');
    const over = this.expression();
    this.skip(true);
    if (!this.takes(":")) throw this.fault('":" was expected');
    const loop = { names, over, ...this.#forResult(close === "}") };
    this.skip(true);
    if (!this.takes(close)) throw this.fault(`"${close}" was expected`);
    return { kind: "for", loop };
  }

  #forResult(isMap: boolean): Omit<Loop, "names" | "over"> {
    const first = this.expression();
    this.skip(true);
    let value = first;
    if (isMap) {
      if (!this.takes("=>")) throw this.fault('"=>" was expected');
      value = this.expression();
      this.skip(true);
    }
    const groups = this.takes("...");
    this.skip(true);
    const hasCondition = this.sees("if") && /^if\W/.test(this.#text.slice(this.#at, this.#at + 3));
    if (hasCondition) this.#at += 2;
    const condition = hasCondition ? this.expression() : undefined;
    return { key: isMap ? first : undefined, value, groups, condition };
  }

  #quoted(): Expression {
    this.#at++;
    const template = this.template(
      () => this.sees('"'),
      () => {
        if (this.sees("\n")) throw this.fault("a text goes over the end of its line");
        return this.takes("\\") ? this.#escape() : undefined;
      },
    );
    this.#at++;
    return template;
  }

  #escape(): string {
    const char = this.#text[this.#at++] ?? "";
    const known: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };
    if (known[char] !== undefined) return known[char];
    const length = char === "u" ? 4 : char === "U" ? 8 : 0;
    const digits = this.#text.slice(this.#at, this.#at + length);
    if (length === 0 || !/^[0-9a-fA-F]+$/.test(digits) || Number.parseInt(digits, 16) > 0x10ffff)
      throw this.fault(`"\\${char}" means nothing`);
    this.#at += length;
    return String.fromCodePoint(Number.parseInt(digits, 16));
  }

  /** With `<<-` the smallest indentation of all lines is taken away. */
  #hereDocument(): Expression {
    const head = /<<(-?)([\p{L}_][\p{L}\p{N}_-]*)\n/uy;
    head.lastIndex = this.#at;
    const found = head.exec(this.#text);
    if (found === null) throw this.fault("a here document begins with <<NAME and a line end");
    this.#at += found[0].length;
    const end = new RegExp(`^[ \\t]*${found[2]}[ \\t]*(?=\\n|$(?![\\s\\S]))`, "m").exec(this.#text.slice(this.#at));
    if (end === null) throw this.fault(`the here document has no "${found[2]}" at its end`);
    const raw = this.#text.slice(this.#at, this.#at + end.index);
    this.#at += end.index + end[0].length;
    const inner = new ExpressionReader(found[1] === "-" ? unindented(raw) : raw, this.place, false);
    return inner.template(() => inner.isAtEnd());
  }
}

function unindented(text: string): string {
  const lines = text.split("\n");
  const widths = lines.filter((line) => line.trim() !== "").map((line) => /^[ \t]*/.exec(line)![0].length);
  const width = Math.min(...widths, Infinity);
  return lines.map((line) => line.slice(Math.min(width, line.length))).join("\n");
}
