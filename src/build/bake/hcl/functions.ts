import { createHash } from "node:crypto";
import { RE2JS } from "re2js";
import { Failure } from "../../../base/errors.ts";
import { isMap, isTrue, mapOf, numberOf, textOf } from "./values.ts";
import type { Value } from "./syntax.ts";

type Function = (...args: readonly Value[]) => Value;

/**
 * Calls one of the common functions of bake files.
 *
 * Those that give something else each time (`timestamp`, `uuidv4`) are refused: the image would not be reproducible.
 * Source: go-cty's standard library, and buildx's own `sanitize`.
 *
 * @throws Failure `recipe_invalid`
 */
export function callFunction(name: string, args: readonly Value[], place: string): Value {
  const found = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (found !== undefined) return found(...args.map((arg) => arg ?? null));
  throw new Failure("recipe_invalid", `Cannot call "${name}" at "${place}": ${unknownReason(name)}`);
}

function unknownReason(name: string): string {
  return /^(?:timestamp|uuidv[45]?|uuid)$/.test(name)
    ? "it gives something else each time, and so would the build"
    : "there is no such function";
}

const text = (value: Value | undefined): string => textOf(value ?? null);
const number = (value: Value | undefined): number => numberOf(value ?? null);
const list = (value: Value | undefined): readonly Value[] => {
  if (Array.isArray(value)) return value as readonly Value[];
  throw new Failure("recipe_invalid", "Cannot call a function: a list is expected");
};
const map = (value: Value | undefined): { readonly [key: string]: Value } => {
  if (isMap(value)) return value;
  throw new Failure("recipe_invalid", "Cannot call a function: a map is expected");
};
const isSame = (a: Value | undefined, b: Value | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);
const hash =
  (algorithm: string): Function =>
  (value) =>
    createHash(algorithm).update(text(value)).digest("hex");
const trimSet = (value: Value | undefined, cut: Value | undefined, sides: "both" | "start" | "end"): string => {
  const characters = new Set(text(cut));
  let [from, to] = [0, text(value).length];
  const chars = text(value);
  while (sides !== "end" && from < to && characters.has(chars[from]!)) from++;
  while (sides !== "start" && to > from && characters.has(chars[to - 1]!)) to--;
  return chars.slice(from, to);
};

