import { newId, nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** Something that was changed or refused, for the audit trail. */
export interface AuditEvent {
  readonly actor: string;
  /** `robot.created`, `image.deleted` … */
  readonly action: string;
  /** What it was done to. */
  readonly subject: string;
  /** Facts for the reader; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Adds an event to the audit trail; inside the transaction of the change itself, so that neither is without the other. */
export async function addAuditEvent(db: Database, event: AuditEvent): Promise<void> {
  const { actor, action, subject, details = {} } = event;
  await db
    .insertInto("events")
    .values({ id: newId(), at: nowMs(), actor, action, subject, details: JSON.stringify(details) })
    .execute();
}

/** An event as it stands in the trail. */
export interface AuditRecord extends Required<AuditEvent> {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Lists events, oldest first, after the one with the id `after`. */
export async function listAuditEvents(
  db: Database,
  page: { readonly after?: string; readonly limit: number },
): Promise<AuditRecord[]> {
  const rows = await db
    .selectFrom("events")
    .selectAll()
    .where("id", ">", page.after ?? "")
    .orderBy("id")
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ ...row, details: JSON.parse(row.details) as Record<string, unknown> }));
}

/** Denials that are recorded in a minute; the rest is counted. */
const denialsPerMinute = 60;

/**
 * Records denials, but no more than 60 a minute, so that guessing cannot fill the disk.
 *
 * The next one that is recorded tells in `details.skipped` how many were not.
 */
export function openDenialTrail(db: Database): (event: AuditEvent) => Promise<void> {
  let windowStart = 0;
  let recorded = 0;
  let skipped = 0;
  return async (event) => {
    const now = nowMs();
    if (now - windowStart >= 60_000) {
      windowStart = now;
      recorded = 0;
    }
    if (recorded >= denialsPerMinute) {
      skipped += 1;
      return;
    }
    recorded += 1;
    const details = skipped === 0 ? event.details : { ...event.details, skipped };
    skipped = 0;
    await addAuditEvent(db, details === undefined ? event : { ...event, details });
  };
}
