import { z } from "zod";
import type { ConfigKey, ConfigKeyName } from "./config-keys.ts";

/** When garbage goes, and after how long. */
export interface CollectionConfig {
  /** Cron expression in UTC, or `never`. */
  readonly schedule: string;
  readonly graceHours: number;
  readonly deleteUntagged: boolean;
  readonly untaggedHours: number;
  readonly trashHours: number;
  readonly uploadHours: number;
  readonly cacheDays: number;
}

/** When all blobs are read again, and how fast. */
export interface ScrubConfig {
  /** Cron expression in UTC, or `never`. */
  readonly schedule: string;
  readonly megabytesPerSecond: number;
}

const hours = z.number().min(0).max(100_000);

/** The keys of garbage collection and scrubbing. */
export const collectionKeys = [
  {
    name: "gc.schedule",
    type: "text",
    default: "0 4 * * 1",
    about: "When garbage is collected: a cron expression in UTC, or never.",
    environment: "MINTMARK_GC_SCHEDULE",
    schema: z.string().min(1),
  },
  {
    name: "gc.graceHours",
    type: "number",
    default: 2,
    about: "How long a blob that no manifest names stays after somebody last pushed it or asked for it.",
    environment: "MINTMARK_GC_GRACE_HOURS",
    schema: hours,
  },
  {
    name: "gc.deleteUntagged",
    type: "boolean",
    default: true,
    about: "Whether manifests go that no tag, index, subject, hold or record reaches.",
    environment: "MINTMARK_GC_DELETE_UNTAGGED",
    schema: z.boolean(),
  },
  {
    name: "gc.untaggedHours",
    type: "number",
    default: 168,
    about: "How long such a manifest stays after it was last pushed or pulled, or lost a tag.",
    environment: "MINTMARK_GC_UNTAGGED_HOURS",
    schema: hours,
  },
  {
    name: "gc.trashHours",
    type: "number",
    default: 24,
    about: "How long the trash keeps what was collected or deleted, so that it can come back.",
    environment: "MINTMARK_GC_TRASH_HOURS",
    schema: hours,
  },
  {
    name: "gc.uploadHours",
    type: "number",
    default: 24,
    about: "How long an upload stays that nobody goes on with.",
    environment: "MINTMARK_GC_UPLOAD_HOURS",
    schema: hours,
  },
  {
    name: "gc.cacheDays",
    type: "number",
    default: 30,
    about: "How long what builds fetched and made stays after the last build that used it, where no image needs it.",
    environment: "MINTMARK_GC_CACHE_DAYS",
    schema: z.number().min(0).max(10_000),
  },
  {
    name: "scrub.schedule",
    type: "text",
    default: "0 5 1 * *",
    about: "When every blob is read and compared with its digest: a cron expression in UTC, or never.",
    environment: "MINTMARK_SCRUB_SCHEDULE",
    schema: z.string().min(1),
  },
  {
    name: "scrub.megabytesPerSecond",
    type: "number",
    default: 50,
    about: "How fast a scrub reads at most, in megabytes a second.",
    environment: "MINTMARK_SCRUB_MEGABYTES_PER_SECOND",
    schema: z.number().min(0.1).max(100_000),
  },
] as const satisfies readonly ConfigKey[];

/** Shapes the values of {@link collectionKeys}. */
export function collectionConfig(read: <Value>(name: ConfigKeyName) => Value): {
  readonly gc: CollectionConfig;
  readonly scrub: ScrubConfig;
} {
  return {
    gc: {
      schedule: read("gc.schedule"),
      graceHours: read("gc.graceHours"),
      deleteUntagged: read("gc.deleteUntagged"),
      untaggedHours: read("gc.untaggedHours"),
      trashHours: read("gc.trashHours"),
      uploadHours: read("gc.uploadHours"),
      cacheDays: read("gc.cacheDays"),
    },
    scrub: { schedule: read("scrub.schedule"), megabytesPerSecond: read("scrub.megabytesPerSecond") },
  };
}
