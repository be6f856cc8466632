import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { nowIso, sleep, tickMs } from "../../src/base/clock.ts";
import { writeFileAtomic } from "../../src/base/files.ts";
import { residentBytesOf } from "../registry/contenders.ts";
import { type LoadResult, openLoadClient, runLoad } from "../registry/load.ts";
import { type MirrorContender, startOurs, startVerdaccio } from "./contenders.ts";
import { type BenchUpstream, openBenchUpstream, packages } from "./upstream.ts";

/** How mirrors are measured, and where the results go. */
export interface MirrorBench {
  /** How often each side runs a scenario; the best run counts. */
  readonly runs: number;
  readonly out: string | undefined;
}

interface Scenario {
  readonly name: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly count: number;
  readonly width: number;
  readonly measure: "requests" | "bytes";
}

interface Measured {
  readonly scenario: string;
  readonly side: MirrorContender["name"];
  readonly result: LoadResult;
  readonly measure: Scenario["measure"];
}

const coldCount = 100;
const idleMs = 10_000;
const abbreviated = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

/** Measures our mirror beside Verdaccio before one upstream, and prints ratios. */
export async function benchMirror({ runs, out }: MirrorBench): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "mintmark-bench-mirror-"));
  const upstream = await openBenchUpstream();
  const contenders: MirrorContender[] = [];
  try {
    for (const start of [startOurs, startVerdaccio])
      contenders.push(await start(join(work, String(contenders.length)), upstream.url));
    await sleep(idleMs);
    const idle = contenders.map(({ name, pid }) => ({ name, bytes: residentBytesOf(pid) }));
    const loadBefore = loadavg()[0]!;
    const cold = [];
    for (const contender of contenders) cold.push(await askCold(contender, upstream));
    const measured: Measured[] = [];
    for (const scenario of scenariosOf(upstream))
      for (const contender of contenders) measured.push(await measureBest(contender, scenario, runs));
    const after = contenders.map(({ name, pid }) => ({ name, bytes: residentBytesOf(pid) }));
    print({ cold, measured, idle, after });
    console.log(
      `load before ${loadBefore.toFixed(2)}, after ${loadavg()[0]!.toFixed(2)}; this program's own work is in it`,
    );
    if (out !== undefined)
      await writeFileAtomic(
        out,
        `${JSON.stringify({ at: nowIso(), loadBefore, idle, after, cold, measured }, undefined, 2)}\n`,
      );
  } finally {
    for (const contender of contenders) await contender.stop();
    await upstream.close();
    await rm(work, { recursive: true, force: true });
  }
}

function scenariosOf({ tarballs }: BenchUpstream): Scenario[] {
  const { small, large } = packages;
  const npm = { accept: abbreviated, "accept-encoding": "gzip" };
  const whole = { accept: "application/json" };
  return [
    { name: `${small}, as npm asks`, path: `/${small}`, headers: npm, count: 400, width: 8, measure: "requests" },
    { name: `${small}, whole`, path: `/${small}`, headers: whole, count: 200, width: 8, measure: "requests" },
    { name: `${large}, as npm asks`, path: `/${large}`, headers: npm, count: 40, width: 8, measure: "requests" },
    { name: `${large}, whole`, path: `/${large}`, headers: whole, count: 24, width: 8, measure: "requests" },
    { name: `tarball of ${small}`, path: tarballs[small]!, headers: {}, count: 1000, width: 8, measure: "requests" },
    { name: `tarball of ${large}`, path: tarballs[large]!, headers: {}, count: 80, width: 8, measure: "bytes" },
  ];
}

interface Cold {
  readonly side: MirrorContender["name"];
  readonly seconds: number;
  readonly upstreamCount: number;
}

/** Asks many times at once for what the mirror does not have yet. */
async function askCold({ name, url, path }: MirrorContender, upstream: BenchUpstream): Promise<Cold> {
  const wanted = `/${packages.small}`;
  upstream.takeCount(wanted);
  const client = openLoadClient(url, coldCount);
  const start = tickMs();
  try {
    await Promise.all(
      Array.from(
        { length: coldCount },
        async () =>
          await client.send({ method: "GET", path: path + wanted, headers: { accept: abbreviated }, status: 200 }),
      ),
    );
  } finally {
    client.close();
  }
  return { side: name, seconds: (tickMs() - start) / 1000, upstreamCount: upstream.takeCount(wanted) };
}

async function measureBest(contender: MirrorContender, scenario: Scenario, runs: number): Promise<Measured> {
  const { path, headers, count, width, measure, name } = scenario;
  const client = openLoadClient(contender.url, width);
  const task = async (): Promise<number> =>
    (await client.send({ method: "GET", path: contender.path + path, headers, status: 200 })).bytes;
  try {
    // The first answer is made; what is measured is the next.
    await task();
    let best: LoadResult | undefined;
    for (let round = 0; round < runs; round++) {
      const result = await runLoad({ contender, task, count, width });
      if (best === undefined || result.seconds < best.seconds) best = result;
    }
    console.log(`${name}, ${contender.name}: done`);
    return { scenario: name, side: contender.name, result: best!, measure };
  } finally {
    client.close();
  }
}

interface Findings {
  readonly cold: readonly Cold[];
  readonly measured: readonly Measured[];
  readonly idle: readonly { readonly name: string; readonly bytes: number }[];
  readonly after: readonly { readonly name: string; readonly bytes: number }[];
}

function print({ cold, measured, idle, after }: Findings): void {
  const rows = measured.map(({ scenario, side, result, measure }, at) => {
    const peer = at % 2 === 0 ? measured[at + 1] : undefined;
    const isBytes = measure === "bytes";
    const rate = isBytes ? result.bytes / 1e6 / result.seconds : result.count / result.seconds;
    return [
      peer === undefined ? "" : scenario,
      side,
      `${rate.toFixed(0)} ${isBytes ? "MB/s" : "/s"}`,
      `${result.p50Ms.toFixed(1)} ms`,
      `${result.cpuMsPerTask.toFixed(2)} ms`,
      megabytes(result.peakBytes),
      peer === undefined ? "" : `${(peer.result.seconds / result.seconds).toFixed(1)} ×`,
      peer === undefined ? "" : `${(peer.result.cpuMsPerTask / result.cpuMsPerTask).toFixed(1)} ×`,
    ];
  });
  const head = ["warm", "mirror", "rate", "p50", "cpu a request", "peak", "faster", "cpu less"];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join("  ")
      .trimEnd();
  console.log(`\n${[head, ...rows].map(line).join("\n")}\n`);
  for (const { side, seconds, upstreamCount } of cold)
    console.log(`${side}: ${coldCount} cold requests at once: ${upstreamCount} upstream, ${seconds.toFixed(2)} s`);
  for (const { name, bytes } of idle) console.log(`${name}: ${megabytes(bytes)} resident, idle`);
  for (const { name, bytes } of after) console.log(`${name}: ${megabytes(bytes)} resident after all of it`);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
