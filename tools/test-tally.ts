import { relative } from "node:path";
import { inspect } from "node:util";
import { rootFolder } from "./tree.ts";

/** What one run of node:test came to; only tests without tests of their own count. */
export interface Tally {
  passed: number;
  failed: number;
  readonly skipped: { readonly name: string; readonly reason: string }[];
  readonly slow: { readonly name: string; readonly ms: number }[];
}

/** The part that we read of the events of node:test's reporters. */
export interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly nesting?: number;
    readonly file?: string | undefined;
    readonly line?: number | undefined;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly message?: string;
    readonly details?: { readonly duration_ms?: number; readonly type?: string | undefined; readonly error?: unknown };
  };
}

/** Tests that take longer are listed at the end. */
const slowMs = 1000;
/** What is kept of a file's own output, to be shown with a failure of it. */
const outputCharacters = 20_000;

/** Reads the events of a test run one by one, counts, and says what to print. */
export class TallyReader {
  readonly tally: Tally = { passed: 0, failed: 0, skipped: [], slow: [] };
  /** By file: the count of finished tests at each depth below the next one that ends. */
  readonly #below = new Map<string, number[]>();
  readonly #output = new Map<string, string>();

  /** The text to print for an event; empty for most. */
  read({ type, data }: TestEvent): string {
    const file = data.file ?? "";
    if (type === "test:stdout" || type === "test:stderr") {
      this.#output.set(file, ((this.#output.get(file) ?? "") + (data.message ?? "")).slice(-outputCharacters));
      return "";
    }
    if (type !== "test:pass" && type !== "test:fail") return "";
    const isParent = this.#endsParent(file, data.nesting ?? 0);
    const name = nameOf(data);
    if (type === "test:fail" && (data.todo === undefined || data.todo === false))
      return this.#fail(data, isParent, name);
    if (isParent || data.details?.type === "suite") return "";
    const reason = data.skip ?? (data.todo === undefined ? undefined : "to do");
    if (reason !== undefined && reason !== false) return this.#skip(name, reason === true ? "no reason given" : reason);
    if (isWholeFile(data)) {
      this.tally.failed++;
      return `✖ ${name}: the file holds no test\n`;
    }
    this.tally.passed++;
    const ms = data.details?.duration_ms ?? 0;
    if (ms >= slowMs) this.tally.slow.push({ name, ms });
    return "";
  }

  #fail(data: TestEvent["data"], isParent: boolean, name: string): string {
    const error = data.details?.error;
    // A parent that fails because of its tests adds nothing to what they said.
    if ((isParent || data.details?.type === "suite") && failureTypeOf(error) === "subtestsFailed") return "";
    this.tally.failed++;
    const output = isWholeFile(data) ? (this.#output.get(data.file ?? "") ?? "") : "";
    return `✖ ${name}\n${indent(reasonOf(error))}\n${output === "" ? "" : indent(output.trimEnd()) + "\n"}`;
  }

  #skip(name: string, reason: string): string {
    this.tally.skipped.push({ name, reason });
    return `- skipped: ${name}: ${reason}\n`;
  }

  /** True where tests one level deeper have ended since the last test at this level. */
  #endsParent(file: string, nesting: number): boolean {
    const counts = this.#below.get(file) ?? [];
    this.#below.set(file, counts);
    const isParent = (counts[nesting + 1] ?? 0) > 0;
    counts.length = Math.min(counts.length, nesting + 1);
    counts[nesting] = (counts[nesting] ?? 0) + 1;
    return isParent;
  }
}

/** Node reports a file without tests, or one that could not run, as one test with the file's name. */
function isWholeFile({ name, file, nesting }: TestEvent["data"]): boolean {
  return nesting === 0 && name !== undefined && file !== undefined && (file === name || file.endsWith(`/${name}`));
}

function nameOf(data: TestEvent["data"]): string {
  const file = data.file === undefined ? "" : relative(rootFolder, data.file);
  if (isWholeFile(data)) return file;
  return `${file}${data.line === undefined ? "" : `:${data.line}`} ${data.name ?? ""}`;
}

function failureTypeOf(error: unknown): unknown {
  return error instanceof Error && "failureType" in error ? error.failureType : undefined;
}

/** node:test wraps what a test threw. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return typeof cause === "string" ? cause : inspect(cause, { depth: 6, maxStringLength: 20_000 });
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "    ");
}
