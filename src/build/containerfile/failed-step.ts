import type { Failure } from "../../base/errors.ts";
import { scriptFailure } from "../chamber/script-failure.ts";
import type { StageInstruction } from "./containerfile.ts";

/** An instruction as a message names it. */
export type NamedInstruction = Pick<StageInstruction, "keyword" | "text" | "line">;

/** What Buildah tells before each instruction; stages and steps count from 1. */
export interface Step {
  readonly stage: number;
  readonly number: number;
  readonly total: number;
  readonly text: string;
}

/** Reads a line of Buildah's as the beginning of a step. */
export function stepIn(line: string): Step | undefined {
  const found = /^(?:\[(\d+)\/\d+\] )?STEP (\d+)\/(\d+): (.*)$/.exec(line);
  if (found === null) return undefined;
  const [, stage = "1", number, total, text = ""] = found;
  return { stage: Number(stage), number: Number(number), total: Number(total), text };
}

/** Longer instructions are cut: the line number says which it is. */
const shownText = 120;

/**
 * The failure of a build that Buildah ended, for whoever wrote the Containerfile: the instruction with its line, how it
 * ended, and the last lines that it printed.
 *
 * @param step that was under way; undefined where none had begun
 * @param lines that came since then
 * @param stages instructions of each stage of the Containerfile
 */
export function failedStep(
  step: Step | undefined,
  lines: readonly string[],
  stages: readonly (readonly NamedInstruction[])[],
): Failure {
  const said = lines.findLast((line) => ownComplaint.test(line)) ?? "";
  const output = lines.filter((line) => !isBuildahs(line)).map(plainly);
  const ended = /: exit status (\d+)$/.exec(said)?.[1];
  const signal = lines.flatMap((line) => /^subprocess exited on (\S+)$/.exec(line)?.[1] ?? []).at(0);
  const state =
    signal !== undefined
      ? `it was ended by a signal: ${signal}`
      : ended !== undefined
        ? `it ended with ${ended}`
        : plainly(said) || "Buildah stopped without a word";
  return scriptFailure(named(step, stages), state, output);
}

/** Counted from the end: what comes before may be arguments that we declare, and what the base does ONBUILD. */
function named(step: Step | undefined, stages: readonly (readonly NamedInstruction[])[]): string {
  if (step === undefined) return "the Containerfile";
  const instructions = stages[step.stage - 1] ?? [];
  const found = instructions.at(instructions.length - 1 - (step.total - step.number));
  const isOurs = found !== undefined && step.total - step.number < instructions.length;
  if (!isOurs || !step.text.toUpperCase().startsWith(found.keyword)) return `"${cut(step.text)}"`;
  return `line ${found.line} of the Containerfile, "${cut(found.text)}"`;
}

function cut(text: string): string {
  return text.length <= shownText ? text : `${text.slice(0, shownText - 1)}…`;
}

const ownComplaint = /^Error: (?:building|committing|error building)|^error building/;

/** Buildah's own words, and not the instruction's. */
function isBuildahs(line: string): boolean {
  return ownComplaint.test(line) || /^(?:time="|subprocess exited (?:with status|on) |exit status \d+$)/.test(line);
}

/** Buildah prints its own structures, which hold every variable, before or after what it means. */
function plainly(line: string): string {
  return line
    .trim()
    .replace(/^(?:Error: )?(?:error )?(?:building|committing container) (?:at|for) (?:STEP ".*?"|step \{.*\}): /s, "")
    .replace(/^error while running runtime: /, "")
    .replace(/ ?&imagebuilder\.Step\{.*$/s, "")
    .replace(/\S*\bcopier\.request\{.*\}: /s, "")
    .replace(/process exited with error: exec: not started.*$/, "")
    .replaceAll(/"?\/\S*\/work\/context\/?/g, '"');
}
