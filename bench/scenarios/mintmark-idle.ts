import { spawn } from "node:child_process";
import { once } from "node:events";
import { plainEnvironment } from "../../src/base/child.ts";
import { sleep } from "../../src/base/clock.ts";
import { Failure } from "../../src/base/errors.ts";
import { treeBytes } from "../measure.ts";
import { dataFolder, mintmarkMissing, serveCommand } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";

const readyMs = 30_000;
const idleMs = 10_000;

/** Resident memory of the server, with everything on, ten seconds after it is ready. */
export const mintmarkIdle: Scenario = {
  name: "mintmark-idle",
  about: "memory of the idle server",
  bar: { limit: 120_000_000 },
  missing: mintmarkMissing,
  prepare: () => Promise.resolve(),
  async run(ground) {
    const { program, args, env } = serveCommand(ground, dataFolder(ground, "idle"));
    const server = spawn(program, args, { env: { ...plainEnvironment, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    try {
      await ready(server.stdout, server.stderr);
      await sleep(idleMs);
      return { value: treeBytes(server.pid!), unit: "bytes" };
    } finally {
      server.kill("SIGTERM");
      await once(server, "close");
    }
  },
};

/** The server is ready when it prints its address. */
async function ready(...outputs: readonly NodeJS.ReadableStream[]): Promise<void> {
  let text = "";
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Failure("internal", `Cannot measure the idle server: it printed no address in ${readyMs / 1000} s: ${text.trim().slice(-300)}`)), readyMs);
  for (const output of outputs) {
    output.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (/https?:\/\/127\.0\.0\.1:\d+/.test(text)) resolve();
    });
    output.on("end", () => reject(new Failure("internal", `Cannot measure the idle server: it ended: ${text.trim().slice(-300)}`)));
  }
  await promise.finally(() => clearTimeout(timer));
}
