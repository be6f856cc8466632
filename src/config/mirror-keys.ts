import { z } from "zod";
import type { ConfigKey, ConfigKeyName } from "./config-keys.ts";

/** The keys of the package mirror. */
export const mirrorKeys = [
  {
    name: "mirror.offline",
    type: "boolean",
    default: false,
    about: "Whether no upstream of the package mirror is asked: what is here is all there is.",
    environment: "MINTMARK_MIRROR_OFFLINE",
    schema: z.boolean(),
  },
  {
    name: "mirror.detect",
    type: "boolean",
    default: true,
    about:
      "Whether a server whose mirror has no repository yet makes those that this machine's clients use, at its first start.",
    environment: "MINTMARK_MIRROR_DETECT",
    schema: z.boolean(),
  },
  {
    name: "mirror.clean.schedule",
    type: "text",
    default: "30 3 * * 1",
    about:
      "When what the package mirror fetched and nobody used goes, unless a lock or an image names it: a cron expression in UTC, or never.",
    environment: "MINTMARK_MIRROR_CLEAN_SCHEDULE",
    schema: z.string().min(1),
  },
  {
    name: "mirror.clean.unusedDays",
    type: "number",
    default: 90,
    about: "How many days something in the package mirror stays after its last use.",
    environment: "MINTMARK_MIRROR_CLEAN_UNUSED_DAYS",
    schema: z.number().min(1).max(36_500),
  },
] as const satisfies readonly ConfigKey[];

/** How the package mirror works. */
export interface MirrorConfig {
  /** Whether no upstream is asked. */
  readonly offline: boolean;
  /** Whether the first start makes repositories of what this machine's clients use. */
  readonly detect: boolean;
  readonly clean: {
    /** Cron expression in UTC, or `never`. */
    readonly schedule: string;
    readonly unusedDays: number;
  };
}

/** Shapes the values of {@link mirrorKeys}. */
export function mirrorConfig(read: <Value>(name: ConfigKeyName) => Value): MirrorConfig {
  return {
    offline: read("mirror.offline"),
    detect: read("mirror.detect"),
    clean: { schedule: read("mirror.clean.schedule"), unusedDays: read("mirror.clean.unusedDays") },
  };
}
