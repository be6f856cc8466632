import { type Collection, openCollection } from "../registry/registry.ts";
import type { Ground } from "./features.ts";
import { findHeldBlobs } from "./held-blobs.ts";

const hourMs = 60 * 60_000;

/** Opens garbage collection and scrubbing, and puts both on the schedules of the configuration. */
export async function openStorageCare(ground: Ground): Promise<Collection> {
  const { store, queue, schedules, workshop, config, log, isStanding } = ground;
  const { gc, scrub } = config;
  const collection = openCollection({
    store,
    queue,
    log,
    settings: {
      graceMs: gc.graceHours * hourMs,
      deleteUntagged: gc.deleteUntagged,
      untaggedMs: gc.untaggedHours * hourMs,
      trashMs: gc.trashHours * hourMs,
      uploadMs: gc.uploadHours * hourMs,
    },
    scrubBytesPerSecond: scrub.megabytesPerSecond * 1_000_000,
    heldBlobs: async () => await findHeldBlobs({ db: store.db, workshop, cacheMs: gc.cacheDays * 24 * hourMs }),
  });
  if (!isStanding) return collection;
  const actor = "schedule";
  const plans = [
    { name: "gc", cron: gc.schedule, start: async () => void (await collection.start({ actor })) },
    { name: "scrub", cron: scrub.schedule, start: async () => void (await collection.startScrub({ actor })) },
  ];
  for (const plan of plans) {
    if (plan.cron === "never") await schedules.remove(plan.name);
    else await schedules.set(plan);
  }
  return collection;
}
