import { z } from "zod";
import type { ConfigKey } from "./config-keys.ts";

/** The keys of what is done for the data folder at night. */
export const careKeys = [
  {
    name: "backup.folder",
    type: "path",
    about:
      "A folder, best on another disk, that a backup is made into by backup.schedule and before each upgrade of the database. By default none is made by itself.",
    environment: "MINTMARK_BACKUP_FOLDER",
    schema: z.string().min(1).optional(),
  },
  {
    name: "backup.schedule",
    type: "text",
    default: "30 2 * * *",
    about: "When a backup is made into backup.folder: a cron expression in UTC.",
    environment: "MINTMARK_BACKUP_SCHEDULE",
    schema: z.string().min(1),
  },
  {
    name: "backup.keep",
    type: "number",
    default: 14,
    about: "How many of the backups that are made by themselves are kept.",
    environment: "MINTMARK_BACKUP_KEEP",
    schema: z.int().min(1).max(10_000),
  },
] as const satisfies readonly ConfigKey[];
