import { DockerfileParser, type Instruction as AstInstruction } from "dockerfile-ast";
import { shellCommands, type ShellCommand } from "./shell.ts";

/** A flag of an instruction, such as `--from=build`. */
interface Flag {
  readonly name: string;
  readonly value: string;
}

/** One instruction as the rules see it: lines joined, comments gone. */
export interface Instruction {
  /** In capitals. */
  readonly keyword: string;
  /** The first line in the file, from 1. */
  readonly line: number;
  readonly flags: readonly Flag[];
  /** What follows keyword and flags. */
  readonly text: string;
  /** Words of the text, quotes removed; the members of the exec form. */
  readonly words: readonly string[];
  /** Members of the exec form `["a", "b"]`; undefined for any other. */
  readonly exec: readonly string[] | undefined;
  /** Names and values of ENV, ARG and LABEL; an ARG without default has none. */
  readonly pairs: readonly { readonly name: string; readonly value: string | undefined }[];
  /** Commands that RUN, CMD, ENTRYPOINT or a health check start. */
  readonly commands: readonly ShellCommand[];
  /** Position of its stage; -1 before the first FROM. */
  readonly stage: number;
  /** Whether it is what an ONBUILD starts. */
  readonly isTrigger: boolean;
  /** Here documents: name and content. */
  readonly hereDocuments: readonly { readonly name: string; readonly content: string }[];
}

/** A build stage: a FROM and what follows. */
export interface Stage {
  readonly from: Instruction;
  /** As written: name with tag or digest, or the name of another stage. */
  readonly image: string;
  readonly alias: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** A Containerfile as the rules see it. */
export interface ContainerDocument {
  readonly instructions: readonly Instruction[];
  readonly stages: readonly Stage[];
  /** Defaults of the arguments before the first FROM. */
  readonly arguments: ReadonlyMap<string, string>;
  readonly lines: readonly string[];
}

/** Reads a Containerfile; what is no instruction comes with its word as the keyword. */
export function readDocument(text: string): ContainerDocument {
  const parsed = DockerfileParser.parse(text);
  const source = { lines: text.split(/\r?\n/), escape: parsed.getEscapeCharacter() };
  const instructions: Instruction[] = [];
  let stage = -1;
  for (const one of parsed.getInstructions()) {
    if (one.getKeyword() === "FROM") stage++;
    const made = instructionOf(one, { source, stage, isTrigger: false });
    instructions.push(made);
    if (made.keyword === "ONBUILD") instructions.push(triggerOf(made));
  }
  const globals = instructions.filter((one) => one.keyword === "ARG" && one.stage < 0).flatMap((one) => one.pairs);
  return {
    instructions,
    stages: instructions.filter(({ keyword }) => keyword === "FROM").map((from) => stageOf(from, instructions)),
    arguments: new Map(globals.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]))),
    lines: source.lines,
  };
}

function stageOf(from: Instruction, all: readonly Instruction[]): Stage {
  const [image = "", as = "", alias] = from.words;
  return {
    from,
    image,
    alias: as.toUpperCase() === "AS" ? alias : undefined,
    instructions: all.filter(({ stage, keyword }) => stage === from.stage && keyword !== "FROM"),
  };
}

interface Source {
  readonly lines: readonly string[];
  readonly escape: string;
}

interface Place {
  readonly source: Source;
  readonly stage: number;
  readonly isTrigger: boolean;
}

function instructionOf(one: AstInstruction, { source, stage, isTrigger }: Place): Instruction {
  const { start, end } = one.getRange();
  const raw = joinLines(source, { start, end }).slice(one.getInstruction().length).trim();
  const keyword = one.getKeyword();
  const { flags, text } = takeFlags(raw, keyword);
  return fill({ keyword, line: start.line + 1, flags, text, stage, isTrigger });
}

interface Range {
  readonly start: { readonly line: number; readonly character: number };
  readonly end: { readonly line: number };
}

