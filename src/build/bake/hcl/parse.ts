import { Failure } from "../../../base/errors.ts";
import { ExpressionReader } from "./parse-expression.ts";
import type { Attribute, Block, Body, Expression } from "./syntax.ts";

/**
 * Reads the subset of HCL 2 that build definitions use: blocks, attributes, and all expressions but template directives.
 *
 * Source: HCL Native Syntax Specification.
 *
 * @throws Failure `recipe_invalid` with file, line and column
 */
export function parseHcl(text: string, path: string): Body {
  const reader = new ExpressionReader(text, path);
  const body = readBody(reader, 0);
  if (!reader.isAtEnd()) throw reader.fault("a block or an attribute was expected");
  return body;
}

/** Reads a text as a template, as strings of the JSON form are. */
export function parseTemplate(text: string, path: string): Expression {
  const reader = new ExpressionReader(text, path, false);
  const template = reader.template(() => reader.isAtEnd());
  return template;
}

const depthMax = 50;

function readBody(reader: ExpressionReader, depth: number): Body {
  if (depth > depthMax) throw reader.fault("blocks lie too deep in each other");
  const attributes: Attribute[] = [];
  const blocks: Block[] = [];
  for (;;) {
    reader.skip(true);
    if (reader.isAtEnd() || reader.sees("}")) return { attributes, blocks };
    const { place } = reader;
    const name = reader.sees('"') ? reader.plainString() : reader.word();
    reader.skip(false);
    if (reader.takes("=")) {
      attributes.push({ name, value: reader.expression(), place });
      reader.skip(false);
      if (!reader.isAtEnd() && !reader.sees("\n") && !reader.sees("}")) throw reader.fault("a line end was expected");
      continue;
    }
    blocks.push(readBlock(reader, { type: name, place, depth }));
  }
}

interface Head {
  readonly type: string;
  readonly place: string;
  readonly depth: number;
}

function readBlock(reader: ExpressionReader, { type, place, depth }: Head): Block {
  const labels: string[] = [];
  while (!reader.takes("{")) {
    labels.push(reader.sees('"') ? reader.plainString() : reader.word());
    reader.skip(false);
  }
  const body = readBody(reader, depth + 1);
  if (!reader.takes("}")) throw reader.fault('"}" was expected');
  return { type, labels, body, place };
}

/** The failure of a definition that cannot be used. */
export function invalidDefinition(path: string, state: string, hint?: string): Failure {
  return new Failure("recipe_invalid", `Cannot use "${path}": ${state}`, hint === undefined ? {} : { hint });
}
