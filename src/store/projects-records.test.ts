import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sql } from "kysely";
import { findAccount, findAccountAndGeneration, insertAccount, listAccounts } from "./accounts-records.ts";
import { openDatabase } from "./database.ts";
import { migrations } from "./migrations/migrations.ts";
import {
  deleteEmptyRepositories,
  findProject,
  findProjectById,
  insertProject,
  listProjects,
  updateProjectSetting,
} from "./projects-records.ts";
import { ensureRepository, hasRepository } from "./repository-records.ts";
import { migrate } from "./schema.ts";
import { openStore } from "./store.ts";

test("the accounts and repositories of an older data folder are carried over", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-projects-"));
  const file = openDatabase(join(folder, "mintmark.db"), { readOnly: false });
  try {
    const snapshotFolder = join(folder, "snapshots");
    await migrate(file, { migrations: migrations.slice(0, 7), snapshotFolder });
    const permissions = JSON.stringify([{ repository: "team/*", actions: ["pull", "build"] }]);
    for (const [name, kind, expires, createdAt] of [
      ["robot$ci", "robot", 5_000_000_000_000, 2],
      ["admin", "administrator", null, 1],
    ] as const)
      await sql`insert into accounts (name, kind, secret_hash, permissions, created_at, created_by, expires_at, disabled)
        values (${name}, ${kind}, 'hash', ${kind === "robot" ? permissions : "[]"}, ${createdAt}, 'x', ${expires}, 0)`.execute(
        file.db,
      );
    for (const name of ["base", "team/app", "team/tools/lint", "other/x"])
      await sql`insert into repositories (name, created_at) values (${name}, 1)`.execute(file.db);
    await migrate(file, { migrations, snapshotFolder });
    const accounts = await listAccounts(file.db, ["administrator", "robot", "person"]);
    assert.deepEqual(
      accounts.map(({ name, number, kind, secretHash, project, origin }) => [
        name,
        number,
        kind,
        secretHash,
        project,
        origin,
      ]),
      [
        ["admin", 1, "administrator", "hash", null, "local"],
        ["robot$ci", 2, "robot", "hash", null, "local"],
      ],
    );
    assert.deepEqual(accounts[1]?.permissions, JSON.parse(permissions));
    assert.deepEqual(
      (await listProjects(file.db)).map(({ id, name, isPublic }) => [id, name, isPublic]),
      [
        [1, "base", false],
        [2, "other", false],
        [3, "team", false],
      ],
    );
    const second = { name: "second", kind: "administrator" as const, secretHash: "h", createdBy: "x" };
    assert.equal(await insertAccount(file.db, second), false, "there is one administrator");
    assert.equal(await insertAccount(file.db, { ...second, name: "anna", kind: "person" }), true);
    assert.ok((await findAccount(file.db, "anna"))!.number > 2, "behind those that were carried over");
  } finally {
    await file.close();
    await rm(folder, { recursive: true });
  }
});

test("a new repository makes its project, private and once, and every change of rights is counted", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-projects-"));
  const store = await openStore({ dataDir });
  const { db } = store;
  try {
    for (const name of ["team/app", "team/app", "team/b", "team", "team-a/x", "team0/x"])
      await store.transaction(async (inner) => await ensureRepository(inner, name));
    const projects = await listProjects(db);
    assert.deepEqual(
      projects.map(({ name }) => name),
      ["team", "team-a", "team0"],
    );
    assert.deepEqual((await findProjectById(db, projects[0]!.id))?.createdBy, "first push");
    assert.equal(await insertProject(db, { name: "team", isPublic: true, createdBy: "x" }), false);
    const generation = async (): Promise<number> => (await findAccountAndGeneration(db, "nobody")).generation;
    const before = await generation();
    assert.ok(await updateProjectSetting(db, "team", { key: "quota", value: { bytes: 5 } }));
    assert.ok(await updateProjectSetting(db, "team", { key: "gate", value: true }));
    assert.ok(await updateProjectSetting(db, "team", { key: "gate", value: undefined }));
    assert.equal(await updateProjectSetting(db, "none", { key: "gate", value: true }), false);
    assert.deepEqual((await findProject(db, "team"))?.settings, { quota: { bytes: 5 } });
    assert.equal(await generation(), before, "settings are no rights");
    await insertAccount(db, { name: "anna", kind: "person", secretHash: null, createdBy: "x" });
    assert.ok((await generation()) > before);
    assert.equal(await deleteEmptyRepositories(db, "team"), undefined);
    assert.deepEqual(
      [await hasRepository(db, "team"), await hasRepository(db, "team/b"), await hasRepository(db, "team0/x")],
      [false, false, true],
    );
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
});
