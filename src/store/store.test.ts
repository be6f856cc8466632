import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Kysely, sql } from "kysely";
import { openDatabase } from "./database.ts";
import type { Migration } from "./migration.ts";
import { migrations } from "./migrations/migrations.ts";
import { createRun, getRun } from "./run-records.ts";
import { migrate } from "./schema.ts";
import { openStore } from "./store.ts";

describe("the store", () => {
  let folder: string;
  let dataDir: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "store-"));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });
  beforeEach((context) => {
    dataDir = join(folder, context.name.replaceAll(/\W/g, "-"));
  });

  const newRun = { definition: "work", definitionVersion: 1, input: { any: ["thing"] }, now: 1 };

  test("makes the data folder, and keeps what it was given over a restart", async () => {
    const first = await openStore({ dataDir });
    const { id } = await first.transaction(async (db) => await createRun(db, newRun));
    const { digest } = await first.blobs.put(Buffer.from("bytes"));
    await first.close();
    const second = await openStore({ dataDir });
    assert.deepEqual((await getRun(second.db, id))?.input, { any: ["thing"] });
    assert.equal((await second.blobs.read(digest)).toString(), "bytes");
    await second.close();
  });

  test("keeps a second writer out, says which process has the folder, and lets it in afterwards", async () => {
    const store = await openStore({ dataDir });
    await assert.rejects(openStore({ dataDir }), (error: Error & { code: string }) => {
      assert.equal(error.code, "data_locked");
      assert.match(error.message, new RegExp(`process ${process.pid} owns it`));
      return true;
    });
    await store.close();
    await store.close();
    await (await openStore({ dataDir })).close();
  });

  test("keeps other processes out, and frees the folder when its owner is killed", async () => {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL("fixtures/hold-store.ts", import.meta.url)), dataDir],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const closed = once(child, "close");
    const [id] = (await once(child.stdout, "data")) as [Buffer];
    await assert.rejects(openStore({ dataDir }), { code: "data_locked", details: { pid: child.pid } });
    child.kill("SIGKILL");
    await closed;
    const store = await openStore({ dataDir });
    assert.ok((await getRun(store.db, id.toString())) !== undefined, "what it acknowledged is there");
    await store.close();
  });

  test("is read beside its owner, and not written", async () => {
    await assert.rejects(openStore({ dataDir, exclusive: false }), { code: "not_found" });
    const owner = await openStore({ dataDir });
    const reader = await openStore({ dataDir, exclusive: false });
    const { id } = await owner.transaction(async (db) => await createRun(db, newRun));
    assert.ok((await getRun(reader.db, id)) !== undefined);
    await assert.rejects(createRun(reader.db, newRun), /readonly/);
    await owner.close();
    assert.equal(await reader.transaction(async (db) => (await getRun(db, id))?.id), id);
    await reader.close();
    const alone = await openStore({ dataDir, exclusive: false });
    assert.ok((await getRun(alone.db, id)) !== undefined);
    await alone.close();
  });

  test("rolls a transaction back when it throws, and others neither see nor join it", async () => {
    const store = await openStore({ dataDir });
    const inside = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    let id = "";
    const failing = store.transaction(async (db) => {
      ({ id } = await createRun(db, newRun));
      inside.resolve();
      await gate.promise;
      throw new Error("no");
    });
    await inside.promise;
    const other = createRun(store.db, newRun);
    gate.resolve();
    await assert.rejects(failing, /no/);
    assert.equal(await getRun(store.db, id), undefined);
    assert.ok((await getRun(store.db, (await other).id)) !== undefined);
    await store.close();
  });

  test("serves statements and transactions in the order they came", async () => {
    const store = await openStore({ dataDir });
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        if (index % 2 === 0) await sql`select 1`.execute(store.db);
        else await store.transaction(async (db) => await sql`select 1`.execute(db));
        order.push(index);
      }),
    );
    assert.equal(order.length, 50);
    assert.ok(
      order.every((value, position) => Math.abs(value - position) <= 4),
      order.join(" "),
    );
    await store.close();
  });

  test("says so when the outer db is used inside a transaction, instead of waiting for ever", async () => {
    const store = await openStore({ dataDir });
    await assert.rejects(
      store.transaction(async () => await getRun(store.db, "x")),
      /inside a transaction/,
    );
    await assert.rejects(
      store.transaction(async () => await store.transaction(async () => undefined)),
      /inside a transaction/,
    );
    assert.equal(await getRun(store.db, "x"), undefined);
    await store.close();
  });

  test("binds what columns hold, and gives plain objects back", async () => {
    const store = await openStore({ dataDir });
    const { rows } =
      await sql`select ${true} as t, ${null} as n, ${1.5} as f, ${new Uint8Array([1])} as b, ${2n} as i`.execute(
        store.db,
      );
    assert.deepEqual(rows, [{ t: 1, n: null, f: 1.5, b: new Uint8Array([1]), i: 2 }]);
    await assert.rejects(sql`select ${{ a: 1 }}`.execute(store.db), /JSON text/);
    await store.close();
  });

  test("sees a new column in a statement that was prepared before", async () => {
    const store = await openStore({ dataDir });
    const { id } = await createRun(store.db, newRun);
    await getRun(store.db, id);
    await sql`alter table runs add column colour text default 'blue'`.execute(store.db);
    const row = await store.db.selectFrom("runs").selectAll().where("id", "=", id).executeTakeFirst();
    assert.equal((row as unknown as { colour: string }).colour, "blue");
    await store.close();
  });

  test("streams many rows", async () => {
    const store = await openStore({ dataDir });
    await sql`create table numbers as with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) select i from n`.execute(
      store.db,
    );
    let sum = 0;
    for await (const row of sqlStream(store.db as unknown as Kysely<{ numbers: { i: number } }>)) sum += row.i;
    assert.equal(sum, 12_502_500);
    await store.close();
  });
});

