import { runProgram } from "../../src/cli/program.ts";

/** What a command printed, and its exit code. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `mintmark` in this process on a data folder; the server of that folder answers where one runs. */
export async function mintmark(dataDir: string, ...args: readonly string[]): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram({
    args: [...args, "--data", dataDir],
    environment: { MINTMARK_LOG_LEVEL: "silent" },
    stdout: { write: (text: string) => out.push(text) > 0 },
    stderr: { write: (text: string) => err.push(text) > 0 },
    stopped: new AbortController().signal,
    version: "0.0.0",
  });
  return { code, out: out.join(""), err: err.join("") };
}
