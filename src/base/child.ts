import { spawn, type SpawnOptions } from "node:child_process";
import { Failure, systemCodeOf } from "./errors.ts";
import { limits } from "./limits.ts";

interface RunOptions {
  readonly cwd?: string;
  /** The whole environment of the child: nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Ends the child with SIGKILL after this many milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called for each line of both outputs as it comes. */
  readonly onLine?: (line: string) => void;
}

interface RunResult {
  /** Exit code; 128 + signal number where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment that children get: a plain path, the C locale, UTC, nothing of ours. */
export const plainEnvironment: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C.UTF-8",
  TZ: "UTC",
};

/**
 * Runs a program to its end and returns what it printed; a non-zero exit is an answer, not an exception.
 *
 * @throws Failure `program_missing` where the program does not exist, `cancelled` on the signal
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const spawnOptions: SpawnOptions = { env: options.env ?? plainEnvironment, stdio: ["pipe", "pipe", "pipe"] };
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
  const child = spawn(program, args, spawnOptions);
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  const stdout = collect(options.onLine);
  const stderr = collect(options.onLine);
  child.stdout!.on("data", stdout.add);
  child.stderr!.on("data", stderr.add);
  child.stdin!.on("error", () => undefined);
  child.stdin!.end(options.input);
  const timer =
    options.timeoutMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
  const stop = (): void => void child.kill("SIGKILL");
  options.signal?.addEventListener("abort", stop);
  child.on("error", (error) => {
    reject(
      systemCodeOf(error) === "ENOENT"
        ? new Failure("program_missing", `Cannot find the program "${program}"`, {
            hint: "Run `mintmark doctor` to see what is missing and how to install it",
            cause: error,
          })
        : error,
    );
  });
  child.on("close", (code, signalName) => {
    if (options.signal?.aborted === true) reject(new Failure("cancelled", `Stopped "${program}" on request`));
    else
      resolve({
        code: code ?? 128 + (signalName === "SIGKILL" ? 9 : 15),
        stdout: stdout.text(),
        stderr: stderr.text(),
      });
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
  }
}

function collect(onLine: ((line: string) => void) | undefined): { add: (chunk: Buffer) => void; text: () => string } {
  const chunks: Buffer[] = [];
  let size = 0;
  let rest = "";
  return {
    add(chunk) {
      if (size < limits.childOutputBytes) chunks.push(chunk);
      size += chunk.length;
      if (onLine === undefined) return;
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    },
    text() {
      if (rest !== "" && onLine !== undefined) onLine(rest);
      return Buffer.concat(chunks).toString("utf8");
    },
  };
}
