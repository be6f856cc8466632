import { mkdtemp, open, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { nowIso, sleep } from "../../src/base/clock.ts";
import { messageOf } from "../../src/base/errors.ts";
import { writeFileAtomic } from "../../src/base/files.ts";
import { type Contender, residentBytesOf, startMintmark, startPeer } from "./contenders.ts";
import type { LoadResult } from "./load.ts";
import { type RegistryScenario, registryScenarios, runScenario } from "./scenarios.ts";
import { stockMintmark, stockPeer } from "./stock.ts";

/** What is measured, and where the results go. */
export interface RegistryBench {
  /** Names that a scenario's name must contain one of; all where empty. */
  readonly only: readonly string[];
  /** How often each side runs a scenario; the best run counts, since what disturbs only slows. */
  readonly runs: number;
  readonly out: string | undefined;
}

interface Measured {
  readonly scenario: RegistryScenario;
  readonly ours: LoadResult | undefined;
  readonly peer: LoadResult | undefined;
  readonly failed?: string;
}

const idleMs = 10_000;

/** Measures our registry beside Debian's docker-registry, scenario by scenario, and prints ratios. */
export async function benchRegistry({ only, runs, out }: RegistryBench): Promise<void> {
  const chosen = registryScenarios.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
  const work = await mkdtemp(join(tmpdir(), "mintmark-bench-registry-"));
  const contenders: Contender[] = [];
  try {
    console.log("filling both registries");
    const folders = { ours: join(work, "ours"), peer: join(work, "peer") };
    await stockMintmark(folders.ours);
    await stockPeer(folders.peer);
    await run("sync", []);
    const ours = await startMintmark(folders.ours);
    contenders.push(ours);
    const peer = await startPeer(folders.peer);
    contenders.push(peer);
    await sleep(idleMs);
    const idle = contenders.map(({ name, pid }) => ({ name, bytes: residentBytesOf(pid) }));
    const loadBefore = loadavg()[0]!;
    const measured: Measured[] = [];
    for (const scenario of chosen) measured.push(await measure(scenario, { ours, peer, runs, work }));
    console.log(`\n${tableOf(measured)}\n`);
    for (const { name, bytes } of idle)
      console.log(`${name}: ${megabytes(bytes)} resident, idle, ten seconds after its start`);
    for (const { name, pid } of contenders)
      console.log(`${name}: ${megabytes(residentBytesOf(pid))} resident after all of it`);
    console.log(
      `load before ${loadBefore.toFixed(2)}, after ${loadavg()[0]!.toFixed(2)}; this program's own work is in it`,
    );
    if (out !== undefined)
      await writeFileAtomic(out, `${JSON.stringify({ at: nowIso(), loadBefore, idle, measured }, undefined, 2)}\n`);
  } finally {
    for (const contender of contenders) await contender.stop();
    await rm(work, { recursive: true, force: true });
  }
}

interface Sides {
  readonly ours: Contender;
  readonly peer: Contender;
  readonly runs: number;
  readonly work: string;
}

async function measure(scenario: RegistryScenario, { ours, peer, runs, work }: Sides): Promise<Measured> {
  const best: { ours?: LoadResult; peer?: LoadResult } = {};
  try {
    for (let round = 0; round < runs; round++)
      for (const [side, contender] of [
        ["ours", ours],
        ["peer", peer],
      ] as const) {
        if (side === "peer" && !scenario.hasPeer) continue;
        await run("sync", []);
        await warmMemory(work);
        const result = await runScenario(scenario, contender);
        if (best[side] === undefined || result.seconds < best[side].seconds) best[side] = result;
      }
    console.log(`${scenario.name}: ${ratioOf({ scenario, ours: best.ours, peer: best.peer }) ?? "measured"}`);
    return { scenario, ours: best.ours, peer: best.peer };
  } catch (error) {
    console.log(`${scenario.name}: ${messageOf(error)}`);
    return { scenario, ours: best.ours, peer: best.peer, failed: messageOf(error) };
  }
}

const warmBytes = 1.25 * 1024 ** 3;

/**
 * Makes the machine's free memory its own before a measurement, by writing a file and removing it.
 *
 * A small virtual machine gives freed memory back to its host. To get it again costs more than to write a blob into it,
 * and that would count against whichever side came first.
 */
async function warmMemory(work: string): Promise<void> {
  const path = join(work, "warm");
  const handle = await open(path, "w");
  try {
    const piece = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < warmBytes; at += piece.length) await handle.write(piece);
  } finally {
    await handle.close();
    await rm(path);
  }
}

function ratioOf({ scenario, ours, peer }: Measured): string | undefined {
  if (ours === undefined || peer === undefined) return undefined;
  return `${(rateOf(scenario, ours) / rateOf(scenario, peer)).toFixed(2)} ×`;
}

function rateOf({ measure: kind }: RegistryScenario, { bytes, count, seconds }: LoadResult): number {
  return (kind === "bytes" ? bytes / 1e6 : count) / seconds;
}

/** One line a side and scenario; the ratio stands on ours. */
function tableOf(measured: readonly Measured[]): string {
  const head = ["scenario", "registry", "rate", "p50", "p99", "cpu a task", "peak", "ratio", "bar 1.0 ×"];
  const rows = measured.flatMap((entry) => [
    rowOf(entry, { side: "mintmark", result: entry.ours }),
    ...(entry.scenario.hasPeer ? [rowOf(entry, { side: "docker-registry", result: entry.peer })] : []),
  ]);
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, at) => (at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function rowOf(
  entry: Measured,
  { side, result }: { side: Contender["name"]; result: LoadResult | undefined },
): string[] {
  const { scenario, ours, peer } = entry;
  if (result === undefined)
    return [scenario.name, side, entry.failed === undefined ? "" : "failed", "", "", "", "", "", ""];
  const isOurs = side === "mintmark";
  const ratio = isOurs ? ratioOf(entry) : undefined;
  const isMet = ours !== undefined && peer !== undefined && rateOf(scenario, ours) >= rateOf(scenario, peer);
  return [
    isOurs ? scenario.name : "",
    side,
    `${rateOf(scenario, result).toFixed(scenario.measure === "bytes" || result.seconds / result.count < 0.1 ? 0 : 2)} ${scenario.measure === "bytes" ? "MB/s" : "/s"}`,
    `${result.p50Ms.toFixed(1)} ms`,
    `${result.p99Ms.toFixed(1)} ms`,
    `${result.cpuMsPerTask.toFixed(2)} ms`,
    megabytes(result.peakBytes),
    ratio ?? "",
    ratio === undefined ? "" : isMet ? "met" : "MISSED",
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
