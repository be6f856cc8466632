import { code, pageHead, table } from "./markdown.ts";

/** The part of OpenAPI 3.1 that the page shows. */
export interface OpenApi {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Body;
  readonly responses?: Readonly<Record<string, Body>>;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Schema;
}

interface Body {
  readonly description?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

const methods = ["get", "head", "post", "put", "patch", "delete"];

/** docs/reference/http-api.md: every operation of the OpenAPI document, then the shapes that they name. */
export function httpApiPage(api: OpenApi): string {
  const about = [
    "The server describes itself at `/openapi.json` (OpenAPI 3.1); this page is made from the same routes. Each path works",
    "as it stands here and under `/api/v1`. Failures are `application/problem+json` with the",
    "[codes of the errors page](errors.md). `/v2` is the registry of the OCI distribution specification and is not listed.",
  ].join("\n");
  const operations = Object.entries(api.paths ?? {}).flatMap(([path, entries]) =>
    methods.flatMap((method) => {
      const operation = entries[method];
      return operation === undefined ? [] : [operationSection(`${method.toUpperCase()} ${path}`, operation)];
    }),
  );
  const shapes = usedShapes(api).flatMap(([name, schema]) => shapeSection(name, schema));
  return [pageHead("HTTP API", about), ...operations, ...(shapes.length === 0 ? [] : ["## Shapes\n", ...shapes])].join(
    "\n",
  );
}

/** The named shapes that operations lead to; generators also name halves that nothing uses. */
function usedShapes(api: OpenApi): [string, Schema][] {
  const schemas = api.components?.schemas ?? {};
  const used = new Set<string>();
  const queue: unknown[] = [api.paths];
  for (let part = queue.pop(); part !== undefined; part = queue.pop())
    for (const [, name = ""] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      queue.push(schemas[name]);
    }
  return Object.entries(schemas).filter(([name]) => used.has(name));
}

function operationSection(title: string, operation: Operation): string {
  const parameters = (operation.parameters ?? []).map((parameter) => [
    code(parameter.name),
    parameter.in,
    `${typeOf(parameter.schema)}${parameter.required === true ? ", required" : ""}`,
    parameter.description ?? parameter.schema?.description ?? "",
  ]);
  const answers = Object.entries(operation.responses ?? {}).map(([status, answer]) => [
    status,
    bodyOf(answer),
    answer.description ?? "",
  ]);
  const texts = [operation.summary, operation.description].filter((text) => text !== undefined && text !== "");
  return [
    `## ${code(title)}\n`,
    ...texts.map((text) => `${text}\n`),
    ...(parameters.length === 0 ? [] : [table(["parameter", "in", "type", "meaning"], parameters)]),
    ...(operation.requestBody === undefined ? [] : [`Takes ${bodyOf(operation.requestBody)}.\n`]),
    ...(answers.length === 0 ? [] : [table(["answer", "body", "meaning"], answers)]),
  ].join("\n");
}

function bodyOf({ content }: Body): string {
  const kinds = Object.entries(content ?? {}).map(([mediaType, { schema }]) =>
    schema?.$ref === undefined && mediaType !== "application/json" ? code(mediaType) : typeOf(schema),
  );
  return [...new Set(kinds)].join(" or ");
}

function shapeSection(name: string, schema: Schema): string[] {
  const rows = Object.entries(schema.properties ?? {}).map(([field, entry]) => [
    code(field),
    `${typeOf(entry)}${schema.required?.includes(field) === true ? "" : ", optional"}`,
    entry.description ?? "",
  ]);
  const body =
    rows.length === 0 ? `${schema.description ?? typeOf(schema)}\n` : table(["field", "type", "meaning"], rows);
  return [`### ${name}\n`, body];
}

/** One line for a schema; named shapes link to their section. */
function typeOf(schema: Schema | undefined): string {
  if (schema === undefined) return "any";
  const name = schema.$ref?.split("/").at(-1);
  if (name !== undefined) return `[${name}](#${name.toLowerCase()})`;
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(", ");
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) return [...new Set(options.map(typeOf))].join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.type === "object" && schema.properties !== undefined)
    return `object of ${Object.keys(schema.properties).map(code).join(", ")}`;
  return typeof schema.type === "string" ? schema.type : (schema.type?.join(" or ") ?? "any");
}
