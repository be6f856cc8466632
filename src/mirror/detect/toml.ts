import { Failure } from "../../base/errors.ts";

/** A value of a TOML file; instants stay text. */
type TomlValue = string | number | boolean | readonly TomlValue[] | TomlTable;

/** A table of a TOML file. */
export interface TomlTable {
  readonly [key: string]: TomlValue;
}

type Draft = Record<string, unknown>;

/**
 * Reads what configuration files of clients use of TOML 1.0: tables, arrays of tables, dotted keys, strings of all four
 * kinds, numbers, booleans, arrays and inline tables. Dates are given as their text.
 *
 * @throws Failure `config_invalid` naming the line where the text is something else
 */
export function parseToml(text: string): TomlTable {
  const cursor = new Cursor(text.replaceAll("\r\n", "\n"));
  const root: Draft = Object.create(null) as Draft;
  let table = root;
  for (cursor.skipBlank(); !cursor.isAtEnd(); cursor.skipBlank()) {
    if (cursor.take("[[")) {
      table = appendTable(root, readKey(cursor), cursor);
      cursor.expect("]]");
    } else if (cursor.take("[")) {
      table = tableAt(root, readKey(cursor), cursor);
      cursor.expect("]");
    } else {
      readPair(cursor, table);
    }
    cursor.endLine();
  }
  return root as TomlTable;
}

/** A member of a table that is a table itself; an empty one where it is not. */
export function tableIn(table: TomlTable, key: string): TomlTable {
  const value = table[key];
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as TomlTable) : {};
}

/** A member of a table that is text. */
export function textIn(table: TomlTable, key: string): string | undefined {
  const value = table[key];
  return typeof value === "string" ? value : undefined;
}

/** The tables of a member that is an array of them. */
export function tablesIn(table: TomlTable, key: string): TomlTable[] {
  const value = table[key];
  if (!Array.isArray(value)) return [];
  return value.filter((item): item is TomlTable => item !== null && typeof item === "object" && !Array.isArray(item));
}

class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  take(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  expect(word: string): void {
    this.skipSpaces();
    if (!this.take(word)) throw this.failure(`"${word}" is missing`);
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found[1] ?? found[0];
  }

  skipSpaces(): void {
    this.match(/[ \t]*/y);
  }

  /** Spaces, line ends and comments. */
  skipBlank(): void {
    this.match(/(?:[ \t\n]+|#[^\n]*)*/y);
  }

  endLine(): void {
    this.match(/[ \t]*(?:#[^\n]*)?/y);
    if (!this.isAtEnd() && !this.take("\n")) throw this.failure("the line goes on where it should end");
  }

  failure(reason: string): Failure {
    const line = this.#text.slice(0, this.#at).split("\n").length;
    return new Failure("config_invalid", `Cannot read the TOML file: line ${line}: ${reason}`);
  }
}

function readKey(cursor: Cursor): string[] {
  const parts: string[] = [];
  do {
    cursor.skipSpaces();
    const part = cursor.match(/[A-Za-z0-9_-]+/y) ?? readQuoted(cursor);
    if (part === undefined) throw cursor.failure("a key is missing");
    parts.push(part);
    cursor.skipSpaces();
  } while (cursor.take("."));
  return parts;
}

function readPair(cursor: Cursor, table: Draft): void {
  const key = readKey(cursor);
  cursor.expect("=");
  cursor.skipSpaces();
  tableAt(table, key.slice(0, -1), cursor)[key.at(-1)!] = readValue(cursor);
}

function readValue(cursor: Cursor): unknown {
  const text = readQuoted(cursor);
  if (text !== undefined) return text;
  if (cursor.take("[")) return readList(cursor);
  if (cursor.take("{")) return readInline(cursor);
  const word = cursor.match(/[^\s,\]}#]+/y);
  if (word === undefined) throw cursor.failure("a value is missing");
  if (word === "true" || word === "false") return word === "true";
  const number = Number(word.replaceAll("_", ""));
  return Number.isNaN(number) ? word : number;
}

function readList(cursor: Cursor): unknown[] {
  const items: unknown[] = [];
  for (cursor.skipBlank(); !cursor.take("]"); cursor.skipBlank()) {
    items.push(readValue(cursor));
    cursor.skipBlank();
    if (cursor.take(",")) continue;
    cursor.expect("]");
    break;
  }
  return items;
}

function readInline(cursor: Cursor): Draft {
  const table: Draft = Object.create(null) as Draft;
  for (cursor.skipBlank(); !cursor.take("}"); cursor.skipBlank()) {
    readPair(cursor, table);
    cursor.skipBlank();
    if (cursor.take(",")) continue;
    cursor.expect("}");
    break;
  }
  return table;
}

function readQuoted(cursor: Cursor): string | undefined {
  const long = cursor.match(/"""\n?((?:[^\\]|\\[^])*?)"""/y);
  if (long !== undefined) return unescaped(long.replaceAll(/\\[ \t]*\n\s*/g, ""));
  const literal = cursor.match(/'''\n?([^]*?)'''/y) ?? cursor.match(/'([^'\n]*)'/y);
  if (literal !== undefined) return literal;
  const basic = cursor.match(/"((?:[^"\\\n]|\\.)*)"/y);
  return basic === undefined ? undefined : unescaped(basic);
}

const escapes: Readonly<Record<string, string>> = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r", '"': '"', "\\": "\\" };

function unescaped(text: string): string {
  return text.replaceAll(/\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)/g, (whole) => {
    if (whole.length === 2) return escapes[whole[1]!] ?? whole;
    const code = Number.parseInt(whole.slice(2), 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function tableAt(root: Draft, path: readonly string[], cursor: Cursor): Draft {
  let table = root;
  for (const part of path) {
    const next = (table[part] ??= Object.create(null)) as unknown;
    const inner: unknown = Array.isArray(next) ? next.at(-1) : next;
    if (inner === null || typeof inner !== "object") throw cursor.failure(`"${part}" is no table`);
    table = inner as Draft;
  }
  return table;
}

function appendTable(root: Draft, path: readonly string[], cursor: Cursor): Draft {
  const parent = tableAt(root, path.slice(0, -1), cursor);
  const list = (parent[path.at(-1)!] ??= []) as unknown;
  if (!Array.isArray(list)) throw cursor.failure(`"${path.at(-1)!}" is no array of tables`);
  const table: Draft = Object.create(null) as Draft;
  list.push(table);
  return table;
}