const functions: Readonly<Record<string, Function>> = {
  abs: (a) => Math.abs(number(a)),
  add: (a, b) => number(a) + number(b),
  and: (a, b) => isTrue(a ?? null) && isTrue(b ?? null),
  base64decode: (a) => Buffer.from(text(a), "base64").toString("utf8"),
  base64encode: (a) => Buffer.from(text(a)).toString("base64"),
  ceil: (a) => Math.ceil(number(a)),
  chomp: (a) => text(a).replace(/[\r\n]+$/, ""),
  chunklist: (a, b) => {
    const size = Math.max(1, number(b));
    return Array.from({ length: Math.ceil(list(a).length / size) }, (_, at) =>
      list(a).slice(at * size, (at + 1) * size),
    );
  },
  coalesce: (...args) => args.find((arg) => arg !== null && arg !== "") ?? null,
  coalescelist: (...args) => args.find((arg) => Array.isArray(arg) && arg.length > 0) ?? [],
  compact: (a) => list(a).filter((item) => item !== null && item !== ""),
  concat: (...args) => args.flatMap((arg) => list(arg)),
  contains: (a, b) => list(a).some((item) => isSame(item, b)),
  distinct: (a) => list(a).filter((item, at, all) => all.findIndex((other) => isSame(other, item)) === at),
  divide: (a, b) => number(a) / number(b),
  element: (a, b) => list(a)[number(b) % list(a).length] ?? null,
  equal: (a, b) => isSame(a, b),
  flatten: (a) => flattened(list(a)),
  floor: (a) => Math.floor(number(a)),
  format: (form, ...args) => formatted(text(form), args),
  formatlist: (form, a) => list(a).map((item) => formatted(text(form), [item])),
  greaterthan: (a, b) => number(a) > number(b),
  greaterthanorequalto: (a, b) => number(a) >= number(b),
  hasindex: (a, b) => (Array.isArray(a) ? number(b) in list(a) : Object.hasOwn(map(a), text(b))),
  indent: (a, b) => text(b).replaceAll("\n", `\n${" ".repeat(number(a))}`),
  index: (a, b) => (Array.isArray(a) ? list(a)[number(b)] : map(a)[text(b)]) ?? null,
  int: (a) => Math.trunc(number(a)),
  join: (a, ...rest) =>
    rest
      .flatMap((one) => list(one))
      .map(textOf)
      .join(text(a)),
  jsondecode: (a) => JSON.parse(text(a)) as Value,
  jsonencode: (a) => JSON.stringify(a),
  keys: (a) => Object.keys(map(a)).sort(),
  length: (a) =>
    typeof a === "string" ? Array.from(a).length : Array.isArray(a) ? a.length : Object.keys(map(a)).length,
  lessthan: (a, b) => number(a) < number(b),
  lessthanorequalto: (a, b) => number(a) <= number(b),
  lookup: (a, b, fallback) => (Object.hasOwn(map(a), text(b)) ? map(a)[text(b)]! : (fallback ?? null)),
  lower: (a) => text(a).toLowerCase(),
  max: (...args) => Math.max(...args.map(number)),
  md5: hash("md5"),
  merge: (...args) => mapOf(args.filter((arg) => arg !== null).flatMap((arg) => Object.entries(map(arg)))),
  min: (...args) => Math.min(...args.map(number)),
  modulo: (a, b) => number(a) % number(b),
  multiply: (a, b) => number(a) * number(b),
  negate: (a) => -number(a),
  not: (a) => !isTrue(a ?? null),
  notequal: (a, b) => !isSame(a, b),
  or: (a, b) => isTrue(a ?? null) || isTrue(b ?? null),
  parseint: (a, b) => Number.parseInt(text(a), number(b)),
  pow: (a, b) => number(a) ** number(b),
  range: (...args) => range(args.map(number)),
  regex_replace: (a, form, by) =>
    RE2JS.compile(text(form)).matcher(text(a)).replaceAll(text(by).replaceAll("${", "$${").replaceAll("$$", "$")),
  regexall: (form, a) => {
    const matcher = RE2JS.compile(text(form)).matcher(text(a));
    const found: string[] = [];
    while (matcher.find()) found.push(matcher.group() ?? "");
    return found;
  },
  replace: (a, from, by) => text(a).replaceAll(text(from), () => text(by)),
  reverse: (a) => Array.from(text(a)).toReversed().join(""),
  reverselist: (a) => list(a).toReversed(),
  sanitize: (a) => text(a).replaceAll(/[^a-zA-Z0-9_-]/g, "_"),
  sethaselement: (a, b) => list(a).some((item) => isSame(item, b)),
  sha1: hash("sha1"),
  sha256: hash("sha256"),
  sha512: hash("sha512"),
  signum: (a) => Math.sign(number(a)),
  slice: (a, from, to) => list(a).slice(number(from), number(to)),
  sort: (a) => list(a).map(textOf).toSorted(),
  split: (a, b) => text(b).split(text(a)),
  strlen: (a) => Array.from(text(a)).length,
  substr: (a, from, length) => {
    const chars = Array.from(text(a));
    const start = number(from) < 0 ? chars.length + number(from) : number(from);
    return chars.slice(start, number(length) < 0 ? undefined : start + number(length)).join("");
  },
  subtract: (a, b) => number(a) - number(b),
  title: (a) => text(a).replaceAll(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (found) => found.toUpperCase()),
  tobool: (a) => isTrue(a ?? null),
  tolist: (a) => list(a),
  tonumber: (a) => number(a),
  toset: (a) => functions["distinct"]!(a ?? null),
  tostring: (a) => text(a),
  trim: (a, cut) => trimSet(a, cut, "both"),
  trimleft: (a, cut) => trimSet(a, cut, "start"),
  trimright: (a, cut) => trimSet(a, cut, "end"),
  trimprefix: (a, b) => (text(a).startsWith(text(b)) ? text(a).slice(text(b).length) : text(a)),
  trimspace: (a) => text(a).trim(),
  trimsuffix: (a, b) => (text(b) !== "" && text(a).endsWith(text(b)) ? text(a).slice(0, -text(b).length) : text(a)),
  upper: (a) => text(a).toUpperCase(),
  urlencode: (a) => encodeURIComponent(text(a)),
  values: (a) =>
    Object.keys(map(a))
      .sort()
      .map((key) => map(a)[key]!),
  zipmap: (a, b) => mapOf(list(a).map((key, at) => [textOf(key), list(b)[at] ?? null])),
};

function flattened(items: readonly Value[]): Value[] {
  return items.flatMap((item) => (Array.isArray(item) ? flattened(item as readonly Value[]) : [item]));
}

function range(args: readonly number[]): number[] {
  const [from, to] = args.length === 1 ? [0, args[0]!] : [args[0]!, args[1]!];
  const step = args[2] ?? (to >= from ? 1 : -1);
  const count = step === 0 ? 0 : Math.max(0, Math.ceil((to - from) / step));
  if (count > 10_000) throw new Failure("recipe_invalid", "Cannot make a range: it has over 10000 numbers");
  return Array.from({ length: count }, (_, at) => from + at * step);
}

/** `%s`, `%d`, `%v`, `%q`, `%f` with a width, and `%%`. */
function formatted(form: string, args: readonly Value[]): string {
  let next = 0;
  return form.replaceAll(/%(?:%|(-?)(0?)(\d*)(?:\.(\d+))?([sdvqfx]))/g, (...found: (string | undefined)[]) => {
    const [whole, left, zero, width, digits, verb] = found;
    if (whole === "%%") return "%";
    const value = args[next++] ?? null;
    const plain = verbText(verb!, value, digits);
    if (left === "-") return plain.padEnd(Number(width));
    return plain.padStart(Number(width), zero === "0" ? "0" : " ");
  });
}

function verbText(verb: string, value: Value, digits: string | undefined): string {
  if (verb === "d") return String(Math.trunc(numberOf(value)));
  if (verb === "f") return numberOf(value).toFixed(digits === undefined ? 6 : Number(digits));
  if (verb === "x") return numberOf(value).toString(16);
  if (verb === "q") return JSON.stringify(textOf(value));
  return typeof value === "object" ? JSON.stringify(value) : textOf(value);
}
