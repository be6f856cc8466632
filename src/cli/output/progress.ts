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

function openPlainProgress(terminal: Terminal): ProgressView {
  return {
    show(event) {
      if (event.kind === "step-started") terminal.err(`${event.step}: started\n`);
      if (event.kind === "step-finished") terminal.err(`${event.step}: ${finished(event)}\n`);
      if (event.kind === "log" && isNews(event.line)) terminal.err(`  ${printable(event.line)}\n`);
      if (event.kind === "failed") terminal.err(`${event.step ?? "build"}: failed\n`);
    },
    close: () => undefined,
  };
}

/** Lines of a build that people must see: what a lock took in anew, and what a sealed build was refused. */
function isNews(line: string): boolean {
  return /^(?:changed: |refused |not in the lock: )/.test(line);
}

function finished(event: Extract<Progress, { kind: "step-finished" }>): string {
  return `${printable(event.summary)} (${event.reused ? "reused, " : ""}${showDuration(event.durationMs)})`;
}

/** The step that is shown on the live line. */
interface Live {
  readonly step: StepName;
  readonly startedAt: number;
  done: number;
  total: number;
  unit: string;
  note: string;
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
  const settle = (line: string): void => {
    terminal.err(`${clearLine}${line}\n`);
    live = undefined;
  };
  return {
    show(event) {
      const { paint } = terminal;
      if (event.kind === "step-started")
        live = { step: event.step, startedAt: tickMs(), done: 0, total: 0, unit: "", note: "" };
      else if (event.kind === "step-progress" && live?.step === event.step)
        Object.assign(live, { done: event.done, total: event.total, unit: event.unit, note: event.note ?? "" });
      else if (event.kind === "log" && isNews(event.line)) terminal.err(`${clearLine}  ${printable(event.line)}\n`);
      else if (event.kind === "log" && live?.step === event.step) live.note = event.line;
      else if (event.kind === "step-finished")
        settle(
          `${paint.good("✓")} ${event.step.padEnd(nameWidth)}  ${cut(printable(event.summary), terminal.columns - nameWidth - 22)}  ${paint.soft(ending(event))}`,
        );
      else if (event.kind === "failed") settle(`${paint.bad("✗")} ${event.step ?? live?.step ?? "build"}`);
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
