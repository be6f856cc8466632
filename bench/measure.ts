import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { plainEnvironment } from "../src/base/child.ts";
import { tickMs } from "../src/base/clock.ts";

/** A program to run, as `run` of a scenario gives it. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** What one run cost. */
export interface Cost {
  readonly wallSeconds: number;
  /** User and system time of the program and all children that were waited for. */
  readonly cpuSeconds: number;
  /** The largest sum of resident memory over the process tree, sampled every 50 ms; shared pages count in each. */
  readonly peakBytes: number;
  readonly code: number;
  /** The end of what it printed to standard output. */
  readonly stdout: string;
  /** The end of all that it printed. */
  readonly output: string;
}

/** The shell prints what it and its waited-for children used; nothing has to be installed for that. */
const timed = '"$@" 3>&-\ncode=$?\ntimes >&3\nexit $code';

/** Runs a command and reports its wall time, the CPU time and the memory of its process tree. */
export async function measure({ program, args, env, cwd }: Command): Promise<Cost> {
  const start = tickMs();
  const child = spawn("/bin/sh", ["-c", timed, "sh", program, ...args], {
    env: { ...plainEnvironment, ...env },
    cwd,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let peakBytes = 0;
  const sampler = setInterval(() => (peakBytes = Math.max(peakBytes, treeBytes(child.pid!))), 50);
  const [times, ...printed] = [child.stdio[3], child.stdout, child.stderr].map((stream) =>
    tail(stream as NodeJS.ReadableStream),
  );
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return {
      wallSeconds: (tickMs() - start) / 1000,
      cpuSeconds: childSeconds(times!()),
      peakBytes,
      code: code ?? 1,
      stdout: printed[0]!(),
      output: printed
        .map((text) => text())
        .join("\n")
        .trim(),
    };
  } finally {
    clearInterval(sampler);
  }
}

/** Resident bytes of a process and all below it now. */
export function treeBytes(pid: number): number {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(/^\d+ \(.*\) \S (\d+)/s.exec(read(`/proc/${name}/stat`))?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  let bytes = 0;
  for (const queue = [pid]; queue.length > 0;) {
    const next = queue.pop()!;
    bytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${next}/status`))?.[1] ?? 0) * 1024;
    queue.push(...(children.get(next) ?? []));
  }
  return bytes;
}

/** A process may end between being listed and being read. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Reads the second line of `times`: user and system time of the children, as `1m2.5s 0m3.1s`. */
function childSeconds(text: string): number {
  const values = [...(text.trim().split("\n").at(-1) ?? "").matchAll(/(\d+)m([\d.]+)s/g)];
  return values.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}

function tail(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => (text = (text + chunk.toString("utf8")).slice(-20_000)));
  return () => text;
}

/** The line of an output that says why a program failed: the last that speaks of an error, or else the last. */
export function reasonIn(output: string): string {
  const lines = output.trim().split("\n");
  return lines.findLast((line) => /^(?:e|error)\b/i.test(line)) ?? lines.at(-1) ?? "";
}
