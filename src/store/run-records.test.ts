import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { appendEvents, listEvents } from "./run-event-records.ts";
import {
  claimRun,
  countLiveRuns,
  createRun,
  endAttempt,
  getRun,
  listRuns,
  reclaimRuns,
  renewLeases,
  requestCancel,
  reviveRun,
  type RunRecord,
} from "./run-records.ts";
import { failStep, finishStep, getStep, listSteps, startStep } from "./run-step-records.ts";
import { openStore, type Store } from "./store.ts";

const failure = { code: "internal", message: "failed" };
const crashMax = 3;

describe("run records", () => {
  let folder: string;
  let store: Store;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "runs-"));
    store = await openStore({ dataDir: folder });
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  async function newRun(definition: string, more: { key?: string; dedupe?: string; now?: number } = {}) {
    return await createRun(store.db, {
      definition,
      definitionVersion: 1,
      input: null,
      concurrencyKey: more.key,
      dedupeKey: more.dedupe,
      now: more.now ?? 10,
    });
  }
  const lease = (owner: string, now = 100) => ({ owner, now, until: now + 50 });
  const claim = async (definition: string, owner = "me", now = 100) =>
    await claimRun(store.db, lease(owner, now), [definition]);

  test("claims the oldest due run once, and only of the definitions asked for", async () => {
    const late = await newRun("claim", { now: 20 });
    const early = await newRun("claim", { now: 10 });
    assert.equal(await claimRun(store.db, lease("me"), ["another"]), undefined);
    assert.equal(await claimRun(store.db, lease("me"), []), undefined);
    assert.equal(await claim("claim", "me", 9), undefined, "nothing is due yet");
    assert.equal((await claim("claim"))?.id, early.id);
    assert.equal((await claim("claim"))?.id, late.id);
    assert.equal(await claim("claim"), undefined);
  });

  test("lets only the owner end an attempt, and only once", async () => {
    const { id } = await newRun("end");
    await claim("end", "me");
    const end = { kind: "succeeded", output: 1 } as const;
    assert.equal(await endAttempt(store.db, { id, owner: "you", now: 1 }, end), false);
    assert.equal(await endAttempt(store.db, { id, owner: "me", now: 1 }, end), true);
    assert.equal(await endAttempt(store.db, { id, owner: "me", now: 1 }, { kind: "cancelled" }), false);
    assert.equal((await getRun(store.db, id))?.state, "succeeded");
  });

  test("does not lose a cancel that comes while the attempt ends by itself", async () => {
    for (const end of [{ kind: "retry", failure, dueAt: 5 }, { kind: "released" }] as const) {
      const { id } = await newRun("late cancel");
      await claim("late cancel");
      assert.equal(await requestCancel(store.db, id, 7), "running");
      await endAttempt(store.db, { id, owner: "me", now: 8 }, end);
      const run = await getRun(store.db, id);
      assert.deepEqual([run?.state, run?.endedAt], ["cancelled", 8]);
    }
  });

  test("takes back lapsed leases only, where asked so", async () => {
    const { id } = await newRun("lapse");
    await claim("lapse", "other", 100);
    const lapsed = async (now: number) => await reclaimRuns(store.db, lease("me", now), { lapsedOnly: true, crashMax });
    assert.deepEqual((await lapsed(149)).queued, []);
    await renewLeases(store.db, lease("other", 140));
    assert.ok(!(await lapsed(189)).queued.includes(id));
    assert.ok((await lapsed(191)).queued.includes(id));
  });

  test("gives up on a run that takes its owner down again and again, unless it gets on", async () => {
    const { id } = await newRun("crash");
    const crash = async (attempt: number): Promise<string | undefined> => {
      await claim("crash", `owner ${attempt}`);
      await reclaimRuns(store.db, lease("next"), { lapsedOnly: false, crashMax });
      return (await getRun(store.db, id))?.state;
    };
    assert.deepEqual([await crash(1), await crash(2)], ["queued", "queued"]);
    await finishStep(store.db, { runId: id, name: "any" }, { output: null, now: 1 });
    assert.deepEqual([await crash(3), await crash(4), await crash(5)], ["queued", "queued", "failed"]);
    assert.match((await getRun(store.db, id))?.failure?.message ?? "", /3 times/);
    assert.equal(await reviveRun(store.db, id, 1), true);
    assert.equal((await getRun(store.db, id))?.crashCount, 0);
  });

  test("keeps steps by name, and forgets what a step gave when it starts again", async () => {
    const { id } = await newRun("steps");
    const key = { runId: id, name: "fetch" };
    assert.equal(await getStep(store.db, key), undefined);
    await startStep(store.db, key, { inputDigest: "a", attempt: 1, now: 5 });
    assert.equal((await getStep(store.db, key))?.state, "running");
    await finishStep(store.db, key, { output: { layers: [1] }, now: 6 });
    assert.deepEqual(await getStep(store.db, key), {
      name: "fetch",
      state: "succeeded",
      inputDigest: "a",
      attempt: 1,
      output: { layers: [1] },
      failure: undefined,
      startedAt: 5,
      endedAt: 6,
    });
    await startStep(store.db, key, { inputDigest: "b", attempt: 2, now: 7 });
    assert.equal((await getStep(store.db, key))?.output, undefined);
    await failStep(store.db, key, { failure, now: 8 });
    assert.deepEqual(
      (await listSteps(store.db, id)).map((step) => [step.state, step.failure]),
      [["failed", failure]],
    );
  });

  test("numbers the events of each run from 1 without gaps, and pages them", async () => {
    const [one, other] = [await newRun("events"), await newRun("events")];
    const events = Array.from({ length: 250 }, (_, index) => ({ at: index, json: JSON.stringify({ index }) }));
    await appendEvents(store.db, one.id, events.slice(0, 3));
    await appendEvents(store.db, other.id, events.slice(0, 1));
    await appendEvents(store.db, one.id, events.slice(3));
    const listed = await listEvents(store.db, one.id, { after: 0, limit: 1000 });
    assert.deepEqual(
      listed,
      events.map(({ at }, index) => ({ sequence: index + 1, at, event: { index } })),
    );
    const page = await listEvents(store.db, one.id, { after: 248, limit: 10 });
    assert.deepEqual(
      page.map(({ sequence }) => sequence),
      [249, 250],
    );
  });

  test("lists the newest first, by definition, state and time", async () => {
    const ids = [await newRun("list", { now: 1 }), await newRun("list", { now: 2 }), await newRun("list", { now: 3 })];
    await requestCancel(store.db, ids[1]!.id, 4);
    const list = async (filter: object) =>
      (await listRuns(store.db, { definition: "list", ...filter })).map((run) => run.createdAt);
    assert.deepEqual(await list({}), [3, 2, 1]);
    assert.deepEqual(await list({ states: ["queued"] }), [3, 1]);
    assert.deepEqual(await list({ createdBefore: 3, limit: 1 }), [2]);
    assert.equal(await countLiveRuns(store.db, ["list"]), 2);
  });

  test("random commands: one run a concurrency key, one live run a dedupe key, counts as they must be", async () => {
    let round = 0;
    const command = fc.oneof(
      fc.record({
        kind: fc.constant("create" as const),
        key: fc.option(fc.constantFrom("a", "b")),
        dedupe: fc.option(fc.constantFrom("x", "y")),
      }),
      fc.record({ kind: fc.constantFrom("claim" as const, "crash" as const) }),
      fc.record({
        kind: fc.constantFrom("succeed" as const, "retry" as const, "fail" as const, "release" as const),
        pick: fc.nat(),
      }),
      fc.record({ kind: fc.constantFrom("cancel" as const, "revive" as const), pick: fc.nat() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
        round += 1;
        const definition = `round ${round}`;
        let owner = 0;
        const attempts = new Map<string, number>();
        const list = async (): Promise<RunRecord[]> => await listRuns(store.db, { definition });
        for (const next of commands) {
          const runs = await list();
          const picked = "pick" in next ? runs[next.pick % Math.max(1, runs.length)] : undefined;
          const target = { id: picked?.id ?? "none", owner: `${round}.${owner}`, now: 100 };
          switch (next.kind) {
            case "create": {
              const dedupe = next.dedupe === null ? undefined : `${round} ${next.dedupe}`;
              const { id, isNew } = await newRun(definition, {
                ...(next.key === null ? {} : { key: `${round} ${next.key}` }),
                ...(dedupe === undefined ? {} : { dedupe }),
              });
              assert.equal(isNew, !runs.some((run) => run.id === id));
              break;
            }
            case "claim": {
              const claimed = await claim(definition, `${round}.${owner}`);
              const busy = new Set(runs.filter((run) => run.state === "running").map((run) => run.concurrencyKey));
              const free = runs.filter(
                (run) => run.state === "queued" && (run.concurrencyKey === undefined || !busy.has(run.concurrencyKey)),
              );
              assert.equal(claimed !== undefined, free.length > 0);
              if (claimed !== undefined) attempts.set(claimed.id, (attempts.get(claimed.id) ?? 0) + 1);
              break;
            }
            case "crash":
              owner += 1;
              await reclaimRuns(store.db, lease(`${round}.${owner}`), { lapsedOnly: false, crashMax });
              assert.ok((await list()).every((run) => run.state !== "running"));
              break;
            case "succeed":
              assert.equal(
                await endAttempt(store.db, target, { kind: "succeeded", output: 1 }),
                picked?.state === "running",
              );
              break;
            case "fail":
              assert.equal(
                await endAttempt(store.db, target, { kind: "failed", failure }),
                picked?.state === "running",
              );
              break;
            case "retry":
              await endAttempt(store.db, target, { kind: "retry", failure, dueAt: 50 });
              break;
            case "release":
              await endAttempt(store.db, target, { kind: "released" });
              break;
            case "cancel": {
              const had = await requestCancel(store.db, target.id, 100);
              assert.equal(had, picked?.state === "queued" || picked?.state === "running" ? picked.state : undefined);
              break;
            }
            case "revive":
              assert.equal(
                await reviveRun(store.db, target.id, 90),
                picked?.state === "failed" || picked?.state === "cancelled",
              );
              break;
          }
          const now = await list();
          const busyKeys = now
            .filter((run) => run.state === "running" && run.concurrencyKey !== undefined)
            .map((run) => run.concurrencyKey);
          assert.equal(new Set(busyKeys).size, busyKeys.length, "two runs of one key");
          for (const run of now) {
            assert.equal(run.attempt, attempts.get(run.id) ?? 0);
            assert.equal(run.endedAt !== undefined, ["succeeded", "failed", "cancelled"].includes(run.state));
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});
