import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { badRequest } from "./refusals.ts";

/** A yes or no in a query, in the forms that Go reads. */
export const flag = z.stringbool({ truthy: ["true", "1", "t"], falsy: ["false", "0", "f"] });

/** What every list takes. A size below 1 stands for as many as a page may have. */
export const listQuery = z.object({
  page: z.coerce
    .number()
    .int()
    .max(1_000_000)
    .default(1)
    .transform((page) => Math.max(1, page)),
  page_size: z.coerce
    .number()
    .int()
    .max(100, "should be less than or equal to 100")
    .default(10)
    .transform((size) => (size < 1 ? 100 : size)),
  q: z.string().max(4000).optional(),
  sort: z.string().max(400).optional(),
});

/** A page in numbers of rows. */
export interface Slice {
  readonly offset: number;
  readonly limit: number;
}

interface PageWish {
  readonly page: number;
  readonly page_size: number;
}

/** The rows of a page. */
export function sliceOf({ page, page_size: size }: PageWish): Slice {
  return { offset: (page - 1) * size, limit: size };
}

/** Sends a page that was counted elsewhere, with `X-Total-Count` and `Link`. */
export async function sendPage(
  reply: FastifyReply,
  { items, total }: { readonly items: readonly unknown[]; readonly total: number },
): Promise<never> {
  const { request } = reply;
  const { page, page_size: size } = request.query as PageWish;
  const links = [
    ...(page > 1 ? [`<${addressOf(request, page - 1, size)}>; rel="prev"`] : []),
    ...(page * size < total ? [`<${addressOf(request, page + 1, size)}>; rel="next"`] : []),
  ];
  if (links.length > 0) reply.header("link", links.join(" , "));
  return await reply.header("x-total-count", String(total)).send(items);
}

/** Sends the page of a list that is wholly known. */
export async function sendSlice<Item>(
  reply: FastifyReply,
  all: readonly Item[],
  shown: (item: Item) => unknown,
): Promise<never> {
  const { offset, limit } = sliceOf(reply.request.query as PageWish);
  return await sendPage(reply, { items: all.slice(offset, offset + limit).map(shown), total: all.length });
}

function addressOf(request: FastifyRequest, page: number, size: number): string {
  const [path = "", query = ""] = request.originalUrl.split("?", 2);
  const words = new URLSearchParams(query);
  words.set("page", String(page));
  words.set("page_size", String(size));
  return `${path}?${words.toString()}`;
}

/** One condition of a `q`. */
export type Match =
  | { readonly kind: "equal"; readonly value: string }
  | { readonly kind: "like"; readonly value: string }
  | { readonly kind: "any"; readonly values: readonly string[] }
  | { readonly kind: "all"; readonly values: readonly string[] }
  | { readonly kind: "range"; readonly min: string | undefined; readonly max: string | undefined };

/** The conditions of a `q` by their keys, which are written without underscores and in small letters. */
export type Conditions = ReadonlyMap<string, Match>;

/**
 * Reads a `q`: `k=v`, `k=~v` for a part, `k=[min~max]`, `k={a b}` for any, `k=(a b)` for all, with commas between.
 *
 * Keys that a list does not know are let be, as Harbor does.
 *
 * @throws Failure `usage`
 */
export function readConditions(text: string | undefined): Conditions {
  const conditions = new Map<string, Match>();
  if (text === undefined || text === "") return conditions;
  for (const part of unescaped(text).split(",")) {
    const at = part.indexOf("=");
    const [key, value] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (at < 1 || key === "" || value === "")
      throw badRequest('the query string must contain "=" and the key/value cannot be empty');
    conditions.set(key.replaceAll("_", "").toLowerCase(), readMatch(value));
  }
  return conditions;
}

/** Some clients escape the words once more. */
function unescaped(text: string): string {
  try {
    return /%[0-9a-f]{2}/i.test(text) ? decodeURIComponent(text) : text;
  } catch {
    return text;
  }
}

