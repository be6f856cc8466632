import { errorCodes, type ErrorCodeName } from "./error-codes.ts";

interface FailureOptions {
  /** What the reader can do next; one sentence. */
  readonly hint?: string;
  /** Structured facts; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * A failure that a user or operator can meet.
 *
 * Bugs are plain errors or asserts; denials and failed verifications are answers, not exceptions.
 */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: ErrorCodeName;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCodeName, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  /** HTTP status of the answer. */
  get status(): number {
    return errorCodes[this.code].status;
  }

  /** Exit code of the command line. */
  get exit(): number {
    return errorCodes[this.code].exit;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The operating system's code (`ENOENT`, `ENOSPC`) of an error, or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/**
 * Turns anything thrown into a {@link Failure}: a full disk and a missing program get their own code,
 * the rest is `internal` with its cause kept.
 */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const code = systemCodeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT")
    return new Failure("disk_full", "The disk is full", {
      hint: "Free space in the data folder or move it with --data, then run the command again; nothing half written is kept",
      cause: error,
    });
  return new Failure("internal", messageOf(error), { cause: error });
}
