import { Failure } from "../../../base/errors.ts";
import type { Value } from "./syntax.ts";

/** A value as text. Source: HCL specification, "Template Expressions": only plain values have one. */
export function textOf(value: Value): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw unfit(value === null ? "null has no text" : "a list or map stands where a text is expected");
}

/** A value as a number; digits in a text count. */
export function numberOf(value: Value): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw unfit(`${JSON.stringify(value)} is not a number`);
}

/** A value as a condition. */
export function isTrue(value: Value): boolean {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  throw unfit(`${JSON.stringify(value)} is neither true nor false`);
}

/** Whether a value is a map. */
export function isMap(value: Value | undefined): value is { readonly [key: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A map of entries, the last one of a key counting; no key is taken for a part of the language. */
export function mapOf(entries: readonly (readonly [string, Value])[]): { readonly [key: string]: Value } {
  const map: Record<string, Value> = Object.create(null) as Record<string, Value>;
  for (const [key, value] of entries) map[key] = value;
  return map;
}

function unfit(state: string): Failure {
  return new Failure("recipe_invalid", `Cannot work out an expression: ${state}`);
}
