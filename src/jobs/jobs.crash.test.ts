import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { run as runProgram } from "../base/child.ts";
import { sleep } from "../base/clock.ts";
import { silentLog } from "../base/log.ts";
import { listRuns } from "../store/run-records.ts";
import { openStore } from "../store/store.ts";
import { openQueue, type Queue, type RunContext } from "./jobs.ts";

describe("the embedded queue after a crash", () => {
  test("kill -9 at each step: goes on, and no finished step is done again", async () => {
    const folder = await mkdtemp(join(tmpdir(), "jobs-kill-"));
    try {
      const child = fileURLToPath(new URL("fixtures/killed-queue.ts", import.meta.url));
      const steps = ["one", "two", "three", "four", "five"];
      const points = steps.flatMap((step) => [`in ${step}`, `after ${step}`]);
      for (const point of points) {
        const { code, stderr } = await runProgram(process.execPath, [child, folder, point]);
        assert.equal(code, 137, `killed ${point}: ${stderr}`);
      }
      const { code, stdout, stderr } = await runProgram(process.execPath, [child, folder, "never"]);
      assert.equal(code, 0, stderr);
      const report = JSON.parse(stdout) as { state: string; output: unknown; events: string[]; attempt: number };
      assert.equal(report.state, "succeeded");
      assert.deepEqual(report.output, steps);
      assert.equal(report.attempt, points.length + 1);
      const journal = (await readFile(join(folder, "journal"), "utf8")).trimEnd().split("\n");
      for (const step of steps) {
        // Killed inside once, done once; "got" is what the handler had of it in each attempt from then on.
        assert.equal(journal.filter((line) => line === `began ${step}`).length, 2, step);
        assert.equal(journal.filter((line) => line === `ended ${step}`).length, 1, step);
        assert.ok(journal.indexOf(`got ${step}`) > journal.lastIndexOf(`began ${step}`), step);
      }
      assert.deepEqual(report.events, [...new Set(report.events)], "no event is stored twice");
      for (const step of steps) assert.ok(report.events.includes(`done ${step}`), step);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("random work, failures and crashes: every run ends as it must, finished steps are done once", async () => {
    const planned = fc.record({
      key: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
      stepCount: fc.integer({ min: 0, max: 3 }),
      troubleAt: fc.integer({ min: 0, max: 3 }),
      failureCount: fc.integer({ min: 0, max: 4 }),
      hangCount: fc.integer({ min: 0, max: 2 }),
    });
    const life = fc.record({ runs: fc.array(planned, { maxLength: 4 }), crashAfterMs: fc.integer({ min: 0, max: 5 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), async (lives) => await playLives(lives)),
      { numRuns: 20 },
    );
  });
});

interface PlannedRun {
  readonly key: string | undefined;
  readonly stepCount: number;
  /** Before which step it fails and hangs; after all of them where there are fewer. */
  readonly troubleAt: number;
  /** How often it fails before it gets through. */
  readonly failureCount: number;
  /** How often it waits until a crash ends it. */
  readonly hangCount: number;
}

const attemptsMax = 3;

async function playLives(
  lives: readonly { readonly runs: readonly PlannedRun[]; readonly crashAfterMs: number }[],
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "jobs-lives-"));
  const witness = new Witness();
  const planned = new Map<string, PlannedRun>();
  try {
    for (const { runs, crashAfterMs } of lives) {
      const store = await openStore({ dataDir });
      const queue = await openQueue({ store, log: silentLog, concurrency: 3, retryDelayMs: () => 0 });
      witness.define(queue);
      for (const input of runs) {
        const key = input.key === undefined ? {} : { concurrencyKey: input.key };
        planned.set(await queue.enqueue({ name: "work", input, ...key }), input);
      }
      await sleep(crashAfterMs);
      // Without its database a queue can record nothing: what it did not write is lost, as in a crash.
      await store.close();
      witness.crash();
      await queue.close();
    }
    witness.isLastLife = true;
    const store = await openStore({ dataDir });
    const queue = await openQueue({ store, log: silentLog, concurrency: 3, retryDelayMs: () => 0 });
    witness.define(queue);
    await queue.drain();
    const runs = await listRuns(store.db, { limit: 1000 });
    await queue.close();
    await store.close();
    assert.deepEqual(witness.violations, []);
    assert.equal(runs.length, planned.size, "no run is lost or doubled");
    for (const { id, state, failureCount } of runs) {
      const input = planned.get(id)!;
      if (input.failureCount < attemptsMax) assert.equal(state, "succeeded");
      if (state === "failed") assert.equal(failureCount, attemptsMax);
      else assert.equal(state, "succeeded");
      for (let index = 0; state === "succeeded" && index < input.stepCount; index += 1)
        assert.ok(witness.finishedSteps.has(`${id} ${index}`));
    }
  } finally {
    await rm(dataDir, { recursive: true });
  }
}

/** What the handlers saw, over all lives of the queue. */
class Witness {
  readonly violations: string[] = [];
  readonly finishedSteps = new Set<string>();
  isLastLife = false;
  readonly #busyKeys = new Set<string>();
  readonly #failureCounts = new Map<string, number>();
  readonly #hangCounts = new Map<string, number>();
  /** Handlers of a life that has crashed are dead: what they still do does not count. */
  #life = 0;
  #crashed = Promise.withResolvers<void>();

  crash(): void {
    this.#life += 1;
    this.#busyKeys.clear();
    this.#crashed.resolve();
    this.#crashed = Promise.withResolvers();
  }

  define(queue: Queue): void {
    const life = this.#life;
    queue.define("work", 1, async (context) => await this.#work(context, () => life === this.#life), { attemptsMax });
  }

  async #work({ runId, input, step }: RunContext, isAlive: () => boolean): Promise<void> {
    const plan = input as PlannedRun;
    if (plan.key !== undefined && isAlive()) {
      if (this.#busyKeys.has(plan.key)) this.violations.push(`two runs of "${plan.key}" at once`);
      this.#busyKeys.add(plan.key);
    }
    try {
      for (let index = 0; index < plan.stepCount; index += 1) {
        const key = `${runId} ${index}`;
        await step(String(index), "", async () => {
          if (this.finishedSteps.has(key)) this.violations.push(`the finished step ${key} is done again`);
          if (index === plan.troubleAt) await this.#trouble(runId, plan);
        });
        this.finishedSteps.add(key);
      }
      if (plan.troubleAt >= plan.stepCount) await this.#trouble(runId, plan);
    } finally {
      if (plan.key !== undefined && isAlive()) this.#busyKeys.delete(plan.key);
    }
  }

  async #trouble(runId: string, plan: PlannedRun): Promise<void> {
    const hangCount = this.#hangCounts.get(runId) ?? 0;
    if (hangCount < plan.hangCount && !this.isLastLife) {
      this.#hangCounts.set(runId, hangCount + 1);
      await this.#crashed.promise;
      throw new Error("this life is over");
    }
    const failureCount = this.#failureCounts.get(runId) ?? 0;
    if (failureCount < plan.failureCount) {
      this.#failureCounts.set(runId, failureCount + 1);
      throw new Error("failed as planned");
    }
  }
}
