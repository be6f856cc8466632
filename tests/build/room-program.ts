import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChamberMessage, CommandRun } from "../../src/build/chamber/job.ts";
import { runChamber } from "../../src/build/chamber/run-chamber.ts";
import { perlLayer } from "../fixtures/perl-layer.ts";

/** What a command in a room came to. */
export type RoomOutcome = Extract<ChamberMessage, { kind: "command" }>;

/** Runs commands in rooms on an image of nothing but perl. */
export async function inRooms(runs: readonly CommandRun[], timeoutMs: number): Promise<RoomOutcome[]> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-rooms-"));
  const outcomes: RoomOutcome[] = [];
  try {
    await mkdir(join(folder, "work"));
    const layer = join(folder, "layer.tar");
    await writeFile(layer, await perlLayer());
    await runChamber(
      { kind: "commands", workFolder: join(folder, "work"), layers: [layer], runs, timeoutMs },
      { signal: new AbortController().signal, onCommand: (outcome) => void outcomes.push(outcome) },
    );
    return outcomes;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// As a program of its own it runs where the machine's sh is another one.
if (process.argv[1] === import.meta.filename) {
  const [runs = "[]", timeoutMs = "0"] = process.argv.slice(2);
  process.stdout.write(JSON.stringify(await inRooms(JSON.parse(runs) as CommandRun[], Number(timeoutMs))));
}
