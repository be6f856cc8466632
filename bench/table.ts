import type { Cost } from "./measure.ts";
import { stepsIn } from "./mintmark.ts";
import type { Figure, Scenario } from "./scenario.ts";

/** What came of one scenario: costs of its runs, a figure, or why there is neither. */
export interface Outcome {
  readonly scenario: Scenario;
  readonly costs: readonly Cost[];
  readonly figure?: Figure;
  readonly skipped?: string;
}

/** The median cost by wall time, or undefined where nothing ran. */
export function typical({ costs }: Outcome): Cost | undefined {
  return costs.toSorted((a, b) => a.wallSeconds - b.wallSeconds)[Math.floor((costs.length - 1) / 2)];
}

/** One line a scenario: cost, then the ratio to each peer of the same run, then the bar. */
export function formatTable(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((outcome) => [
    outcome.scenario.name,
    ...cells(outcome),
    ratios(outcome, outcomes).join("  "),
    barText(outcome, outcomes),
    outcome.skipped === undefined ? outcome.scenario.about : `not measured: ${outcome.skipped}`,
  ]);
  const head = ["scenario", "wall", "cpu", "peak", "beside", "bar", ""];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at > 0 && at < 4 ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)))
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(line).join("\n");
}

function cells(outcome: Outcome): [string, string, string] {
  const cost = typical(outcome);
  if (cost !== undefined)
    return [`${cost.wallSeconds.toFixed(1)} s`, `${cost.cpuSeconds.toFixed(1)} s`, megabytes(cost.peakBytes)];
  if (outcome.figure?.unit === "bytes") return ["", "", megabytes(outcome.figure.value)];
  return [outcome.figure === undefined ? "" : `${outcome.figure.value.toFixed(2)} s`, "", ""];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Where the time of our own builds went: one line a scenario, steps of 50 ms and more, and what lies outside of them. */
export function formatSteps(outcomes: readonly Outcome[]): string {
  return outcomes
    .flatMap((outcome) => {
      const cost = typical(outcome);
      const steps = cost === undefined ? undefined : stepsIn(cost.stdout);
      if (cost === undefined || steps === undefined) return [];
      const inSteps = Object.values(steps).reduce((sum, ms) => sum + ms, 0) / 1000;
      const parts = Object.entries(steps).flatMap(([name, ms]) =>
        ms < 50 ? [] : [`${name} ${(ms / 1000).toFixed(2)}`],
      );
      parts.push(`outside ${(cost.wallSeconds - inSteps).toFixed(2)}`);
      return [`${outcome.scenario.name}: ${inSteps.toFixed(2)} s in steps; ${parts.join(", ")}`];
    })
    .join("\n");
}

/** Seconds or bytes of an outcome, whichever it gives. */
export function valueOf(outcome: Outcome | undefined): number | undefined {
  if (outcome === undefined) return undefined;
  return outcome.figure?.value ?? typical(outcome)?.wallSeconds;
}

/** Own value by a peer's; undefined where one of them is missing. */
export function ratioTo(outcome: Outcome, name: string, outcomes: readonly Outcome[]): number | undefined {
  const own = valueOf(outcome);
  const peer = valueOf(outcomes.find(({ scenario }) => scenario.name === name));
  return own === undefined || peer === undefined ? undefined : own / peer;
}

function ratios(outcome: Outcome, outcomes: readonly Outcome[]): string[] {
  return (outcome.scenario.beside ?? []).flatMap((name) => {
    const ratio = ratioTo(outcome, name, outcomes);
    return ratio === undefined ? [] : [`${ratio.toFixed(2)} × ${name}`];
  });
}

function barText(outcome: Outcome, outcomes: readonly Outcome[]): string {
  const { bar, beside = [] } = outcome.scenario;
  const value = valueOf(outcome);
  if (bar === undefined || value === undefined) return "";
  if (bar.limit !== undefined)
    return `${value <= bar.limit ? "met" : "MISSED"} (${outcome.figure?.unit === "bytes" ? megabytes(bar.limit) : `${bar.limit} s`})`;
  const ratio = beside[0] === undefined ? undefined : ratioTo(outcome, beside[0], outcomes);
  return ratio === undefined || bar.ratio === undefined
    ? ""
    : `${ratio <= bar.ratio ? "met" : "MISSED"} (${bar.ratio} ×)`;
}
