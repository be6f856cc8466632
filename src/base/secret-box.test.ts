import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openSecretBox } from "./secret-box.ts";

test("a sealed text opens with its key, in its context, unchanged; and in no other way", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-box-"));
  try {
    const path = join(folder, "secrets.key");
    const box = await openSecretBox(path);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    for (const text of ["", "hunter2", "ключ\0\n"]) {
      const sealed = box.seal(text, "here");
      assert.notEqual(sealed, box.seal(text, "here"));
      assert.equal((await openSecretBox(path)).open(sealed, "here"), text);
      assert.throws(() => box.open(sealed, "there"), { code: "key_unusable" });
      const changed = `${sealed.slice(0, -1)}${sealed.endsWith("A") ? "Q" : "A"}`;
      assert.throws(() => box.open(changed, "here"), { code: "key_unusable" });
    }
    for (const broken of ["", "v1.", "v1.AAAA", "x"])
      assert.throws(() => box.open(broken, "here"), { code: "key_unusable" });
    const other = await openSecretBox(join(folder, "other.key"));
    assert.throws(() => other.open(box.seal("a", "here"), "here"), { code: "key_unusable" });
    const key = await readFile(path, "utf8");
    await writeFile(path, "short\n");
    await assert.rejects(openSecretBox(path), { code: "key_unusable" });
    await writeFile(path, key);
    await chmod(path, 0o640);
    await assert.rejects(openSecretBox(path), { code: "key_unusable" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
