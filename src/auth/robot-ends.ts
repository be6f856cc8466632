import { isoSeconds, nowMs } from "../base/clock.ts";
import { listRobotsEndingUntil, updateAccount } from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";

/** How many days before the end of a robot a warning is written. */
const warningDays = [1, 7, 30] as const;
const dayMs = 86_400_000;

/** Robots within this time of their end are counted in the metrics. */
const soonMs = 7 * dayMs;

/** Writes `robot.expiring` for robots that end within 30, 7 or 1 days, once each; gives how many were written. */
export async function warnOfEnds(store: Store): Promise<number> {
  const now = nowMs();
  const ending = await listRobotsEndingUntil(store.db, now + warningDays.at(-1)! * dayMs);
  let count = 0;
  for (const { name, project, expiresAt, warnedDays } of ending) {
    const days = nearestWarning(expiresAt! - now);
    if (days === null || (warnedDays !== null && warnedDays <= days)) continue;
    await store.transaction(async (db) => {
      await updateAccount(db, name, { warnedDays: days });
      const details = { expiresAt: isoSeconds(expiresAt!), withinDays: days };
      await addAuditEvent(db, {
        actor: "mintmark",
        action: "robot.expiring",
        subject: name,
        project: project ?? undefined,
        details,
      });
    });
    count += 1;
  }
  return count;
}

/** The warning that a robot with that end is past from the start: who makes one for ten days knows. */
export function warnedAtStart(expiresAt: number | null): number | null {
  return expiresAt === null ? null : nearestWarning(expiresAt - nowMs());
}

/** How many robots end within seven days. */
export async function countRobotsEndingSoon(store: Store): Promise<number> {
  return (await listRobotsEndingUntil(store.db, nowMs() + soonMs)).length;
}

function nearestWarning(remainingMs: number): number | null {
  return warningDays.find((days) => remainingMs <= days * dayMs) ?? null;
}
