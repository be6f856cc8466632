import { Copy, DockerfileParser, Run, type From, type Instruction } from "dockerfile-ast";
import { Failure } from "../../base/errors.ts";

/** One instruction of a stage. */
export interface StageInstruction {
  /** In capitals: `RUN`, `COPY` … */
  readonly keyword: string;
  /** Its own text on one line, without comments. */
  readonly text: string;
  /** The line that it begins on, from 1. */
  readonly line: number;
  readonly hasHeredoc: boolean;
}

/** One stage: what follows a FROM. */
export interface Stage {
  readonly name: string | undefined;
  /** What it is from, with arguments filled in: an earlier stage's position, `scratch`, or an image. */
  readonly from: StageSource;
  readonly instructions: readonly StageInstruction[];
}

type StageSource =
  | { readonly kind: "stage"; readonly index: number }
  | { readonly kind: "scratch" }
  | { readonly kind: "image"; readonly reference: string };

/** A Containerfile as far as a build must know it. */
export interface Containerfile {
  readonly stages: readonly Stage[];
  /** Every image that is built on or copied from, each once, in the order of the file. */
  readonly images: readonly string[];
  /** The text for Buildah. */
  rewritten(rewrite: Rewrite): string;
}

/** What is put in the place of addresses. */
interface Rewrite {
  /** The local name of each of {@link Containerfile.images}. */
  readonly nameOf: (reference: string) => string;
  /** Names that every RUN sees as build arguments. */
  readonly args: readonly string[];
  /** What stands for an http address that ADD fetches. */
  readonly addressOf: (url: string) => string;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly make: (rewrite: Rewrite) => string;
}

/**
 * Reads a Containerfile.
 *
 * @param values of build arguments, which FROM lines may name
 * @throws Failure `recipe_invalid` where it has no FROM, names an argument without a value, or has a word of another tool
 */
export function readContainerfile(text: string, values: Readonly<Record<string, string>>): Containerfile {
  const parsed = DockerfileParser.parse(text);
  const site: Site = { text, escape: parsed.getEscapeCharacter(), offsets: lineOffsets(text), values: { ...values } };
  const stages: (Stage & { instructions: StageInstruction[] })[] = [];
  const images = new Set<string>();
  const edits: Edit[] = [];
  for (const instruction of parsed.getInstructions()) {
    const keyword = instruction.getKeyword();
    if (keyword === "FROM") {
      const stage = readFrom(site, instruction as From, stages);
      stages.push(stage);
      if (stage.from.kind === "image") images.add(stage.from.reference);
      edits.push(fromEdit(site, instruction, stage));
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) {
      if (keyword === "ARG") readGlobalArg(site, instruction);
      else throw invalid(instruction, `"${keyword}" stands before the first FROM`);
      continue;
    }
    stage.instructions.push(described(site, instruction));
    for (const found of imageFlags(site, instruction, stages)) {
      images.add(found.reference);
      edits.push(found.edit);
    }
    if (keyword === "ADD" || keyword === "COPY") edits.push(...linkEdits(site, instruction));
    if (keyword === "ADD") edits.push(...addressEdits(site, instruction));
  }
  if (stages.length === 0)
    throw new Failure("recipe_invalid", "Cannot use the Containerfile: it has no FROM", {
      hint: "Begin with `FROM IMAGE`",
    });
  return { stages, images: [...images], rewritten: (rewrite) => applied(text, edits, rewrite) };
}

interface Site {
  readonly text: string;
  readonly escape: string;
  /** Where each line begins. */
  readonly offsets: readonly number[];
  /** Arguments that FROM may name, with those of the file added as they are read. */
  readonly values: Record<string, string>;
}

function lineOffsets(text: string): number[] {
  const offsets = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) offsets.push(at + 1);
  return offsets;
}

function invalid(instruction: Instruction, state: string): Failure {
  return new Failure(
    "recipe_invalid",
    `Cannot use the Containerfile: line ${instruction.getRange().start.line + 1}: ${state}`,
  );
}

function rangeOf({ offsets }: Site, instruction: Instruction): { readonly start: number; readonly end: number } {
  const { start, end } = instruction.getRange();
  return { start: offsets[start.line]! + start.character, end: offsets[end.line]! + end.character };
}

/** The text without line breaks, as it stands in the image's history. */
function described(site: Site, instruction: Instruction): StageInstruction {
  const { start, end } = rangeOf(site, instruction);
  const lines = site.text.slice(start, end).split(/\r?\n/);
  const text = lines
    .filter((line, at) => at === 0 || !/^\s*#/.test(line))
    .map((line) => (line.trimEnd().endsWith(site.escape) ? line.trimEnd().slice(0, -1) : line).trim())
    .filter((line) => line !== "")
    .join(" ");
  const hasHeredoc =
    (instruction instanceof Run || instruction instanceof Copy) && instruction.getHeredocs().length > 0;
  return { keyword: instruction.getKeyword(), text, line: instruction.getRange().start.line + 1, hasHeredoc };
}

function readGlobalArg(site: Site, instruction: Instruction): void {
  for (const argument of instruction.getArguments()) {
    const [name = "", ...rest] = argument.getValue().split("=");
    if (rest.length > 0 && !Object.hasOwn(site.values, name))
      site.values[name] = expanded(site, instruction, rest.join("=").replace(/^(["'])(.*)\1$/, "$2"));
  }
}

/** Fills in `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}`. */
function expanded({ values }: Site, instruction: Instruction, text: string): string {
  let result = "";
  let end = 0;
  for (const match of text.matchAll(/\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::([-+])([^}]*))?\})/g)) {
    const [whole, plain, braced, operator, word = ""] = match;
    const name = plain ?? braced ?? "";
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined && operator === undefined)
      throw invalid(instruction, `the argument "${name}" has no value`);
    const isSet = value !== undefined && value !== "";
    const filled = operator === "-" ? (isSet ? value : word) : operator === "+" ? (isSet ? word : "") : value!;
    result += text.slice(end, match.index) + filled;
    end = match.index + whole.length;
  }
  return result + text.slice(end);
}

