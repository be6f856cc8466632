import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, describe, test } from "node:test";
import { sleep } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { silentLog } from "../base/log.ts";
import { getRun, listRuns } from "../store/run-records.ts";
import { listSteps } from "../store/run-step-records.ts";
import { openStore, type Store } from "../store/store.ts";
import { openQueue, type Queue } from "./jobs.ts";

describe("the embedded queue", () => {
  let folder: string;
  let store: Store;
  let queue: Queue;

  async function open(concurrency = 4): Promise<Queue> {
    return await openQueue({ store, log: silentLog, concurrency, retryDelayMs: () => 1 });
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "jobs-"));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });
  beforeEach(async (context) => {
    store = await openStore({ dataDir: join(folder, context.name.replaceAll(/\W/g, "-")) });
    queue = await open();
  });
  afterEach(async () => {
    await queue.close();
    await store.close();
  });

  test("runs what is queued and keeps its output", async () => {
    queue.define("double", 1, async ({ input }) => ({ twice: (input as number) * 2 }));
    const id = await queue.enqueue({ name: "double", input: 21 });
    await queue.drain();
    const run = await getRun(store.db, id);
    assert.equal(run?.state, "succeeded");
    assert.deepEqual(run.output, { twice: 42 });
    assert.equal(run.attempt, 1);
  });

  test("keeps finished steps over a failure and does the failed one again", async () => {
    const calls: string[] = [];
    queue.define("steps", 1, async ({ step, attempt }) => {
      const first = await step("first", "a", async () => (calls.push("first"), { at: attempt }));
      return await step("second", "a", async () => {
        calls.push("second");
        if (attempt < 3) throw new Error("not yet");
        return first.at;
      });
    });
    const id = await queue.enqueue({ name: "steps", input: null });
    await queue.drain();
    assert.deepEqual(calls, ["first", "second", "second", "second"]);
    const run = await getRun(store.db, id);
    assert.equal(run?.output, 1);
    assert.equal(run.failureCount, 2);
    assert.equal(run.failure, undefined);
    assert.deepEqual(
      (await listSteps(store.db, id)).map(({ name, state, attempt }) => [name, state, attempt]),
      [
        ["first", "succeeded", 1],
        ["second", "succeeded", 3],
      ],
    );
  });

  test("does a step again whose input differs or whose products are gone", async () => {
    const calls: string[] = [];
    queue.define("steps", 1, async ({ step, attempt }) => {
      await step("same", "a", async () => calls.push("same"));
      await step("other input", String(attempt), async () => calls.push("other input"));
      await step("gone", "a", async () => calls.push("gone"), { validate: async () => false });
      await step("nothing", "a", async () => void calls.push("nothing"));
      if (attempt === 1) throw new Error("again");
    });
    await queue.enqueue({ name: "steps", input: null });
    await queue.drain();
    assert.deepEqual(calls, ["same", "other input", "gone", "nothing", "other input", "gone"]);
  });

  test("gives the output of a step as JSON gives it, in the first attempt too", async () => {
    queue.define(
      "json",
      1,
      async ({ step }) => await step("one", "", async () => ({ at: new Date(0), no: undefined })),
    );
    const id = await queue.enqueue({ name: "json", input: null });
    await queue.drain();
    assert.deepEqual((await getRun(store.db, id))?.output, { at: "1970-01-01T00:00:00.000Z" });
  });

  test("never runs two runs of one concurrency key at once, and others beside them", async () => {
    let running = 0;
    let atMost = 0;
    const order: number[] = [];
    queue.define("exclusive", 1, async ({ input }) => {
      running += 1;
      atMost = Math.max(atMost, running);
      await sleep(2);
      running -= 1;
      order.push(input as number);
    });
    const free = Promise.withResolvers<void>();
    queue.define("free", 1, async () => free.resolve());
    for (let index = 0; index < 6; index += 1) {
      await queue.enqueue({ name: "exclusive", input: index, concurrencyKey: "base" });
      await sleep(1);
    }
    await queue.enqueue({ name: "free", input: null });
    await free.promise;
    await queue.drain();
    assert.equal(atMost, 1);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
  });

  test("runs as many at once as it has slots", async () => {
    let running = 0;
    let atMost = 0;
    queue.define("work", 1, async () => {
      running += 1;
      atMost = Math.max(atMost, running);
      await sleep(25);
      running -= 1;
    });
    await Promise.all(Array.from({ length: 12 }, async () => await queue.enqueue({ name: "work", input: null })));
    await queue.drain();
    assert.equal(atMost, 4);
  });

  test("lets a live run stand for new work with its dedupe key", async () => {
    const gate = Promise.withResolvers<void>();
    queue.define("once", 1, async () => await gate.promise);
    const work = { name: "once", input: null, dedupeKey: "base" };
    const ids = await Promise.all([queue.enqueue(work), queue.enqueue(work), queue.enqueue(work)]);
    assert.equal(new Set(ids).size, 1);
    gate.resolve();
    await queue.drain();
    assert.notEqual(await queue.enqueue(work), ids[0]);
    await queue.drain();
  });

  test("fails at once on a failure of the input, and can be retried by hand", async () => {
    let isMended = false;
    let calls = 0;
    queue.define("picky", 1, async ({ step }) => {
      await step("first", "", async () => void (calls += 1));
      if (!isMended) throw new Failure("recipe_invalid", "Cannot read it", { hint: "Mend it" });
      return "good";
    });
    const id = await queue.enqueue({ name: "picky", input: null });
    await queue.drain();
    const failed = await getRun(store.db, id);
    assert.equal(failed?.state, "failed");
    assert.deepEqual(failed.failure, { code: "recipe_invalid", message: "Cannot read it", hint: "Mend it" });
    assert.equal(failed.attempt, 1);
    isMended = true;
    assert.equal(await queue.retry(id), true);
    await queue.drain();
    assert.equal((await getRun(store.db, id))?.output, "good");
    assert.equal(calls, 1);
    assert.equal(await queue.retry(id), false);
  });

  test("gives up after its attempts", async () => {
    queue.define("hopeless", 1, async () => await Promise.reject(new Error("no")), { attemptsMax: 2 });
    const id = await queue.enqueue({ name: "hopeless", input: null });
    await queue.drain();
    const run = await getRun(store.db, id);
    assert.deepEqual([run?.state, run?.attempt, run?.failure?.message], ["failed", 2, "no"]);
  });

  test("fails a run whose output is no JSON", async () => {
    queue.define("big", 1, async () => 1n, { attemptsMax: 1 });
    const id = await queue.enqueue({ name: "big", input: null });
    await queue.drain();
    assert.equal((await getRun(store.db, id))?.state, "failed");
  });

  test("stops a running run through its signal", async () => {
    const started = Promise.withResolvers<void>();
    queue.define("long", 1, async ({ signal }) => {
      started.resolve();
      await sleep(60_000, signal);
      signal.throwIfAborted();
    });
    const id = await queue.enqueue({ name: "long", input: null });
    await started.promise;
    assert.equal(await queue.cancel(id), true);
    await queue.drain();
    assert.equal((await getRun(store.db, id))?.state, "cancelled");
    assert.equal(await queue.cancel(id), false);
    assert.equal(await queue.cancel("none"), false);
  });

  test("cancels a queued run without starting it", async () => {
    let calls = 0;
    const gate = Promise.withResolvers<void>();
    queue.define("work", 1, async () => {
      calls += 1;
      await gate.promise;
    });
    await queue.enqueue({ name: "work", input: 1, concurrencyKey: "k" });
    const second = await queue.enqueue({ name: "work", input: 2, concurrencyKey: "k" });
    assert.equal(await queue.cancel(second), true);
    gate.resolve();
    await queue.drain();
    assert.equal((await getRun(store.db, second))?.state, "cancelled");
    assert.equal(calls, 1);
  });

  test("stops an attempt at its deadline", async () => {
    queue.define(
      "slow",
      1,
      async ({ signal }) =>
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped")))),
      {
        deadlineMs: 5,
        attemptsMax: 2,
      },
    );
    const id = await queue.enqueue({ name: "slow", input: null });
    await queue.drain();
    const run = await getRun(store.db, id);
    assert.deepEqual([run?.state, run?.attempt, run?.failure?.code], ["failed", 2, "deadline_exceeded"]);
  });

  test("waits for steps that a failed handler left behind before it tries again", async () => {
    let running = 0;
    let atMost = 0;
    queue.define("parallel", 1, async ({ step, attempt }) => {
      await Promise.all([
        step("slow", "", async ({ signal }) => {
          running += 1;
          atMost = Math.max(atMost, running);
          await sleep(attempt === 1 ? 10_000 : 1, signal);
          await sleep(3);
          running -= 1;
          signal.throwIfAborted();
        }),
        step("fast", "", async () => {
          await sleep(1);
          if (attempt === 1) throw new Error("failed");
        }),
      ]);
    });
    const id = await queue.enqueue({ name: "parallel", input: null });
    await queue.drain();
    assert.equal((await getRun(store.db, id))?.state, "succeeded");
    assert.equal(atMost, 1);
  });

  test("streams the stored events and then the live ones in order", async () => {
    const gate = Promise.withResolvers<void>();
    queue.define("talk", 1, async ({ emit }) => {
      for (let index = 1; index <= 1200; index += 1) emit({ index });
      await gate.promise;
      const last = { index: 1201 };
      emit(last);
      last.index = -1;
    });
    const id = await queue.enqueue({ name: "talk", input: null });
    const seen: number[] = [];
    for await (const { sequence, event } of queue.watch(id)) {
      assert.equal(sequence, seen.length + 1);
      seen.push((event as { index: number }).index);
      if (sequence === 1200) gate.resolve();
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 1201 }, (_, index) => index + 1),
    );
    const rest = await Array.fromAsync(queue.watch(id, 1199));
    assert.deepEqual(
      rest.map(({ sequence }) => sequence),
      [1200, 1201],
    );
    await assert.rejects(Array.fromAsync(queue.watch("none")), { code: "not_found" });
  });

  test("ends a watch on its signal and on close", async () => {
    queue.define("long", 1, async ({ signal, emit }) => {
      emit("hello");
      await sleep(60_000, signal);
      signal.throwIfAborted();
    });
    const id = await queue.enqueue({ name: "long", input: null });
    const controller = new AbortController();
    for await (const { event } of queue.watch(id, 0, controller.signal)) {
      assert.equal(event, "hello");
      setTimeout(() => controller.abort(), 1);
    }
    const rest = Array.fromAsync(queue.watch(id, 1));
    await queue.close();
    assert.deepEqual(await rest, []);
  });

  test("puts what close stopped back, and the next queue finishes it", async () => {
    const calls: string[] = [];
    const inSecond = Promise.withResolvers<void>();
    const define = (target: Queue): void =>
      target.define("work", 1, async ({ step }) => {
        await step("first", "", async () => calls.push("first"));
        return await step("second", "", async ({ signal }) => {
          inSecond.resolve();
          if (calls.push("second") === 2) await sleep(60_000, signal);
          signal.throwIfAborted();
          return "done";
        });
      });
    define(queue);
    const id = await queue.enqueue({ name: "work", input: null });
    await inSecond.promise;
    await queue.close();
    assert.deepEqual(await getRun(store.db, id).then((run) => [run?.state, run?.failureCount]), ["queued", 0]);
    queue = await open();
    define(queue);
    await queue.drain();
    assert.deepEqual(calls, ["first", "second", "second"]);
    assert.equal((await getRun(store.db, id))?.output, "done");
  });

  test("waits in close for handlers that end in time", async () => {
    queue.define("short", 1, async ({ signal }) => {
      await sleep(10, signal);
      signal.throwIfAborted();
    });
    const id = await queue.enqueue({ name: "short", input: null });
    while ((await getRun(store.db, id))?.state === "queued") await sleep(1);
    await queue.close({ waitMs: 5000 });
    assert.equal((await getRun(store.db, id))?.state, "succeeded");
  });

  test("starts a run of an older version afresh", async () => {
    const gate = Promise.withResolvers<void>();
    queue.define("work", 1, async ({ step, signal }) => {
      await step("first", "", async () => "old");
      gate.resolve();
      await sleep(60_000, signal);
      signal.throwIfAborted();
    });
    const id = await queue.enqueue({ name: "work", input: null });
    await gate.promise;
    await queue.close();
    queue = await open();
    queue.define("work", 2, async ({ step }) => await step("first", "", async () => "new"));
    await queue.drain();
    const run = await getRun(store.db, id);
    assert.deepEqual([run?.output, run?.definitionVersion], ["new", 2]);
  });

  test("leaves work alone that nobody here defines, and lists it", async () => {
    queue.define("known", 1, async () => undefined);
    queue.define("leaving", 1, async ({ signal }) => {
      await sleep(60_000, signal);
      signal.throwIfAborted();
    });
    const id = await queue.enqueue({ name: "leaving", input: null });
    await queue.close();
    queue = await open();
    queue.define("known", 1, async () => undefined);
    await queue.enqueue({ name: "known", input: null });
    await queue.drain();
    assert.deepEqual(
      (await listRuns(store.db, { states: ["queued"] })).map((run) => run.id),
      [id],
    );
  });
});
