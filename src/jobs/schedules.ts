import { Cron } from "croner";
import { nowMs } from "../base/clock.ts";
import { Failure, messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { findSchedule, forgetSchedule, recordSchedule } from "../store/schedule-records.ts";
import type { Store } from "../store/store.ts";

/** What is queued at the instants of a cron expression. */
interface Schedule {
  /** `gc`, `retention:team`: one schedule a name. */
  readonly name: string;
  /** Five fields, or six with seconds first; in UTC. */
  readonly cron: string;
  /** Queues the work; called once for any number of instants that passed while nothing ran. */
  start(this: void): Promise<void>;
}

/** A schedule as it is listed; instants are milliseconds. */
interface ScheduleState {
  readonly name: string;
  readonly cron: string;
  readonly lastAt: number;
  /** Undefined where the expression has no further instant. */
  readonly nextAt: number | undefined;
}

/** Work that comes again and again; what was due while nothing ran is caught up with once. */
export interface Schedules {
  /**
   * Adds a schedule or changes the one with its name.
   *
   * @throws Failure `usage` for an expression that cannot be read
   */
  set(schedule: Schedule): Promise<void>;
  /** Takes a schedule away; nothing happens where there is none. */
  remove(name: string): Promise<void>;
  list(): Promise<ScheduleState[]>;
  /** Starts what is due; done by itself every few seconds. */
  tick(): Promise<void>;
  close(): void;
}

const tickMs = 5000;

/** Opens the schedules of a store. */
export function openSchedules({ store, log }: { readonly store: Store; readonly log: Log }): Schedules {
  const schedules = new Map<string, Schedule>();
  let ticking: Promise<void> | undefined;

  async function serve(schedule: Schedule): Promise<void> {
    const { name, cron, start } = schedule;
    const record = await findSchedule(store.db, name);
    const now = nowMs();
    const next = nextInstant(cron, record?.lastAt ?? now);
    if (next === undefined || next > now) return;
    await recordSchedule(store.db, { name, cron, lastAt: now });
    await start();
  }

  async function tick(): Promise<void> {
    for (const schedule of schedules.values())
      await serve(schedule).catch((error: unknown) =>
        log.error({ schedule: schedule.name, err: error }, "could not start scheduled work"),
      );
  }

  const timer = setInterval(() => {
    ticking ??= tick().finally(() => (ticking = undefined));
  }, tickMs).unref();
  return {
    async set(schedule) {
      const { name, cron } = schedule;
      nextInstant(cron, nowMs());
      const record = await findSchedule(store.db, name);
      // A changed expression counts from now: its past instants were never promised.
      if (record?.cron !== cron) await recordSchedule(store.db, { name, cron, lastAt: nowMs() });
      schedules.set(name, schedule);
    },
    async remove(name) {
      schedules.delete(name);
      await forgetSchedule(store.db, name);
    },
    async list() {
      const states: ScheduleState[] = [];
      for (const { name, cron } of schedules.values()) {
        const lastAt = (await findSchedule(store.db, name))?.lastAt ?? nowMs();
        states.push({ name, cron, lastAt, nextAt: nextInstant(cron, Math.max(lastAt, nowMs())) });
      }
      return states;
    },
    tick,
    close: () => clearInterval(timer),
  };
}

/**
 * The first instant of a cron expression after another, both in milliseconds; undefined where there is none.
 *
 * @throws Failure `usage` for an expression that cannot be read
 */
export function nextInstant(cron: string, afterMs: number): number | undefined {
  try {
    return new Cron(cron, { timezone: "UTC" }).nextRun(new Date(afterMs))?.getTime();
  } catch (error) {
    throw new Failure("usage", `Cannot read the schedule "${cron}": ${messageOf(error)}`, {
      hint: 'Write minute, hour, day, month and weekday, such as "0 4 * * 1" for Mondays at 04:00 UTC',
      cause: error,
    });
  }
}
