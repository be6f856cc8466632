import { isoSeconds, newId, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { projectOf } from "../model/permission.ts";
import { type Exception } from "../model/verdict.ts";
import { type Database } from "./database.ts";
import { addAuditEvent } from "./event-records.ts";
import { type ExceptionEventTable, type ExceptionTable } from "./exception-tables.ts";

/** What a new exception needs; the store adds id and creation time. */
export type NewException = Omit<Exception, "id" | "createdAt">;

/** What happened to an exception, by whom and why. */
export interface ExceptionEvent {
  readonly kind: "created" | "expired";
  /** ISO 8601. */
  readonly at: string;
  readonly actor: string;
  readonly reason: string;
}

/**
 * Records an exception and the event of its creation; to be called in a transaction.
 *
 * @throws Failure `exception_invalid` where its end is no instant or has passed
 */
export async function createException(db: Database, input: NewException): Promise<Exception> {
  const createdAt = nowMs();
  const expiresAt = Date.parse(input.expiresAt);
  if (!(expiresAt > createdAt))
    throw new Failure(
      "exception_invalid",
      `Cannot record the exception for "${input.vulnerability}": it ends at ${input.expiresAt}, which has passed`,
      {
        hint: "Give an end date in the future",
      },
    );
  const row: ExceptionTable = {
    id: newId(),
    vulnerability: input.vulnerability,
    package: input.package ?? null,
    repository: input.repository ?? null,
    reason: input.reason,
    author: input.author,
    created_at: createdAt,
    expires_at: expiresAt,
  };
  await db.insertInto("exceptions").values(row).execute();
  await insertEvent(db, {
    exception_id: row.id,
    kind: "created",
    at: createdAt,
    actor: input.author,
    reason: input.reason,
  });
  await addExceptionEvent(db, "exception.created", { row, actor: input.author, reason: input.reason });
  return exceptionOf(row);
}

/** All exceptions in the order of their creation, expired ones too: a verdict names those. */
export async function listExceptions(db: Database): Promise<Exception[]> {
  const rows = await db.selectFrom("exceptions").selectAll().orderBy("created_at").orderBy("id").execute();
  return rows.map(exceptionOf);
}

/** The exception of an id. */
export async function findException(db: Database, id: string): Promise<Exception | undefined> {
  const row = await db.selectFrom("exceptions").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : exceptionOf(row);
}

/**
 * Ends an exception now and records who did it and why; to be called in a transaction. One that has ended stays as it is.
 *
 * @throws Failure `not_found`
 */
export async function expireException(
  db: Database,
  id: string,
  input: { actor: string; reason: string },
): Promise<Exception> {
  const row = await db.selectFrom("exceptions").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw new Failure("not_found", `Cannot find the exception "${id}"`);
  const at = nowMs();
  if (row.expires_at <= at) return exceptionOf(row);
  await db.updateTable("exceptions").set({ expires_at: at }).where("id", "=", id).execute();
  await insertEvent(db, { exception_id: id, kind: "expired", at, actor: input.actor, reason: input.reason });
  await addExceptionEvent(db, "exception.ended", { row, ...input });
  return exceptionOf({ ...row, expires_at: at });
}

/** The events of an exception in their order. */
export async function listExceptionEvents(db: Database, id: string): Promise<ExceptionEvent[]> {
  const rows = await db
    .selectFrom("exception_events")
    .selectAll()
    .where("exception_id", "=", id)
    .orderBy("id")
    .execute();
  return rows.map((row) => ({ kind: row.kind, at: isoSeconds(row.at), actor: row.actor, reason: row.reason }));
}

interface ToldException {
  readonly row: ExceptionTable;
  readonly actor: string;
  readonly reason: string;
}

async function addExceptionEvent(db: Database, action: string, { row, actor, reason }: ToldException): Promise<void> {
  const { id, vulnerability, package: name, repository, expires_at: expiresAt } = row;
  const project = repository === null || repository.startsWith("*") ? undefined : projectOf(repository);
  const details = { id, package: name, repository, reason, expiresAt: isoSeconds(expiresAt) };
  await addAuditEvent(db, { actor, action, subject: vulnerability, project, details });
}

async function insertEvent(db: Database, event: Omit<ExceptionEventTable, "id">): Promise<void> {
  await db
    .insertInto("exception_events")
    .values({ id: newId(), ...event })
    .execute();
}

function exceptionOf(row: ExceptionTable): Exception {
  return {
    id: row.id,
    vulnerability: row.vulnerability,
    package: row.package ?? undefined,
    repository: row.repository ?? undefined,
    reason: row.reason,
    author: row.author,
    createdAt: isoSeconds(row.created_at),
    expiresAt: isoSeconds(row.expires_at),
  };
}
