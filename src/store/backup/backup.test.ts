import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { digestHex } from "../../model/digest.ts";
import { addAuditEvent, listAuditEvents } from "../event-records.ts";
import { openStore, type Store } from "../store.ts";
import { listBackups } from "./backup-folder.ts";
import { makeBackup } from "./make-backup.ts";
import { proveBackup, restoreBackup } from "./restore-backup.ts";

/** Paths of the files that this process has open. */
async function openFiles(): Promise<string[]> {
  const descriptors = await readdir("/proc/self/fd");
  return await Promise.all(descriptors.map(async (fd) => await readlink(`/proc/self/fd/${fd}`).catch(() => "")));
}

const event = (subject: string) => ({ actor: "test", action: "project.created", subject });

describe("backups", () => {
  let home: string;
  let store: Store;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), "mintmark-backup-"));
    store = await openStore({ dataDir: join(home, "data") });
    await mkdir(join(home, "data", "keys"));
    await writeFile(join(home, "data", "keys", "release.key"), "not a key", { mode: 0o600 });
  });
  after(async () => {
    await store.close();
    await rm(home, { recursive: true, force: true });
  });
  const put = async (text: string) => (await store.blobs.put(Buffer.from(text))).digest;
  const backUp = async (folder: string, more: { keepCount?: number; withKeys?: boolean } = {}) =>
    await makeBackup({ dataDir: store.dataDir, blobs: store.blobs, folder: join(home, folder), ...more });
  const blobPath = (folder: string, digest: Awaited<ReturnType<typeof put>>) =>
    join(home, folder, "sha256", digestHex(digest).slice(0, 2), digestHex(digest));

  test("restores what was there, and copies only what is new the next time", async () => {
    const first = await put("first");
    await addAuditEvent(store.db, event("before"));
    const one = await backUp("copies");
    assert.deepEqual([one.blobs.count, one.blobs.addedCount], [1, 1]);
    const second = await put("second");
    const two = await backUp("copies");
    assert.deepEqual([two.blobs.count, two.blobs.addedCount], [2, 1]);
    assert.deepEqual(
      (await listBackups(join(home, "copies"))).map(({ id }) => id),
      [two.id, one.id],
    );

    await restoreBackup({ folder: join(home, "copies"), id: one.id, dataDir: join(home, "older") });
    await restoreBackup({ folder: join(home, "copies"), dataDir: join(home, "newer") });
    const older = await openStore({ dataDir: join(home, "older") });
    const newer = await openStore({ dataDir: join(home, "newer") });
    assert.equal((await older.blobs.read(first)).toString(), "first");
    assert.equal(await older.blobs.stat(second), undefined);
    assert.equal((await newer.blobs.read(second)).toString(), "second");
    assert.deepEqual(
      (await listAuditEvents(older.db, { limit: 9 })).map(({ subject }) => subject),
      ["before"],
    );
    const key = join(home, "newer", "keys", "release.key");
    assert.equal(await readFile(key, "utf8"), "not a key");
    assert.equal((await stat(key)).mode & 0o777, 0o600);
    await Promise.all([older.close(), newer.close()]);
    const mine = (await openFiles()).filter((path) => /\/(?:copies|older|newer)[./]/.test(path));
    assert.deepEqual(mine, [], "every file is closed again");
  });

  test("is consistent while others write", async () => {
    let isOver = false;
    let written = 0;
    const writing = (async () => {
      while (!isOver) {
        // What a row names is in the store before the row is.
        const digest = await put(`busy ${written}`);
        await addAuditEvent(store.db, event(digest));
        written++;
      }
    })();
    const backup = await backUp("busy");
    isOver = true;
    await writing;
    assert.ok(written > 0);
    await restoreBackup({ folder: join(home, "busy"), id: backup.id, dataDir: join(home, "from-busy") });
    const restored = await openStore({ dataDir: join(home, "from-busy") });
    for (const { subject } of await listAuditEvents(restored.db, { limit: 10_000 }))
      if (subject.startsWith("sha256:")) assert.ok(await restored.blobs.stat(subject as never), subject);
    await restored.close();
  });

  test("says which blob is broken, restores nothing, and heals with the next backup", async () => {
    const digest = await put("to be broken");
    await backUp("broken");
    const path = blobPath("broken/blobs", digest);
    await chmod(path, 0o600);
    await writeFile(path, "to be brokeN");
    const { broken } = await proveBackup({ folder: join(home, "broken") });
    assert.deepEqual(broken, [digest]);
    await assert.rejects(restoreBackup({ folder: join(home, "broken"), dataDir: join(home, "none") }), {
      code: "digest_mismatch",
      message: new RegExp(digest),
    });
    assert.deepEqual(
      (await readdir(home)).filter((name) => name.startsWith("none")),
      [],
    );
    await rm(path);
    await backUp("broken");
    assert.deepEqual((await proveBackup({ folder: join(home, "broken") })).broken, []);
  });

  test("does not copy a blob of the store that has lost its digest, and says so", async () => {
    const digest = await put("rots in the store");
    const path = blobPath("data/blobs", digest);
    const sound = await readFile(path);
    await chmod(path, 0o600);
    await writeFile(path, "Rots in the store");
    const backup = await backUp("rotten");
    assert.deepEqual(backup.damaged, [digest]);
    await assert.rejects(restoreBackup({ folder: join(home, "rotten"), dataDir: join(home, "none") }), {
      code: "digest_mismatch",
    });
    await writeFile(path, sound);
  });

  test("refuses a damaged database or key before anything is written", async () => {
    const { id } = await backUp("forged");
    await writeFile(join(home, "forged", "backups", id, "files", "keys", "release.key"), "forged");
    await assert.rejects(restoreBackup({ folder: join(home, "forged"), dataDir: join(home, "none") }), {
      code: "digest_mismatch",
      message: /release\.key/,
    });
  });

  test("keeps as many as it is told to, and the blobs that they name", async () => {
    await backUp("few");
    const late = await put("late");
    await backUp("few");
    const last = await backUp("few", { keepCount: 1, withKeys: false });
    assert.deepEqual(
      (await listBackups(join(home, "few"))).map(({ id }) => id),
      [last.id],
    );
    assert.deepEqual(last.files, []);
    await store.blobs.delete(late);
    await backUp("few", { keepCount: 1 });
    await assert.rejects(stat(blobPath("few/blobs", late)), { code: "ENOENT" });
  });

  test("goes on after one that was cut short", async () => {
    const many = await Promise.all(Array.from({ length: 40 }, async (_, index) => await put(`many ${index}`)));
    const stopping = new AbortController();
    const stopped = makeBackup({
      dataDir: store.dataDir,
      blobs: store.blobs,
      folder: join(home, "cut"),
      signal: stopping.signal,
      onProgress: ({ kind, ...progress }) => {
        if (kind === "progress" && "phase" in progress && progress.phase === "blobs") stopping.abort();
      },
    });
    await assert.rejects(stopped);
    assert.deepEqual(await listBackups(join(home, "cut")), []);
    const whole = await backUp("cut");
    assert.ok(whole.blobs.addedCount < whole.blobs.count, "some were copied before");
    assert.ok(whole.blobs.count >= many.length);
    assert.deepEqual((await readdir(join(home, "cut", "backups"))).length, 1);
  });

  test("stays out of folders that are not its own", async () => {
    await mkdir(join(home, "photos"));
    await writeFile(join(home, "photos", "cat.jpg"), "meow");
    await assert.rejects(backUp("photos"), { code: "conflict" });
    await assert.rejects(backUp("data/backups"), { code: "usage" });
    await assert.rejects(backUp("data"), { code: "usage" });
    await assert.rejects(listBackups(join(home, "photos")), { code: "not_found" });
    await assert.rejects(listBackups(join(home, "nowhere")), { code: "not_found" });
    await backUp("sound");
    await assert.rejects(restoreBackup({ folder: join(home, "sound"), dataDir: join(home, "photos") }), {
      code: "conflict",
    });
    await assert.rejects(restoreBackup({ folder: join(home, "sound"), id: "x", dataDir: join(home, "none") }), {
      code: "not_found",
    });
    const [one, two] = await Promise.allSettled([backUp("sound"), backUp("sound")]);
    assert.deepEqual([one.status, two.status].toSorted(), ["fulfilled", "rejected"]);
  });
});
