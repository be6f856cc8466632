import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sleep } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { listAuditEvents } from "../../store/event-records.ts";
import { openStore, type Store } from "../../store/store.ts";
import { openPullTrail, type Pull } from "./pull-trail.ts";

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "pulls-"));
  const store = await openStore({ dataDir });
  try {
    await work(store);
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
}

const pull = (digest: string, more: Partial<Pull> = {}): Pull => ({
  actor: "robot$host",
  address: "::ffff:192.0.2.1",
  repository: "team/app",
  digest,
  tag: undefined,
  ...more,
});

test("pulls are written together, equal ones once with a count, and the rest on closing", async () => {
  await withStore(async (store) => {
    const trail = openPullTrail({ store, log: silentLog });
    for (let index = 0; index < 3; index++) trail.record(pull("sha256:aa"));
    trail.record(pull("sha256:aa", { tag: "1.0" }));
    trail.record(pull("sha256:aa", { address: "192.0.2.2" }));
    assert.equal((await listAuditEvents(store.db, { limit: 10 })).length, 0, "nothing is written on the way");
    await trail.close();
    const events = await listAuditEvents(store.db, { limit: 10 });
    assert.deepEqual(
      events.map(({ action, subject, project, address, details }) => [action, subject, project, address, details]),
      [
        ["image.pulled", "team/app@sha256:aa", "team", "192.0.2.1", { count: 3 }],
        ["image.pulled", "team/app@sha256:aa", "team", "192.0.2.1", { tag: "1.0" }],
        ["image.pulled", "team/app@sha256:aa", "team", "192.0.2.2", {}],
      ],
    );
  });
});

test("five hundred different pulls do not wait for the second to end", async () => {
  await withStore(async (store) => {
    const trail = openPullTrail({ store, log: silentLog });
    for (let index = 0; index < 1200; index++) trail.record(pull(`sha256:${index}`));
    await sleep(200);
    assert.ok((await listAuditEvents(store.db, { limit: 5000 })).length >= 500);
    await trail.close();
    const subjects = (await listAuditEvents(store.db, { limit: 5000 })).map(({ subject }) => subject);
    assert.equal(new Set(subjects).size, 1200);
  });
});

test("what the database does not take is kept and counted on", async () => {
  await withStore(async (store) => {
    let isBroken = true;
    const broken: Store = {
      ...store,
      transaction: async (work) => (isBroken ? await Promise.reject(new Error("full")) : await store.transaction(work)),
    };
    const trail = openPullTrail({ store: broken, log: silentLog });
    for (let index = 0; index < 500; index++) trail.record(pull(`sha256:${index}`));
    await sleep(20);
    trail.record(pull("sha256:0"));
    isBroken = false;
    await trail.close();
    const events = await listAuditEvents(store.db, { limit: 1000 });
    assert.equal(events.length, 500);
    assert.deepEqual(events.find(({ subject }) => subject.endsWith("@sha256:0"))?.details, { count: 2 });
  });
});