/** No stage is built for another platform than the image. */
function requirePlatform(site: Site, instruction: From): void {
  const flag = instruction.getPlatformFlag()?.getValue();
  const wanted = site.values["TARGETPLATFORM"];
  if (flag === undefined || flag === null || wanted === undefined) return;
  const platform = expanded(site, instruction, flag);
  if (platform.replace(/^(linux\/arm64)\/v8$/, "$1") !== wanted)
    throw invalid(
      instruction,
      `FROM wants ${platform}, but every stage is built for the image's own platform, ${wanted}`,
    );
}

function readFrom(
  site: Site,
  instruction: From,
  stages: readonly Stage[],
): Stage & { readonly instructions: StageInstruction[] } {
  const image = instruction.getImage();
  if (image === null || image === "") throw invalid(instruction, "FROM names no image");
  requirePlatform(site, instruction);
  const reference = expanded(site, instruction, image);
  const earlier = stages.findLastIndex(({ name }) => name !== undefined && name === reference.toLowerCase());
  const from: StageSource =
    earlier >= 0
      ? { kind: "stage", index: earlier }
      : reference === "scratch"
        ? { kind: "scratch" }
        : { kind: "image", reference };
  return { name: instruction.getBuildStage()?.toLowerCase(), from, instructions: [] };
}

/** Buildah gets the local name, no platform, and the arguments that each stage must declare anew. */
function fromEdit(site: Site, instruction: Instruction, { name, from }: Stage): Edit {
  return {
    ...rangeOf(site, instruction),
    make({ nameOf, args }) {
      const { values } = site;
      const source =
        from.kind === "image"
          ? nameOf(from.reference)
          : from.kind === "scratch"
            ? "scratch"
            : expanded({ ...site, values }, instruction, (instruction as From).getImage()!);
      const lines = [`FROM ${source}${name === undefined ? "" : ` AS ${name}`}`, ...args.map((arg) => `ARG ${arg}`)];
      return lines.join("\n");
    },
  };
}

/** Images that COPY and RUN take files from. */
function imageFlags(
  site: Site,
  instruction: Instruction,
  stages: readonly Stage[],
): { readonly reference: string; readonly edit: Edit }[] {
  const forms: Readonly<Record<string, RegExp>> = {
    COPY: /(\s--from=)(\S+)/g,
    RUN: /(\s--mount=(?:\S*,)?from=)([^\s,]+)/g,
  };
  const form = forms[instruction.getKeyword()];
  if (form === undefined) return [];
  const { start, end } = rangeOf(site, instruction);
  const head = site.text.slice(start, end);
  return [...head.matchAll(form)].flatMap((match) => {
    const reference = expanded(site, instruction, match[2]!);
    const isStage = /^\d+$/.test(reference) || stages.some(({ name }) => name === reference.toLowerCase());
    if (isStage) return [];
    const at = start + match.index + match[1]!.length;
    return [{ reference, edit: { start: at, end: at + match[2]!.length, make: ({ nameOf }) => nameOf(reference) } }];
  });
}

/** `--link` lets another builder keep layers; the files are the same without. */
function linkEdits(site: Site, instruction: Instruction): Edit[] {
  const { start, end } = rangeOf(site, instruction);
  return [...site.text.slice(start, end).matchAll(/(?<=\s)--link(?:=\w+)?(?=\s)/g)].map((match) => ({
    start: start + match.index,
    end: start + match.index + match[0].length,
    make: () => "",
  }));
}

function addressEdits(site: Site, instruction: Instruction): Edit[] {
  const { start, end } = rangeOf(site, instruction);
  return [...site.text.slice(start, end).matchAll(/(?<=[\s["])https?:\/\/[^\s",]+/g)].map((match) => ({
    start: start + match.index,
    end: start + match.index + match[0].length,
    make: ({ addressOf }) => addressOf(match[0]),
  }));
}

function applied(text: string, edits: readonly Edit[], rewrite: Rewrite): string {
  let result = text;
  for (const { start, end, make } of edits.toSorted((a, b) => b.start - a.start))
    result = result.slice(0, start) + make(rewrite) + result.slice(end);
  return result;
}

/**
 * The stages that the wanted one lies on, the lowest first and itself last.
 *
 * @param target name or position of a stage; the last one where undefined
 * @throws Failure `recipe_invalid` where there is no such stage
 */
export function stageChain({ stages }: Containerfile, target: string | undefined): Stage[] {
  const at =
    target === undefined
      ? stages.length - 1
      : stages.findIndex(({ name }, index) => name === target.toLowerCase() || String(index) === target);
  const chain: Stage[] = [];
  for (let index = at; ;) {
    const stage = stages[index];
    if (stage === undefined)
      throw new Failure(
        "recipe_invalid",
        `Cannot build the stage "${target}": the Containerfile has none of that name`,
      );
    chain.unshift(stage);
    if (stage.from.kind !== "stage") return chain;
    index = stage.from.index;
  }
}
