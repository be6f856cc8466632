import { z } from "zod";
import { instant, neverInstant, numberOf } from "./names.ts";
import { badRequest, notOffered } from "./refusals.ts";

/** What Harbor's schedules are set with. */
export const scheduleBody = z.object({
  schedule: z.object({
    type: z.enum(["Hourly", "Daily", "Weekly", "Custom", "Manual", "None", "Schedule"]),
    cron: z.string().max(200).nullish(),
  }),
  parameters: z.record(z.string().max(100), z.unknown()).nullish(),
});

/** A schedule that somebody asks for. */
export type ScheduleWish = z.output<typeof scheduleBody>;

/** A cron expression with seconds, as Harbor writes it; undefined where there is none. */
export function sixFields(cron: string): string {
  return cron.trim().split(/\s+/).length === 5 ? `0 ${cron.trim()}` : cron.trim();
}

/**
 * Reads a cron expression of Harbor's, which has six fields; whether they say something is for who keeps it.
 *
 * @throws Failure `usage` where it has not
 */
export function readCron(cron: string): string {
  const text = cron.trim();
  if (text.split(/\s+/).length !== 6)
    throw badRequest(`invalid cron ${text.slice(0, 100)}: it takes six fields, seconds first`);
  return text;
}

const fixed: Readonly<Record<string, string>> = {
  Hourly: "0 0 * * * *",
  Daily: "0 0 0 * * *",
  Weekly: "0 0 0 * * 0",
};

/** What is done by a schedule, and when next. */
interface KnownSchedule {
  readonly name: string;
  /** Undefined for none. */
  readonly cron: string | undefined;
  /** Milliseconds since 1970. */
  readonly nextAt: number | undefined;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** A schedule in Harbor's shape; without one it is empty, as Harbor's is. */
export function shownSchedule({ name, cron, nextAt, parameters }: KnownSchedule): unknown {
  if (cron === undefined) return {};
  const text = sixFields(cron);
  const type = Object.keys(fixed).find((one) => fixed[one] === text) ?? "Custom";
  return {
    id: numberOf("schedule", name),
    status: "Scheduled",
    creation_time: neverInstant,
    update_time: neverInstant,
    schedule: { type, cron: text, next_scheduled_time: nextAt === undefined ? undefined : instant(nextAt) },
    parameters: parameters ?? {},
  };
}

/**
 * Lets a wish through that asks for the schedule there is.
 *
 * Schedules of the whole system stand in the configuration, where everybody who runs it looks for them.
 *
 * @throws 501 for any other, with what to do instead
 */
export function sameSchedule(
  { schedule: { type, cron } }: ScheduleWish,
  standing: { readonly cron: string | undefined; readonly what: string },
): void {
  const given = fixed[type] ?? cron ?? "";
  const asked = type === "None" || given === "" ? undefined : sixFields(given);
  if (asked === (standing.cron === undefined ? undefined : sixFields(standing.cron))) return;
  throw notOffered(standing.what);
}
