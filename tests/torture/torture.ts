import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type Mode, type World } from "./client.ts";
import { checkNothingIsLeft, checkNothingIsMissing } from "./inspect.ts";
import { openRandom, type Random } from "./random.ts";
import { type KillableServer, startServer } from "./server.ts";
import { api, ApiRefusal, jobEnded, ServerGone } from "./wire.ts";

/** How long it is tortured. */
export interface TortureOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly tell: (line: string) => void;
}

/** What a run did. */
export interface TortureReport {
  readonly rounds: number;
  readonly kills: number;
  readonly collections: number;
  readonly pulled: number;
  readonly left: { readonly blobs: number; readonly manifests: number };
  readonly counts: Readonly<Record<string, number>>;
}

const clientNames = ["ada", "bob", "cyd"];
/** What each client does at least and at most in a round; in between it goes on for as long as there was no collection. */
const acts = { least: 10, most: 60 };

/** How collections are asked for in each mode, in seconds. */
const requests: Readonly<Record<Mode, Readonly<Record<string, number>>>> = {
  harsh: { graceSeconds: 0, untaggedSeconds: 0, trashSeconds: 0, uploadSeconds: 0 },
  trash: { graceSeconds: 0, untaggedSeconds: 0, trashSeconds: 3600, uploadSeconds: 3600 },
  gentle: { graceSeconds: 3600, untaggedSeconds: 3600, trashSeconds: 0, uploadSeconds: 3600 },
};

/**
 * Races pushes, mounts, moves, deletions, restores and collections against a server that is killed at random points,
 * and proves afterwards that nothing acknowledged is lost and nothing unreachable is left.
 */
export async function torture({ seed, rounds, tell }: TortureOptions): Promise<TortureReport> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-torture-"));
  const run = new Torture(join(folder, "data"), seed);
  try {
    await run.start();
    for (let round = 1; round <= rounds; round++) {
      await run.round();
      if (round % 50 === 0)
        tell(`round ${round}: ${run.kills} kills, ${run.collections} collections, ${run.pulled} pulled`);
    }
    const report = await run.finish(rounds);
    await rm(folder, { recursive: true });
    return report;
  } catch (error) {
    tell(`failed with the seed ${seed} in round ${run.rounds}; the data folder is kept: ${folder}`);
    throw error;
  } finally {
    await run.end();
  }
}

class Torture {
  rounds = 0;
  kills = 0;
  collections = 0;
  pulled = 0;
  readonly #dataDir: string;
  readonly #random: Random;
  readonly #world: World;
  readonly #clients: readonly Client[];
  #server: KillableServer | undefined;

  constructor(dataDir: string, seed: number) {
    this.#dataDir = dataDir;
    this.#random = openRandom(seed);
    this.#world = {
      seed,
      // Large enough that some blobs are in no repository at all, small enough that they come back.
      poolSize: 60,
      known: new Map(),
      blobs: new Map(),
      repositories: clientNames.flatMap((name) => [`${name}/one`, `${name}/two`]),
      counts: {},
    };
    this.#clients = clientNames.map((name) => new Client(this.#world, name, this.#random.fork(name)));
  }

  async start(): Promise<void> {
    this.#server = await startServer(this.#dataDir);
  }

  /** One round: everybody works, and in half of the rounds the server dies of it. */
  async round(): Promise<void> {
    this.rounds += 1;
    const server = this.#server!;
    const mode = this.#random.pick<Mode>(["harsh", "harsh", "trash", "gentle"]);
    // A harsh collection of the round before would not keep what this round promises.
    if (mode !== "harsh") await this.#drain(server);
    const isKilled = this.#random.chance(50);
    const killAfterMs = 20 + this.#random.below(isKilled ? 900 : 1);
    const over = new AbortController();
    const before = this.collections;
    const isGoing = (done: number): boolean => done < acts.least || (this.collections === before && done < acts.most);
    const working = Promise.all(this.#clients.map(async (client) => await client.work(server, mode, isGoing)));
    const collecting = this.#collect(server, mode, over.signal);
    if (isKilled) {
      await Promise.race([sleep(killAfterMs), working]);
      await server.kill();
    }
    try {
      await working;
    } finally {
      over.abort();
      await collecting;
    }
    if (isKilled) await this.#restart();
    else if (mode === "gentle") for (const client of this.#clients) await client.verifyFresh(server);
    const percent = this.rounds % 20 === 0 ? 100 : 15;
    for (const client of this.#clients) {
      await client.settle(this.#server!);
      this.pulled += await client.verify(this.#server!, percent);
    }
  }

  async finish(rounds: number): Promise<TortureReport> {
    const verifyAll = async (): Promise<void> => {
      for (const client of this.#clients) {
        await client.settle(this.#server!);
        this.pulled += await client.verify(this.#server!, 100);
      }
    };
    await this.#drain(this.#server!);
    await verifyAll();
    for (let time = 1; time <= 2; time++) {
      await sleep(5);
      await this.#collectOnce(this.#server!, requests.harsh);
    }
    await verifyAll();
    await this.#checkScrub(this.#server!);
    assert.equal(await this.#server!.stop(), 0, "the server did not stop well");
    checkNothingIsMissing(this.#dataDir);
    const left = checkNothingIsLeft(this.#dataDir);
    const { kills, collections, pulled } = this;
    return { rounds, kills, collections, pulled, left, counts: this.#world.counts };
  }

  async end(): Promise<void> {
    await this.#server?.kill();
  }

  async #restart(): Promise<void> {
    this.kills += 1;
    checkNothingIsMissing(this.#dataDir);
    await this.start();
  }

  /** Collects again and again until the round is over or the server is gone. */
  async #collect(server: KillableServer, mode: Mode, over: AbortSignal): Promise<void> {
    const random = this.#random.fork(`collect ${this.rounds}`);
    try {
      while (!over.aborted) {
        if (random.chance(5)) await this.#checkScrub(server);
        else await this.#collectOnce(server, { ...requests[mode], ...(random.chance(10) ? { dryRun: true } : {}) });
        await sleep(random.below(40));
      }
    } catch (error) {
      if (!(error instanceof ServerGone)) throw error;
    }
  }

  async #collectOnce(server: KillableServer, request: object): Promise<void> {
    const { id } = await api<{ id: string }>(server, "POST", "/gc", request);
    const job = await jobEnded(server, id);
    assert.equal(job.state, "succeeded", JSON.stringify(job.failure));
    this.collections += 1;
  }

  async #checkScrub(server: KillableServer): Promise<void> {
    const { id } = await api<{ id: string }>(server, "POST", "/scrub", { megabytesPerSecond: 1000 });
    const { state, output } = await jobEnded(server, id);
    assert.equal(state, "succeeded");
    const { damaged, missing, lost } = output as Record<string, unknown>;
    assert.deepEqual({ damaged, missing, lost }, { damaged: [], missing: [], lost: [] });
  }

  async #drain(server: KillableServer): Promise<void> {
    for (const state of ["running", "queued"]) {
      const { jobs } = await api<{ jobs: { id: string }[] }>(server, "GET", `/jobs?kind=collection&state=${state}`);
      for (const { id } of jobs) await jobEnded(server, id).catch(ignoreMissing);
    }
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof ApiRefusal && error.status === 404)) throw error;
}
