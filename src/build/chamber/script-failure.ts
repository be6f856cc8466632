import { Failure } from "../../base/errors.ts";

/** Lines of a script that failed which a person is shown; they are aligned with the first one. */
const shownLines = 12;

/** Lines that are kept for programs. */
const keptLines = 40;

/**
 * A script or an instruction that failed, with its last lines for a person.
 *
 * @param what for "Cannot run …"
 * @param state how it ended, for behind the colon
 */
export function scriptFailure(what: string, state: string, lines: readonly string[]): Failure {
  const output = lines.filter((line) => line.trim() !== "");
  return new Failure("script_failed", `Cannot run ${what}: ${state}`, {
    hint: output.length === 0 ? "It printed nothing" : output.slice(-shownLines).join("\n       "),
    details: { output: output.slice(-keptLines) },
  });
}
