import { AsyncLocalStorage } from "node:async_hooks";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  sql,
  SqliteQueryCompiler,
} from "kysely";
import { Failure } from "../base/errors.ts";
import { GroupSync } from "./group-sync.ts";
import type { Tables } from "./tables.ts";

/** The typed query builder over the one database of a data folder. */
export type Database = Kysely<Tables>;

/** An open database file: the query builder, and transactions that cannot deadlock on it. */
export interface DatabaseFile {
  readonly db: Database;
  /** Runs `work` in one transaction; an exception rolls it back. Never await network, disk or a child in it. */
  transaction<T>(work: (db: Database) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * Pages of the log (32 MiB) at which it is brought into the database at once, whoever waits meanwhile.
 *
 * That syncs the database on the event loop, so it is done in a pause of the writers wherever there is one.
 */
const logPagesMax = 8000;
const pauseMs = 300;

/** Statements that are kept prepared; the program has about two hundred. */
const statementCacheCount = 512;

/**
 * Opens a SQLite file through our own Kysely dialect over `node:sqlite`.
 *
 * There is one connection; statements and transactions take it in the order they came. What a statement or a
 * transaction has answered survives a power cut: SQLite only writes its log, and whoever has written waits until a
 * sync of the log, one for all who wait, has made it durable. SQLite itself would sync each by itself, on the event loop.
 *
 * @throws Failure `disk_full` from any write when the disk is full
 */
export function openDatabase(path: string, options: { readonly readOnly: boolean }): DatabaseFile {
  const raw = new DatabaseSync(path, { readOnly: options.readOnly, timeout: 5000, enableForeignKeyConstraints: true });
  try {
    if (!options.readOnly)
      raw.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${logPagesMax}`);
  } catch (error) {
    raw.close();
    throw error;
  }
  const inTransaction = new AsyncLocalStorage<{ open: boolean }>();
  const driver = new SqliteFileDriver({
    raw,
    begin: options.readOnly ? "BEGIN" : "BEGIN IMMEDIATE",
    log: new GroupSync(`${path}-wal`),
    beforeAcquire() {
      if (inTransaction.getStore()?.open === true)
        throw new Error("The store's own db was used inside a transaction: use the db that the transaction hands in");
    },
  });
  const db: Database = new Kysely<Tables>({
    dialect: {
      createDriver: () => driver,
      createAdapter: () => new QueueingSqliteAdapter(),
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    },
  });
  return {
    db,
    transaction: async (work) =>
      await db.transaction().execute(async (inner) => {
        const mark = { open: true };
        try {
          return await inTransaction.run(mark, async () => await work(inner));
        } finally {
          mark.open = false;
        }
      }),
    close: async () => await driver.destroy(),
  };
}

/** Says that the driver itself queues for the connection, so that Kysely's own, unordered mutex stays out. */
class QueueingSqliteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

interface DriverOptions {
  readonly raw: DatabaseSync;
  /** The statement that begins a transaction. */
  readonly begin: string;
  readonly log: GroupSync;
  readonly beforeAcquire: () => void;
}

/** One connection, handed out in the order of asking. */
class SqliteFileDriver implements Driver {
  readonly #options: DriverOptions;
  readonly #connection: SqliteFileConnection;
  readonly #waiting: (() => void)[] = [];
  #busy = false;
  #pause: NodeJS.Timeout | undefined;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#connection = new SqliteFileConnection(options.raw);
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    this.#options.beforeAcquire();
    if (this.#busy) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy = true;
    return this.#connection;
  }

  /** The next one has the connection while this one waits for what it has written to be durable. */
  async releaseConnection(): Promise<void> {
    const written = this.#connection.takeWritten();
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy = false;
    else next();
    if (written === "nothing") return;
    this.#pause ??= setTimeout(() => this.#emptyLog(), pauseMs).unref();
    this.#pause.refresh();
    if (written === "must last") await this.#options.log.sync();
  }

  #emptyLog(): void {
    if (this.#busy) this.#pause?.refresh();
    else if (this.#options.raw.isOpen)
      try {
        this.#connection.run("PRAGMA wal_checkpoint(PASSIVE)");
      } catch {
        // Nothing is lost: the log stays as it is, and the next write or the next start meets what is wrong.
      }
  }

  async beginTransaction(): Promise<void> {
    this.#connection.run(this.#options.begin);
  }

  async commitTransaction(): Promise<void> {
    this.#connection.run("COMMIT");
  }

  async rollbackTransaction(): Promise<void> {
    // SQLite rolls back by itself when the disk is full.
    if (this.#options.raw.isTransaction) this.#connection.run("ROLLBACK");
  }

  /** Waits for the statement or transaction that has the connection, then closes the file. */
  async destroy(): Promise<void> {
    await this.acquireConnection();
    clearTimeout(this.#pause);
    await this.#options.log.close();
    if (this.#options.raw.isOpen) this.#options.raw.close();
    await this.releaseConnection();
  }
}

class SqliteFileConnection implements DatabaseConnection {
  readonly #raw: DatabaseSync;
  readonly #statements = new Map<string, CachedStatement>();
  #written: Written = "nothing";

  constructor(raw: DatabaseSync) {
    this.#raw = raw;
  }

  /** What was written since the last call. */
  takeWritten(): Written {
    const written = this.#written;
    this.#written = "nothing";
    return written;
  }

  /** Runs a statement that has neither parameters nor rows. */
  run(text: string): void {
    try {
      this.#raw.exec(text);
    } catch (error) {
      throw explained(error);
    }
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      const { statement, hasRows } = this.#prepare(query);
      const parameters = query.parameters.map(bindable);
      if (query.query.kind !== "SelectQueryNode" && this.#written !== "must last")
        this.#written = writtenBy(query.sql) ?? this.#written;
      // Rows come without a prototype; a plain copy behaves like every other object.
      if (hasRows) return { rows: statement.all(...parameters).map((row) => ({ ...row }) as Row) };
      const { changes, lastInsertRowid } = statement.run(...parameters);
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
    } catch (error) {
      throw explained(error);
    }
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    const statement = this.#raw.prepare(query.sql);
    for (const row of statement.iterate(...query.parameters.map(bindable))) yield { rows: [{ ...row } as Row] };
  }

  #prepare(query: CompiledQuery): CachedStatement {
    const cached = this.#statements.get(query.sql);
    if (cached !== undefined) return cached;
    const statement = this.#raw.prepare(query.sql);
    const fresh = { statement, hasRows: statement.columns().length > 0 };
    if (!cacheableKinds.has(query.query.kind)) {
      // A change of the schema may give an old statement other columns.
      this.#statements.clear();
      return fresh;
    }
    if (this.#statements.size >= statementCacheCount) {
      const oldest = this.#statements.keys().next();
      if (oldest.done !== true) this.#statements.delete(oldest.value);
    }
    this.#statements.set(query.sql, fresh);
    return fresh;
  }
}

interface CachedStatement {
  readonly statement: StatementSync;
  readonly hasRows: boolean;
}

/** What writers wait for: `may be lost` is durable with the next write that must last, or after a few seconds. */
type Written = "nothing" | "may be lost" | "must last";

/** What a statement may write; undefined for those that begin by reading. */
function writtenBy(text: string): Written | undefined {
  if (/^\s*(?:select|with|explain|pragma)\b/i.test(text)) return undefined;
  return text.endsWith(mayBeLostMark) ? "may be lost" : "must last";
}

const mayBeLostMark = "/* may be lost */";

/**
 * Put at the end of a statement whose effect a power cut may undo, with `modifyEnd`: nobody waits for the disk.
 *
 * It survives the death of the process like every other.
 */
export const mayBeLost = sql.raw(mayBeLostMark);

const cacheableKinds: ReadonlySet<string> = new Set([
  "SelectQueryNode",
  "InsertQueryNode",
  "UpdateQueryNode",
  "DeleteQueryNode",
]);

function bindable(value: unknown): SQLInputValue {
  if (value === undefined) return null;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "bigint")
    return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`A ${typeof value} cannot be bound to a statement: store documents as JSON text`);
}

/** SQLITE_FULL of <https://www.sqlite.org/rescode.html>. */
const sqliteFull = 13;

function explained(error: unknown): unknown {
  if (error instanceof Error && "errcode" in error && error.errcode === sqliteFull)
    return new Failure("disk_full", "Cannot write the database: the disk is full", {
      hint: "Free space on the disk of the data folder; nothing half written is kept",
      cause: error,
    });
  return error;
}