function sqlStream(db: Kysely<{ numbers: { i: number } }>): AsyncIterable<{ i: number }> {
  return db.selectFrom("numbers").select("i").stream();
}

describe("the schema", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "schema-"));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  const first: Migration = {
    version: 1,
    name: "first",
    up: async (db) => void (await sql`create table things (id text primary key)`.execute(db)),
  };
  const second: Migration = {
    version: 2,
    name: "second",
    up: async (db) => void (await sql`alter table things add column size integer`.execute(db)),
  };
  const broken: Migration = {
    version: 2,
    name: "broken",
    up: async (db) => {
      await sql`create table half (id text)`.execute(db);
      await sql`create table half (id text)`.execute(db);
    },
  };

  async function migrateTo(name: string, list: readonly Migration[]): Promise<unknown> {
    const file = openDatabase(join(folder, `${name}.db`), { readOnly: false });
    try {
      return await migrate(file, { migrations: list, snapshotFolder: join(folder, name) });
    } finally {
      await file.close();
    }
  }

  test("goes forward once, with a copy of what was there before", async () => {
    assert.deepEqual(await migrateTo("forward", [first]), { from: 0, to: 1, snapshot: undefined });
    const { snapshot, ...versions } = (await migrateTo("forward", [first, second])) as { snapshot: string };
    assert.deepEqual(versions, { from: 1, to: 2 });
    assert.deepEqual(await migrateTo("forward", [first, second]), { from: 2, to: 2, snapshot: undefined });
    assert.equal((await readdir(join(folder, "forward"))).length, 1);
    const copy = openDatabase(snapshot, { readOnly: true });
    const { rows } = await sql<{ name: string }>`select name from pragma_table_info('things')`.execute(copy.db);
    assert.deepEqual(rows, [{ name: "id" }], "the copy is from before");
    await copy.close();
  });

  test("refuses a database that is newer, or went another way", async () => {
    await migrateTo("newer", [first, second]);
    await assert.rejects(migrateTo("newer", [first]), { code: "data_newer" });
    await assert.rejects(migrateTo("newer", [first, broken]), { code: "data_newer" });
    assert.deepEqual(await migrateTo("newer", [first, second]), { from: 2, to: 2, snapshot: undefined });
  });

  test("takes a broken migration back whole", async () => {
    await migrateTo("broken", [first]);
    await assert.rejects(migrateTo("broken", [first, broken]), /half/);
    assert.deepEqual(((await migrateTo("broken", [first, second])) as { to: number }).to, 2);
  });

  test("numbers the program's migrations without gaps", () => {
    assert.deepEqual(
      migrations.map(({ version }) => version),
      migrations.map((_, index) => index + 1),
    );
  });
});
