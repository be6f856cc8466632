import { toFailure, type Failure } from "../../base/errors.ts";
import { printable, type Terminal } from "./terminal.ts";

/** Prints anything thrown as two lines, what failed and what to do next, and returns the exit code. */
export function printFailure(error: unknown, terminal: Terminal): number {
  const failure = toFailure(error);
  const { paint } = terminal;
  terminal.err(`${paint.bad("error:")} ${printable(failure.message)}\n`);
  const hint = hintOf(failure);
  if (hint !== undefined) terminal.err(`${paint.soft("hint:")}  ${printable(hint)}\n`);
  return failure.exit;
}

/** Prints anything thrown as the JSON that a script reads; goes to standard error, as all failures do. */
export function printFailureJson(error: unknown, terminal: Terminal): number {
  const failure = toFailure(error);
  const { code, message, details } = failure;
  const hint = hintOf(failure);
  terminal.err(`${JSON.stringify({ error: { code, message, ...(hint === undefined ? {} : { hint }), details } })}\n`);
  return failure.exit;
}

function hintOf({ code, hint }: Failure): string | undefined {
  return (
    hint ??
    (code === "internal"
      ? "This is a bug. Run again with MINTMARK_LOG_LEVEL=debug and report what it prints"
      : undefined)
  );
}
