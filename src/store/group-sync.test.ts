import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { GroupSync } from "./group-sync.ts";

test("serves all who wait with one sync, and those who came while one ran with the next", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-sync-"));
  const path = join(folder, "log");
  await writeFile(path, "something");
  const group = new GroupSync(path);
  const ended: number[] = [];
  const wait = async (name: number): Promise<void> => {
    await group.sync();
    ended.push(name);
  };
  await Promise.all([wait(1), wait(2), wait(3)]);
  assert.equal(ended[0], 1);
  await Promise.all(Array.from({ length: 50 }, (_, index) => wait(index)));
  assert.equal(ended.length, 53);
  await group.close();
  await rm(folder, { recursive: true });
});

test("says that nothing is durable any more once a sync has failed", async () => {
  const group = new GroupSync(join(tmpdir(), "mintmark-no-such-folder", "log"));
  await assert.rejects(group.sync(), { code: "ENOENT" });
  await assert.rejects(group.sync(), /earlier sync failed/);
  await group.close();
});
