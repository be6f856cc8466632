import { Failure } from "../../../base/errors.ts";
import { callFunction } from "./functions.ts";
import { isMap, isTrue, mapOf, numberOf, textOf } from "./values.ts";
import type { Expression, Loop, Value } from "./syntax.ts";

/** What names mean where an expression stands. */
export interface Scope {
  /** Undefined for a name that is not known. */
  value(name: string): Value | undefined;
  /** Undefined for a function that the file does not define; the common ones are known anyway. */
  call(name: string, args: readonly Value[]): Value | undefined;
}

/**
 * Works an expression out.
 *
 * @throws Failure `recipe_invalid` for what is not known or does not fit
 */
export function evaluate(expression: Expression, scope: Scope): Value {
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "template":
      return expression.parts.map((part) => textOf(evaluate(part, scope))).join("");
    case "name": {
      const value = scope.value(expression.name);
      if (value === undefined) throw fault(expression.place, `nothing is named "${expression.name}"`);
      return value;
    }
    case "index":
      return indexed(evaluate(expression.of, scope), evaluate(expression.at, scope), expression.place);
    case "splat":
      return splat(evaluate(expression.of, scope), expression.names);
    case "call":
      return called(expression, scope);
    case "list":
      return expression.items.map((item) => evaluate(item, scope));
    case "map":
      return mapOf(expression.entries.map(([key, value]) => [textOf(evaluate(key, scope)), evaluate(value, scope)]));
    case "for":
      return looped(expression.loop, scope);
    case "choice":
      return evaluate(isTrue(evaluate(expression.condition, scope)) ? expression.yes : expression.no, scope);
    case "unary": {
      const value = evaluate(expression.of, scope);
      return expression.operator === "!" ? !isTrue(value) : -numberOf(value);
    }
    case "binary":
      return combined(expression, scope);
  }
}

function fault(place: string | undefined, state: string): Failure {
  return new Failure(
    "recipe_invalid",
    place === undefined ? `Cannot work out an expression: ${state}` : `Cannot work out "${place}": ${state}`,
  );
}

function indexed(of: Value, at: Value, place: string | undefined): Value {
  const found = Array.isArray(of)
    ? (of as readonly Value[])[numberOf(at)]
    : isMap(of) && Object.hasOwn(of, textOf(at))
      ? of[textOf(at)]
      : undefined;
  if (found === undefined) throw fault(place, `there is nothing at "${textOf(at)}"`);
  return found;
}

function splat(of: Value, names: readonly string[]): Value {
  const items = Array.isArray(of) ? (of as readonly Value[]) : of === null ? [] : [of];
  return items.map((item) => names.reduce((value, name) => indexed(value, name, undefined), item));
}

function called({ name, args, spreads, place }: Extract<Expression, { kind: "call" }>, scope: Scope): Value {
  const values = args.map((arg) => evaluate(arg, scope));
  const last = values.at(-1);
  if (spreads && !Array.isArray(last)) throw fault(place, `"${name}" gets no list to spread`);
  const all = spreads ? [...values.slice(0, -1), ...(last as readonly Value[])] : values;
  const own = scope.call(name, all);
  return own === undefined ? callFunction(name, all, place) : own;
}

function looped({ names, over, key, value, condition, groups }: Loop, scope: Scope): Value {
  const source = evaluate(over, scope);
  const pairs: readonly (readonly [Value, Value])[] = Array.isArray(source)
    ? (source as readonly Value[]).map((item, at) => [at, item] as const)
    : isMap(source)
      ? Object.keys(source)
          .sort()
          .map((name) => [name, source[name]!] as const)
      : [];
  const scopes = pairs
    .map(([at, item]) =>
      inner(scope, names.length === 1 ? { [names[0]!]: item } : { [names[0]!]: at, [names[1]!]: item }),
    )
    .filter((one) => condition === undefined || isTrue(evaluate(condition, one)));
  if (key === undefined) return scopes.map((one) => evaluate(value, one));
  const entries = scopes.map((one) => [textOf(evaluate(key, one)), evaluate(value, one)] as const);
  if (!groups) return mapOf(entries);
  return mapOf([...Map.groupBy(entries, ([name]) => name)].map(([name, all]) => [name, all.map(([, one]) => one)]));
}

/** A scope with some names more. */
export function inner(scope: Scope, names: Readonly<Record<string, Value>>): Scope {
  return {
    value: (name) => (Object.hasOwn(names, name) ? names[name] : scope.value(name)),
    call: (name, args) => scope.call(name, args),
  };
}

function combined({ operator, left, right, place }: Extract<Expression, { kind: "binary" }>, scope: Scope): Value {
  const a = evaluate(left, scope);
  // A condition that decides alone spares the other one.
  if (operator === "&&") return isTrue(a) && isTrue(evaluate(right, scope));
  if (operator === "||") return isTrue(a) || isTrue(evaluate(right, scope));
  const b = evaluate(right, scope);
  if (operator === "==" || operator === "!=") return (JSON.stringify(a) === JSON.stringify(b)) === (operator === "==");
  const [x, y] = [numberOf(a), numberOf(b)];
  const arithmetic: Readonly<Record<string, () => Value>> = {
    "+": () => x + y,
    "-": () => x - y,
    "*": () => x * y,
    "/": () => x / y,
    "%": () => x % y,
    "<": () => x < y,
    ">": () => x > y,
    "<=": () => x <= y,
    ">=": () => x >= y,
  };
  if ((operator === "/" || operator === "%") && y === 0) throw fault(place, "nothing is divided by 0");
  return arithmetic[operator]!();
}
