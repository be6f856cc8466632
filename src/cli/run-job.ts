import { errorCodes, type ErrorCodeName } from "../base/error-codes.ts";
import { tickMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import type { Job, JobEvent } from "../client/api-types.ts";
import type { Client } from "../client/client.ts";
import type { CommandContext } from "./command.ts";
import { showAmount, showDuration } from "./output/amounts.ts";
import { cut } from "./output/table.ts";
import { printable } from "./output/terminal.ts";

/** How a job is watched. */
interface JobWatch {
  /** What an interrupt does to the job itself; by default it goes on. */
  readonly onInterrupt?: "leave" | "cancel";
}

/**
 * Shows a job while it goes and returns it when it has succeeded.
 *
 * @throws Failure with the code of what made the job fail
 */
export async function runJob(
  context: CommandContext,
  client: Client,
  ...[id, { onInterrupt = "leave" } = {}]: readonly [id: string, watch?: JobWatch]
): Promise<Job> {
  const view = openJobView(context);
  try {
    for await (const { event } of client.followJob(id, { signal: context.stopped })) view.show(event);
  } catch (error) {
    if (context.stopped.aborted && onInterrupt === "cancel") await client.cancelJob(id);
    throw error;
  } finally {
    view.close();
  }
  const job = await client.job(id);
  if (job.state === "succeeded") return job;
  const { code = "internal", message = `The job ended as ${job.state}`, hint } = job.failure ?? {};
  throw new Failure(Object.hasOwn(errorCodes, code) ? (code as ErrorCodeName) : "internal", message, {
    hint: hint ?? `Begin it again with \`mintmark job retry ${id}\``,
    details: { job: id },
  });
}

/** Shows work as it goes. */
export interface JobView {
  show(event: JobEvent["event"]): void;
  close(): void;
}

const clearLine = "\r\u001b[K";
/** Where nobody watches a screen, a phase is one line, and a long one says now and then how far it is. */
const plainLineMs = 5000;

/** Shows the events of work as they come: one live line on a screen, plain lines elsewhere. */
export function openJobView({ terminal, flags }: CommandContext): JobView {
  let phase = "";
  let startedAt = tickMs();
  let spokenAt = -Infinity;
  return {
    show(event) {
      if (flags.quiet === true) return;
      if (isLine(event)) return terminal.err(`${terminal.isLive ? clearLine : ""}${printable(event.line)}\n`);
      if (!isProgress(event)) return;
      if (event.phase !== phase) {
        phase = event.phase;
        startedAt = tickMs();
        spokenAt = -Infinity;
      }
      const now = tickMs();
      const line = `${event.phase}: ${showAmount(event.done, event.total, event.unit)}  ${remaining(event, now - startedAt)}${printable(event.note ?? "")}`;
      if (terminal.isLive) return terminal.err(clearLine + cut(line, terminal.columns - 1));
      if (now - spokenAt < plainLineMs) return;
      spokenAt = now;
      terminal.err(`${line.trimEnd()}\n`);
    },
    close() {
      if (terminal.isLive && phase !== "") terminal.err(clearLine);
    },
  };
}

type Progress = Extract<JobEvent["event"], { readonly total: number }>;
type Line = Extract<JobEvent["event"], { readonly line: string }>;

function isProgress(event: JobEvent["event"]): event is Progress {
  return event.kind === "progress";
}

function isLine(event: JobEvent["event"]): event is Line {
  return event.kind === "line";
}

/** The time left, once there is enough to judge by. */
function remaining({ done, total }: Progress, elapsedMs: number): string {
  if (total <= 0 || done <= 0 || done >= total || elapsedMs < 2000) return "";
  return `${showDuration((elapsedMs / done) * (total - done))} left  `;
}
