import { Failure } from "../../base/errors.ts";
import { evaluate, inner, type Scope } from "./hcl/evaluate.ts";
import { isTrue, numberOf, textOf } from "./hcl/values.ts";
import type { Value } from "./hcl/syntax.ts";
import type { Definition, FunctionDefinition, VariableDefinition } from "./definition.ts";

/** What an operator gives to a definition. */
export interface Given {
  /** The environment: a variable of the same name takes its value. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The names that expressions of a definition may use: variables, attributes, functions; worked out when first used.
 *
 * @throws Failure `recipe_invalid` where names lead in a circle, or a variable is not what its validation asks for
 */
export function definitionScope(definition: Definition, { environment }: Given): Scope {
  const known = new Map<string, Value>();
  const open = new Set<string>();
  let depth = 0;
  const scope: Scope = {
    value(name) {
      if (known.has(name)) return known.get(name);
      if (open.has(name)) throw invalid(`"${name}" is made from itself`);
      open.add(name);
      const variable = definition.variables.get(name);
      const attribute = definition.attributes.get(name);
      const value =
        variable !== undefined
          ? variableValue(name, variable, { scope, environment })
          : attribute !== undefined
            ? evaluate(attribute, scope)
            : undefined;
      open.delete(name);
      if (value === undefined) return undefined;
      known.set(name, value);
      if (variable !== undefined) checkVariable(name, variable, scope);
      return value;
    },
    call(name, args) {
      const found = definition.functions.get(name);
      if (found === undefined) return undefined;
      if (++depth > callsMax) throw invalid(`"${name}" calls itself without an end`);
      const value = evaluate(found.result, inner(scope, bound(name, found, args)));
      depth--;
      return value;
    },
  };
  return scope;
}

const callsMax = 100;

function invalid(state: string): Failure {
  return new Failure("recipe_invalid", `Cannot use the build definition: ${state}`);
}

interface Site extends Given {
  readonly scope: Scope;
}

/** A text of the environment becomes what the variable's type is, or else its default's. */
function variableValue(name: string, { attributes }: VariableDefinition, { scope, environment }: Site): Value {
  const written = attributes.get("default");
  const fallback = written === undefined ? "" : evaluate(written, scope);
  const given = environment[name];
  const type = attributes.get("type");
  const typeName = type?.kind === "name" || type?.kind === "call" ? type.name : undefined;
  if (given === undefined) return fallback;
  if (typeName === "number" || (typeName === undefined && typeof fallback === "number")) return numberOf(given);
  if (typeName === "bool" || (typeName === undefined && typeof fallback === "boolean"))
    return /^(?:1|t|true)$/i.test(given) ? true : /^(?:0|f|false|)$/i.test(given) ? false : isTrue(given);
  const isList =
    ["list", "set", "tuple"].includes(typeName ?? "") || (typeName === undefined && Array.isArray(fallback));
  return isList ? (given === "" ? [] : given.split(",").map((part) => part.trim())) : given;
}

function checkVariable(name: string, { validations }: VariableDefinition, scope: Scope): void {
  for (const rule of validations) {
    const condition = rule.get("condition");
    if (condition === undefined || isTrue(evaluate(condition, scope))) continue;
    const message = rule.get("error_message");
    throw invalid(
      `the variable "${name}": ${message === undefined ? "its value is not allowed" : textOf(evaluate(message, scope))}`,
    );
  }
}

function bound(name: string, { params, variadic }: FunctionDefinition, args: readonly Value[]): Record<string, Value> {
  if (args.length < params.length || (variadic === undefined && args.length > params.length))
    throw invalid(`"${name}" takes ${params.length} arguments, and gets ${args.length}`);
  const names = Object.fromEntries(params.map((param, at) => [param, args[at]!]));
  return variadic === undefined ? names : { ...names, [variadic]: args.slice(params.length) };
}
