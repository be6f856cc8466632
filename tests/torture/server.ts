import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** A server of its own process, which can be killed. */
export interface KillableServer {
  readonly url: string;
  /** Headers that make their sender the administrator. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ends it as a power cut would, without a word to it. */
  kill(): Promise<void>;
  /** Asks it to stop; gives its exit code. */
  stop(): Promise<number | null>;
}

/** Starts `mintmark serve` on a data folder and waits until it answers; its log goes to `log` beside the folder. */
export async function startServer(dataDir: string): Promise<KillableServer> {
  const log = openSync(`${dataDir}.log`, "a");
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", program, "serve", "--data", dataDir, "--listen", "127.0.0.1:0"],
    {
      stdio: ["ignore", "pipe", log],
      env: {
        ...process.env,
        MINTMARK_LOG_LEVEL: "warn",
        MINTMARK_GC_SCHEDULE: "never",
        MINTMARK_SCRUB_SCHEDULE: "never",
        MINTMARK_SHUTDOWN_SECONDS: "5",
        MINTMARK_LIMITS_REQUESTS_PER_MINUTE_IDENTITY: "0",
      },
    },
  );
  const url = await firstLine(child, `${dataDir}.log`);
  const password = readFileSync(join(dataDir, "admin-password"), "utf8").trim();
  return {
    url,
    headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString("base64")}` },
    async kill() {
      await end(child, "SIGKILL");
    },
    stop: async () => await end(child, "SIGTERM"),
  };
}

async function firstLine(child: ChildProcess, logPath: string): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout!) {
    text += String(chunk);
    const line = text.split("\n", 1)[0]!;
    if (text.includes("\n")) return line;
  }
  throw new Error(`the server ended before it listened:\n${readFileSync(logPath, "utf8").slice(-4000)}`);
}

async function end(child: ChildProcess, signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
  return child.exitCode;
}
