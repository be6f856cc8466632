import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { Queue, Schedules } from "../jobs/jobs.ts";
import type { Registry } from "../registry/registry.ts";
import type { Store } from "../store/store.ts";
import { type Backups, openBackups } from "./backups.ts";

/** What the care for a registry stands on. */
export interface Ground {
  readonly store: Store;
  readonly registry: Registry;
  readonly queue: Queue;
  readonly schedules: Schedules;
  readonly config: Config;
  readonly log: Log;
  /** Whether the process stands for long, as a server does: only then is work taken up by itself. */
  readonly isStanding: boolean;
}

/** What is done for images once they are in the registry. */
export interface Features {
  readonly backups: Backups;
}

/** Opens every feature in the order in which they need each other. */
export async function openFeatures(ground: Ground): Promise<Features> {
  return { backups: await openBackups(ground) };
}
