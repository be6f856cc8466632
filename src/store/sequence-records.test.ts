import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { deleteGroup, insertGroup, listGroups } from "./accounts-group-records.ts";
import { deleteAccount, findAccount, insertAccount } from "./accounts-records.ts";
import { deleteLabel, insertLabel } from "./label-records.ts";
import { deleteMember, listMembers, putMember } from "./projects-member-records.ts";
import { deleteProject, findProject, insertProject } from "./projects-records.ts";
import { openStore, type Store } from "./store.ts";

type Database = Store["db"];

/** Makes something and deletes it again; gives its number. */
const cycles: Readonly<Record<string, (db: Database) => Promise<number>>> = {
  async project(db) {
    await insertProject(db, { name: "team", isPublic: false, createdBy: "test" });
    const { id } = (await findProject(db, "team"))!;
    await deleteProject(db, "team");
    return id;
  },
  async robot(db) {
    await insertAccount(db, { name: "robot$ci", kind: "robot", secretHash: null, createdBy: "test" });
    const { number } = (await findAccount(db, "robot$ci"))!;
    await deleteAccount(db, "robot$ci");
    return number;
  },
  async group(db) {
    await insertGroup(db, { name: "crew", kind: "local", createdBy: "test" });
    const { number } = (await listGroups(db))[0]!;
    await deleteGroup(db, "crew");
    return number;
  },
  async member(db) {
    await putMember(db, { project: "team", kind: "account", name: "anna", role: "guest", createdBy: "test" });
    const { id } = (await listMembers(db, "team"))[0]!;
    await deleteMember(db, id);
    return id;
  },
  async label(db) {
    const label = await insertLabel(db, { name: "gold", description: "", color: "", project: undefined });
    await deleteLabel(db, label!.id);
    return label!.id;
  },
};

test("the number of something that was deleted never comes back", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-sequence-"));
  const store = await openStore({ dataDir });
  try {
    for (const [what, cycle] of Object.entries(cycles)) {
      const numbers = [await store.transaction(cycle), await store.transaction(cycle), await store.transaction(cycle)];
      assert.ok(numbers[0]! < numbers[1]! && numbers[1]! < numbers[2]!, `${what}: ${numbers.join()}`);
    }
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
});
