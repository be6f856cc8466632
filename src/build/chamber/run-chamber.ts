import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { errorCodes, type ErrorCodeName } from "../../base/error-codes.ts";
import { Failure } from "../../base/errors.ts";
import type { ChamberJob, ChamberMessage } from "./job.ts";
import { startInNamespaces } from "./namespaces.ts";

/** Beside this file, from source as well as in the bundle, where it has a name of its own. */
const program = new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./chamber.js", import.meta.url);

interface ChamberOptions {
  readonly signal: AbortSignal;
  readonly onMessage?: (message: Extract<ChamberMessage, { kind: "progress" | "log" }>) => void;
  readonly onCommand?: (message: Extract<ChamberMessage, { kind: "command" }>) => void;
}

/**
 * Does one job in a chamber of its own and returns its result when all that it started is gone.
 *
 * @throws Failure as the job reports it; `cancelled` on the signal
 */
export async function runChamber(job: ChamberJob, { signal, onMessage, onCommand }: ChamberOptions): Promise<unknown> {
  const child = await startInNamespaces(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    // Whoever is root inside could ask for a debugger's port by that signal.
    "--disable-sigusr1",
    fileURLToPath(program),
  ]);
  const stop = (): void => void child.stdin!.destroy();
  signal.addEventListener("abort", stop);
  let outcome: ChamberMessage | undefined;
  const complaint: string[] = [];
  child.stderr!.on("data", (chunk: Buffer) => void (complaint.length < 100 && complaint.push(chunk.toString("utf8"))));
  child.stdin!.on("error", () => undefined);
  child.stdin!.write(`${JSON.stringify(job)}\n`);
  const ended = new Promise((resolve) => child.once("close", resolve));
  try {
    for await (const line of createInterface({ input: child.stdout! })) {
      const message = JSON.parse(line) as ChamberMessage;
      if (message.kind === "done" || message.kind === "failed") outcome = message;
      else if (message.kind === "command") onCommand?.(message);
      else onMessage?.(message);
    }
    await ended;
  } finally {
    signal.removeEventListener("abort", stop);
    child.stdin!.destroy();
  }
  if (signal.aborted) throw new Failure("cancelled", "Stopped the build on request");
  if (outcome?.kind === "done") return outcome.result;
  if (outcome?.kind === "failed" && outcome.code in errorCodes)
    throw new Failure(outcome.code as ErrorCodeName, outcome.message, {
      ...(outcome.hint === undefined ? {} : { hint: outcome.hint }),
      details: outcome.details ?? {},
    });
  throw new Failure(
    "sandbox_unavailable",
    `The build chamber ended before its work did: ${complaint.join("").trim().split("\n").at(-1) ?? "no message"}`,
    {
      hint: "Run `mintmark doctor`; it tries each namespace and says how to allow it",
      details: { stderr: complaint.join("") },
    },
  );
}