/** Lines that end with the escape character go on; comment lines between them are none of the instruction. */
function joinLines({ lines, escape }: Source, { start, end }: Range): string {
  let text = "";
  let isOpen = true;
  for (let at = start.line; at <= end.line; at++) {
    const line = at === start.line ? lines[at]!.slice(start.character) : (lines[at] ?? "");
    if (isOpen && at > start.line && /^\s*(?:#.*)?$/.test(line)) continue;
    const body = line.trimEnd();
    const goesOn: boolean = isOpen && body.endsWith(escape);
    text += `${text === "" || isOpen ? "" : "\n"}${goesOn ? `${body.slice(0, -1)} ` : line}`;
    isOpen = goesOn;
  }
  return text;
}

const flagged = new Set("FROM RUN COPY ADD HEALTHCHECK".split(" "));

function takeFlags(raw: string, keyword: string): { flags: Flag[]; text: string } {
  const flags: Flag[] = [];
  let text = raw;
  while (flagged.has(keyword)) {
    const match = /^--([a-z-]+)(?:=("[^"]*"|\S*))?(?:\s+|$)/.exec(text);
    if (match === null) break;
    flags.push({ name: match[1]!, value: (match[2] ?? "").replaceAll('"', "") });
    text = text.slice(match[0].length);
  }
  return { flags, text };
}

type Bare = Pick<Instruction, "keyword" | "line" | "flags" | "text" | "stage" | "isTrigger">;

function fill(bare: Bare): Instruction {
  const { keyword, text } = bare;
  const exec = execForm(text);
  return {
    ...bare,
    exec,
    words: exec ?? wordsOf(text.split("\n")[0]!),
    pairs: ["ENV", "ARG", "LABEL"].includes(keyword) ? pairsOf(text) : [],
    hereDocuments: hereDocumentsOf(text),
    commands: commandsOf(keyword, text, exec),
  };
}

function triggerOf({ text, line, stage }: Instruction): Instruction {
  const [, word = "", rest = ""] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const keyword = word.toUpperCase();
  return fill({ keyword, line, stage, isTrigger: true, ...takeFlags(rest, keyword) });
}

function execForm(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((member) => typeof member === "string") ? value : undefined;
  } catch {
    // Docker takes it for the shell form, too.
    return undefined;
  }
}

/** Words with quotes removed; a quoted blank joins. */
function wordsOf(text: string): string[] {
  const found = text.match(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/g) ?? [];
  return found.map((word) => word.replaceAll(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g, "$1$2$3"));
}

function pairsOf(text: string): Instruction["pairs"] {
  const words = wordsOf(text);
  // The old form `ENV name the value`.
  if (words.length > 1 && !words[0]!.includes("="))
    return [{ name: words[0]!, value: text.slice(text.indexOf(words[0]!) + words[0]!.length).trim() }];
  return words.map((word) => {
    const at = word.indexOf("=");
    return at < 0 ? { name: word, value: undefined } : { name: word.slice(0, at), value: word.slice(at + 1) };
  });
}

function hereDocumentsOf(text: string): Instruction["hereDocuments"] {
  const [first = "", ...body] = text.split("\n");
  const found: { name: string; content: string }[] = [];
  for (const [, , name = ""] of first.matchAll(/<<-?(["']?)([A-Za-z_]\w*)\1/g)) {
    const end = body.findIndex((line) => line.replace(/^\t+/, "") === name);
    const taken = body.splice(0, end < 0 ? body.length : end + 1);
    found.push({ name, content: taken.slice(0, end < 0 ? undefined : -1).join("\n") });
  }
  return found;
}

const shells = /^(?:\/\S*\/)?(?:ba|da|z|k|a)?sh$/;

function commandsOf(keyword: string, text: string, exec: readonly string[] | undefined): readonly ShellCommand[] {
  if (keyword === "HEALTHCHECK") {
    const command = text.replace(/^CMD\s+/i, "");
    return commandsOf("CMD", command, execForm(command));
  }
  if (!["RUN", "CMD", "ENTRYPOINT"].includes(keyword)) return [];
  if (exec !== undefined) {
    const [program = "", ...args] = exec;
    if (shells.test(program) && args[0]?.startsWith("-") === true && args[0].includes("c"))
      return shellCommands(args[1] ?? "");
    return [{ program, args, assignments: [], joint: "", depth: 0 }];
  }
  const documents = hereDocumentsOf(text);
  if (documents.length === 0) return shellCommands(text);
  const first = shellCommands(text.split("\n")[0]!.replaceAll(/<<-?(["']?)[A-Za-z_]\w*\1/g, ""));
  const isShell = first.length === 0 || shells.test(first[0]!.program);
  return isShell ? documents.flatMap(({ content }) => shellCommands(content)) : first;
}
