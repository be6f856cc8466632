import { createInterface } from "node:readline";
import { rename, rm } from "node:fs/promises";
import { run } from "../../base/child.ts";
import { toFailure } from "../../base/errors.ts";
import { importBase, sealedBuild } from "../containerfile/inside.ts";
import { unpack } from "../trees/unpack.ts";
import { runCommands } from "./commands.ts";
import { emulate } from "./emulation.ts";
import { install } from "./install.ts";
import type { ChamberJob, ChamberMessage } from "./job.ts";

/**
 * The program inside the namespaces: reads one job, does it, tells how it goes.
 *
 * Its standard input is its lifeline: when the parent is gone it ends, and with it, as the first process of its
 * pid namespace, everything that it started.
 */
async function main(): Promise<void> {
  process.umask(0o022);
  const lines = createInterface({ input: process.stdin });
  const { promise: first, resolve } = Promise.withResolvers<string>();
  lines.once("line", resolve);
  lines.once("close", () => process.exit(1));
  const job = JSON.parse(await first) as ChamberJob;
  try {
    tell({ kind: "done", result: await carryOut(job) });
  } catch (error) {
    const failure = toFailure(error);
    tell({
      kind: "failed",
      code: failure.code,
      message: failure.message,
      details: { ...failure.details, stack: failure.stack },
      ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    });
  }
  process.stdout.end(() => process.exit(0));
}

async function carryOut(job: ChamberJob): Promise<unknown> {
  if ("architecture" in job && job.architecture !== undefined) await emulate(job.architecture);
  switch (job.kind) {
    case "try":
      return undefined;
    case "unpack":
      return await unpackAll(job);
    case "install":
      return await install(job, tell);
    case "commands":
      return await runCommands(job, tell);
    case "remove":
      return await rm(job.path, { recursive: true, force: true });
    case "import-base":
      return await importBase(job);
    case "sealed-build":
      return await sealedBuild(job, tell);
  }
}

/** Two archives at a time: xz runs beside us. Trees become visible only once their bytes are on disk. */
async function unpackAll(job: Extract<ChamberJob, { kind: "unpack" }>): Promise<void> {
  let done = 0;
  for (const { name, debPath, folder } of job.archives) {
    try {
      await unpack(debPath, `${folder}.new`);
    } catch (error) {
      const failure = toFailure(error);
      failure.message = failure.message.replace("the package:", `the package "${name}":`);
      throw failure;
    }
    tell({ kind: "progress", done: ++done, total: job.archives.length, note: name });
  }
  const last = job.archives.at(-1);
  if (last !== undefined) await run("sync", ["--file-system", `${last.folder}.new`]);
  for (const { folder } of job.archives) await rename(`${folder}.new`, folder);
}

function tell(message: ChamberMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

await main();
