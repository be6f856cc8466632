import { tokensOf, type Token } from "../tokens.ts";
import { code, pageHead, table } from "./markdown.ts";

/** The part of JSON Schema (2020-12) that zod writes for a recipe. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly additionalProperties?: Schema | boolean;
}

interface Row {
  readonly path: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

/**
 * docs/reference/image-yaml.md: every key of a recipe.
 *
 * @param schema JSON Schema of what a user writes
 * @param source the TypeScript of the schema, whose doc comments say what the keys mean
 */
export function imageYamlPage(schema: Schema, source: string): string {
  const comments = commentsOf(tokensOf(source));
  const rows = rowsOf(schema, "").map(({ path, schema: field, isRequired }) => [
    code(path),
    typeOf(field),
    isRequired ? "required" : field.default === undefined ? "" : code(JSON.stringify(field.default)),
    comments.get(path.replaceAll("[]", "")) ?? "",
  ]);
  const about = [
    "A recipe is a folder with an `image.yaml`. These are its keys; others are refused. `files[].source` names a file",
    "of that folder. What a list's entries hold stands with `[]`.",
  ].join("\n");
  return `${pageHead("image.yaml", about)}\n${table(["key", "type", "default", "meaning"], rows)}`;
}

function rowsOf(schema: Schema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    const isRequired = schema.required?.includes(name) === true && field.default === undefined;
    const nested = field.items?.properties === undefined ? rowsOf(field, path) : rowsOf(field.items, `${path}[]`);
    return [{ path, schema: field, isRequired }, ...nested];
  });
}

function typeOf(schema: Schema): string {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(" or ");
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(", ");
  if (schema.type === "array") return `list of ${schema.items === undefined ? "values" : typeOf(schema.items)}`;
  if (schema.type === "object") return schema.properties === undefined ? "mapping of text" : "mapping";
  const bounds = schema.type === "integer" ? boundsOf(schema) : "";
  return `${schema.type === "string" ? "text" : (schema.type ?? "any")}${bounds}`;
}

function boundsOf({ minimum, maximum }: Schema): string {
  const isBounded = minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  return isBounded ? ` ${minimum} to ${maximum}` : "";
}

/** The doc comment before each `key:` of nested object literals, by the key's path. */
function commentsOf(tokens: readonly Token[]): Map<string, string> {
  const comments = new Map<string, string>();
  /** The key that each open brace belongs to; braces before the first key are the schema itself. */
  const open: string[] = [];
  let lastKey = "";
  tokens.forEach((token, index) => {
    if (token.text === "{" && token.kind === "mark") open.push(lastKey);
    else if (token.text === "}" && token.kind === "mark") lastKey = open.pop() ?? "";
    else if (token.kind === "word" && tokens[index + 1]?.text === ":" && open.length > 0) {
      const path = [...open, token.text].filter((part) => part !== "").join(".");
      const doc = tokens[index - 1];
      if (doc?.kind === "doc") comments.set(path, plainText(doc.text));
      lastKey = token.text;
    }
    if (open.length === 0) lastKey = "";
  });
  return comments;
}

function plainText(doc: string): string {
  return doc.replaceAll(/^\/\*\*|\*\/$|^\s*\*(?!\/)/gm, "").trim();
}
