import { readFileSync } from "node:fs";
import { join } from "node:path";
import { adoptOutboundProxy } from "../base/outbound-proxy.ts";
import { processEnvironment } from "../config/environment.ts";
import { printFailure } from "./output/failure-lines.ts";
import { openTerminal } from "./output/terminal.ts";
import { runProgram } from "./program.ts";

/** Runs the command line of this process. */
async function main(): Promise<number> {
  const { stdout, stderr } = process;
  // `mintmark … | head` closes the pipe; that is no failure worth a word.
  for (const stream of [stdout, stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit(0);
    });
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8")) as {
    version: string;
  };
  const environment = processEnvironment();
  adoptOutboundProxy(environment);
  try {
    return await runProgram({
      args: process.argv.slice(2),
      environment,
      stdout,
      stderr,
      stopped: stopSignal(),
      version,
    });
  } catch (error) {
    return printFailure(error, openTerminal({ stdout, stderr, environment, color: false, quiet: true }));
  }
}

/** The first SIGINT or SIGTERM asks for an orderly end, the second ends at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(130);
      stop.abort();
    });
  return stop.signal;
}

process.exitCode = await main();