function readMatch(value: string): Match {
  const [open = "", close = ""] = [value[0], value.at(-1)];
  const inner = value.slice(1, -1);
  const wrong = (): Error => badRequest(`invalid query string value: ${value.slice(0, 200)}`);
  if (open === "~") return { kind: "like", value: unquoted(value.slice(1)) };
  if (open === "[") {
    const [min = "", max, more] = inner.split("~");
    if (close !== "]" || max === undefined || more !== undefined || (min === "" && max === "")) throw wrong();
    return { kind: "range", min: unquoted(min) || undefined, max: unquoted(max) || undefined };
  }
  if (open !== "{" && open !== "(") return { kind: "equal", value: unquoted(value) };
  if (close !== (open === "{" ? "}" : ")") || value.length < 2) throw wrong();
  const values = (inner.match(/"[^"]*"|'[^']*'|\S+/g) ?? []).map(unquoted);
  if (values.length === 0) throw wrong();
  return { kind: open === "{" ? "any" : "all", values };
}

function unquoted(text: string): string {
  const trimmed = text.trim();
  return /^(["']).*\1$/s.test(trimmed) && trimmed.length > 1 ? trimmed.slice(1, -1) : trimmed;
}

/** Whether a value meets a condition; everything meets none. */
export function meets(match: Match | undefined, value: string | number | boolean): boolean {
  if (match === undefined) return true;
  const text = String(value);
  switch (match.kind) {
    case "equal":
      return text === match.value;
    case "like":
      return text.toLowerCase().includes(match.value.toLowerCase());
    case "any":
      return match.values.includes(text);
    case "all":
      return match.values.every((one) => one === text);
    case "range":
      return isWithin(value, match);
  }
}

function isWithin(value: string | number | boolean, { min, max }: Extract<Match, { kind: "range" }>): boolean {
  if (typeof value !== "number")
    return (min === undefined || String(value) >= min) && (max === undefined || String(value) <= max);
  return (min === undefined || value >= Number(min)) && (max === undefined || value <= Number(max));
}

/** The ends of a range of instants in milliseconds. @throws Failure `usage` where an end is none */
export function instantRange(match: Match | undefined): { readonly since?: number; readonly until?: number } {
  if (match?.kind !== "range") return {};
  const read = (text: string): number => {
    const at = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text.replace(" ", "T")}Z`);
    if (Number.isNaN(at)) throw badRequest(`invalid query string value: "${text.slice(0, 100)}" is not a time`);
    return at;
  };
  return {
    ...(match.min === undefined ? {} : { since: read(match.min) }),
    ...(match.max === undefined ? {} : { until: read(match.max) + 1 }),
  };
}

/** One key of an order. */
export interface SortKey<Field extends string> {
  readonly field: Field;
  readonly isDescending: boolean;
}

/** Reads a `sort`, such as `name,-update_time`; fields that a list does not know are let be. */
export function readSort<Field extends string>(text: string | undefined, fields: readonly Field[]): SortKey<Field>[] {
  return (text ?? "").split(",").flatMap((part) => {
    const name = part.trim().replace(/^-/, "");
    const field = fields.find((one) => one === name);
    return field === undefined ? [] : [{ field, isDescending: part.trim().startsWith("-") }];
  });
}

/** Puts a list that is wholly known into an order; without one it stays. */
export function sorted<Item extends object>(all: readonly Item[], text: string | undefined): Item[] {
  const first = all[0];
  const keys = first === undefined ? [] : readSort(text, Object.keys(first));
  return all.toSorted((a, b) => {
    for (const { field, isDescending } of keys) {
      const [left, right] = [valueOf(a, field), valueOf(b, field)];
      if (left !== right) return left < right === isDescending ? 1 : -1;
    }
    return 0;
  });
}

function valueOf(item: object, field: string): string | number {
  const value: unknown = (item as Record<string, unknown>)[field];
  return typeof value === "number" || typeof value === "string" ? value : String(value);
}
