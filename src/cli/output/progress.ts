import { tickMs } from "../../base/clock.ts";
import { stepNames, type ProgressEvent, type StepName } from "../../model/progress.ts";
import { showAmount, showDuration } from "./amounts.ts";
import { cut } from "./table.ts";
import { printable, type Terminal } from "./terminal.ts";

/** Shows a build as it goes; `close` leaves the screen tidy. */
export interface ProgressView {
  show(event: Progress): void;
  close(): void;
}

/** An event of a build; over the wire an absent hint or step is left out. */
type Progress =
  | Exclude<ProgressEvent, { kind: "failed" | "step-progress" }>
  | {
      readonly kind: "step-progress";
      readonly step: StepName;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      readonly note?: string | undefined;
    }
  | {
      readonly kind: "failed";
      readonly step?: StepName | undefined;
      readonly code: string;
      readonly message: string;
      readonly hint?: string | undefined;
    };

/** One live line a step on a screen; one plain line a step elsewhere; nothing where quiet. */
export function openProgress(terminal: Terminal, quiet: boolean): ProgressView {
  if (quiet) return { show: () => undefined, close: () => undefined };
  return terminal.isLive ? openLiveProgress(terminal) : openPlainProgress(terminal);
}

const nameWidth = Math.max(...stepNames.map((name) => name.length));

/** Where nothing can be redrawn, a step that takes long says so at this pace. */
const remindMs = 30_000;

function openPlainProgress(terminal: Terminal): ProgressView {
  let live: Live | undefined;
  const timer = setInterval(() => {
    if (live !== undefined) terminal.err(`${reminder(live)}\n`);
  }, remindMs);
  timer.unref();
  return {
    show(event) {
      live = following(live, event);
      if (event.kind === "step-started") terminal.err(`${event.step}: started\n`);
      if (event.kind === "step-finished") terminal.err(`${event.step}: ${finished(event)}\n`);
      if (event.kind === "log" && isNews(event.line)) terminal.err(`  ${printable(event.line)}\n`);
      if (event.kind === "failed") terminal.err(`${event.step ?? "build"}: failed\n`);
    },
    close: () => clearInterval(timer),
  };
}

/** `resolve: 2/7 instructions, 3 min 05 s: Collecting torch`. */
function reminder({ step, startedAt, done, total, unit, note }: Live): string {
  const amount = unit === "" ? "" : `${showAmount(done, total, unit)}, `;
  const doing = note === "" ? "" : `: ${cut(printable(note), 100)}`;
  return `${step}: ${amount}${showDuration(tickMs() - startedAt)}${doing}`;
}

/** Lines of a build that people must see: what a lock took in anew, and what a sealed build was refused. */
function isNews(line: string): boolean {
  return /^(?:changed: |refused |not in the lock: )/.test(line);
}

function finished(event: Extract<Progress, { kind: "step-finished" }>): string {
  return `${printable(event.summary)} (${event.reused ? "reused, " : ""}${showDuration(event.durationMs)})`;
}

/** The step that is under way. */
interface Live {
  readonly step: StepName;
  readonly startedAt: number;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  /** What it is doing now. */
  readonly note: string;
}

/** The step that is under way after an event. */
function following(live: Live | undefined, event: Progress): Live | undefined {
  if (event.kind === "step-started")
    return { step: event.step, startedAt: tickMs(), done: 0, total: 0, unit: "", note: "" };
  if (event.kind !== "step-progress" && event.kind !== "log") return undefined;
  if (live === undefined || event.step !== live.step) return live;
  if (event.kind === "log") return isNews(event.line) ? live : { ...live, note: event.line };
  const { done, total, unit, note = "" } = event;
  return { ...live, done, total, unit, note };
}

/** A screen follows at this pace; more often would only cost. */
const redrawMs = 80;
/** Goes back to the beginning of a live line and empties it. */
export const clearLine = "\r\u001b[K";

function openLiveProgress(terminal: Terminal): ProgressView {
  let live: Live | undefined;
  const draw = (): void => {
    if (live !== undefined) terminal.err(clearLine + liveLine(live, terminal));
  };
  const timer = setInterval(draw, redrawMs);
  timer.unref();
  const settle = (line: string): void => terminal.err(`${clearLine}${line}\n`);
  return {
    show(event) {
      const { paint } = terminal;
      const { step } = live ?? {};
      live = following(live, event);
      if (event.kind === "log" && isNews(event.line)) terminal.err(`${clearLine}  ${printable(event.line)}\n`);
      else if (event.kind === "step-finished")
        settle(
          `${paint.good("✓")} ${event.step.padEnd(nameWidth)}  ${cut(printable(event.summary), terminal.columns - nameWidth - 22)}  ${paint.soft(ending(event))}`,
        );
      else if (event.kind === "failed") settle(`${paint.bad("✗")} ${event.step ?? step ?? "build"}`);
    },
    close() {
      clearInterval(timer);
      if (live !== undefined) terminal.err(clearLine);
      live = undefined;
    },
  };
}

function ending(event: Extract<Progress, { kind: "step-finished" }>): string {
  return event.reused ? "reused" : showDuration(event.durationMs);
}

const barWidth = 24;

/** `fetch  ███████▌      120/197 packages  4.2 s, 3 s left  note`, never wider than the screen. */
function liveLine(live: Live, { columns, paint }: Terminal): string {
  const elapsedMs = tickMs() - live.startedAt;
  const isCounted = live.total > 0;
  const share = isCounted ? Math.min(live.done / live.total, 1) : 0;
  const amount = live.unit === "" ? "" : `${showAmount(live.done, live.total, live.unit)}  `;
  const time = showDuration(elapsedMs) + leftOf(elapsedMs, share);
  const head = `  ${live.step.padEnd(nameWidth)}  `;
  const bar = isCounted ? `${barOf(share)}  ` : "";
  const rest = cut(`${amount}${time}  ${live.note}`, Math.max(columns - head.length - bar.length - 1, 0));
  return paint.bold(head) + paint.good(bar) + rest;
}

/** The time left, once there is enough to judge by. */
function leftOf(elapsedMs: number, share: number): string {
  if (share < 0.03 || share >= 1 || elapsedMs < 1000) return "";
  return `, ${showDuration(Math.max(1000, Math.round(((elapsedMs / share) * (1 - share)) / 1000) * 1000)).replace(".0 s", " s")} left`;
}

function barOf(share: number): string {
  const eighths = Math.round(share * barWidth * 8);
  const full = Math.floor(eighths / 8);
  const part = eighths % 8 === 0 ? "" : " ▏▎▍▌▋▊▉"[eighths % 8]!;
  return ("█".repeat(full) + part).padEnd(barWidth, "·");
}
