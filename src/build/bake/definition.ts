import type { Expression, Block, Body } from "./hcl/syntax.ts";
import { invalidDefinition, parseHcl, parseTemplate } from "./hcl/parse.ts";

/** A build definition of one or several files, laid on each other but not worked out. */
export interface Definition {
  readonly variables: ReadonlyMap<string, VariableDefinition>;
  readonly functions: ReadonlyMap<string, FunctionDefinition>;
  /** Attributes outside of blocks: names for expressions. */
  readonly attributes: ReadonlyMap<string, Expression>;
  readonly groups: ReadonlyMap<string, Attributes>;
  /** What each file says of a target, in the order of the files. */
  readonly targets: ReadonlyMap<string, readonly Attributes[]>;
}

/** Attributes of a block by their name. */
export type Attributes = ReadonlyMap<string, Expression>;

/** A variable: what it is where the environment says nothing. */
export interface VariableDefinition {
  readonly attributes: Attributes;
  readonly validations: readonly Attributes[];
}

/** A function that a file defines. */
export interface FunctionDefinition {
  readonly params: readonly string[];
  readonly variadic: string | undefined;
  readonly result: Expression;
}

/** A file of a definition. */
export interface DefinitionFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Reads the files of a definition, HCL or JSON by their names; later ones go over earlier ones.
 *
 * @throws Failure `recipe_invalid`
 */
export function readDefinition(files: readonly DefinitionFile[]): Definition {
  const definition = {
    variables: new Map<string, VariableDefinition>(),
    functions: new Map<string, FunctionDefinition>(),
    attributes: new Map<string, Expression>(),
    groups: new Map<string, Attributes>(),
    targets: new Map<string, Attributes[]>(),
  };
  for (const { path, text } of files) {
    const body = path.endsWith(".json") ? readJson(text, path) : parseHcl(text, path);
    for (const { name, value } of body.attributes) definition.attributes.set(name, value);
    for (const block of body.blocks) {
      const [label, ...rest] = block.labels;
      if (label === undefined || rest.length > 0)
        throw invalidDefinition(block.place, `a "${block.type}" has one name`);
      const attributes = attributesOf(block.body);
      if (block.type === "variable") addVariable(definition.variables, label, { block, attributes });
      else if (block.type === "function") definition.functions.set(label, functionOf(block, attributes));
      else if (block.type === "group") definition.groups.set(label, attributes);
      else if (block.type === "target")
        definition.targets.set(label, [...(definition.targets.get(label) ?? []), attributes]);
      else throw invalidDefinition(block.place, `"${block.type}" is no kind of block`);
    }
  }
  return definition;
}

function attributesOf({ attributes }: Body): Attributes {
  return new Map(attributes.map(({ name, value }) => [name, value]));
}

interface Found {
  readonly block: Block;
  readonly attributes: Attributes;
}

function addVariable(all: Map<string, VariableDefinition>, name: string, { block, attributes }: Found): void {
  const before = all.get(name);
  const validations = block.body.blocks
    .filter(({ type }) => type === "validation")
    .map(({ body }) => attributesOf(body));
  all.set(name, {
    attributes: new Map([...(before?.attributes ?? []), ...attributes]),
    validations: [...(before?.validations ?? []), ...validations],
  });
}

function functionOf({ labels, place }: Block, attributes: Attributes): FunctionDefinition {
  const result = attributes.get("result");
  if (result === undefined) throw invalidDefinition(place, `the function "${labels[0]}" has no result`);
  const params = attributes.get("params");
  const variadic = attributes.get("variadic_params");
  return {
    params: params?.kind === "list" ? params.items.map(nameOf) : [],
    variadic: variadic === undefined ? undefined : nameOf(variadic),
    result,
  };
}

/** Parameters stand as names in HCL and as texts in JSON. */
function nameOf(expression: Expression): string {
  if (expression.kind === "name") return expression.name;
  return expression.kind === "literal" ? String(expression.value) : "";
}

const blockTypes = new Set(["variable", "function", "group", "target"]);

/** The JSON form of HCL: blocks are objects by type and label, and texts are templates. */
function readJson(text: string, path: string): Body {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidDefinition(path, "it is not JSON");
  }
  if (!isRecord(value)) throw invalidDefinition(path, "it is not a JSON object");
  const blocks: Block[] = [];
  const attributes: { name: string; value: Expression; place: string }[] = [];
  for (const [name, member] of Object.entries(value))
    if (blockTypes.has(name) && isRecord(member))
      for (const [label, content] of Object.entries(member)) blocks.push(jsonBlock(name, label, { content, path }));
    else if (name !== "//") attributes.push({ name, value: jsonExpression(member, path), place: path });
  return { blocks, attributes };
}

interface Content {
  readonly content: unknown;
  readonly path: string;
}

function jsonBlock(type: string, label: string, { content, path }: Content): Block {
  if (!isRecord(content)) throw invalidDefinition(path, `the ${type} "${label}" is not a JSON object`);
  const entries = Object.entries(content);
  const nested = entries.filter(([name]) => type === "variable" && name === "validation");
  const plain = entries.filter(([name]) => type !== "variable" || name !== "validation");
  return {
    type,
    labels: [label],
    place: path,
    body: {
      attributes: plain.map(([name, value]) => ({ name, value: jsonExpression(value, path), place: path })),
      blocks: nested
        .flatMap(([, value]) => (Array.isArray(value) ? (value as unknown[]) : [value]))
        .map((one) => jsonBlock("validation", "", { content: one, path })),
    },
  };
}

function jsonExpression(value: unknown, path: string): Expression {
  if (typeof value === "string") return parseTemplate(value, path);
  if (Array.isArray(value)) return { kind: "list", items: value.map((item) => jsonExpression(item, path)) };
  if (isRecord(value))
    return {
      kind: "map",
      entries: Object.entries(value).map(([key, member]) => [parseTemplate(key, path), jsonExpression(member, path)]),
    };
  return { kind: "literal", value: value as number | boolean | null };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
