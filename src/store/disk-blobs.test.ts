import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../base/child.ts";
import { parseDigest } from "../model/digest.ts";
import { testBlobContract } from "./blobs.contract.test.ts";
import { openDiskBlobs } from "./disk-blobs.ts";

testBlobContract("disk", async () => {
  const folder = await mkdtemp(join(tmpdir(), "blobs-"));
  let blobs = await openDiskBlobs({ folder, exclusive: true });
  return {
    blobs,
    reopen: async () => {
      await blobs.close();
      return (blobs = await openDiskBlobs({ folder, exclusive: true }));
    },
    close: async () => {
      await blobs.close();
      assert.deepEqual(await readdir(join(folder, "tmp")), [], "nothing temporary is left behind");
      await rm(folder, { recursive: true });
    },
  };
});

describe("blobs on a disk in trouble", () => {
  test("kill -9 in the middle of a put: nothing half written, and the rest is cleaned at the next open", async () => {
    const folder = await mkdtemp(join(tmpdir(), "blobs-kill-"));
    try {
      const { code, stderr } = await run(process.execPath, [
        fileURLToPath(new URL("fixtures/killed-put.ts", import.meta.url)),
        folder,
      ]);
      assert.equal(code, 137, stderr);
      assert.notDeepEqual(await readdir(join(folder, "tmp")), [], "it was killed while it wrote");
      const [upload] = await readdir(join(folder, "uploads"));
      await using blobs = await openDiskBlobs({ folder, exclusive: true });
      assert.deepEqual(await readdir(join(folder, "tmp")), []);
      const digests = await Array.fromAsync(blobs.list());
      assert.equal(digests.length, 1, "what was acknowledged before is there");
      assert.deepEqual(await blobs.stat(digests[0]!), { sizeBytes: 1000 });
      assert.equal(await blobs.uploads.sizeOf(upload!), 3_000_000, "what an append acknowledged is there");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("a full disk: disk_full, nothing kept, and it goes on once there is room", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "blobs-full-"));
    try {
      const mount = `mount -t tmpfs -o size=6m none "$1" && exec "$2" "$3" "$1"`;
      const args = [
        "-Urm",
        "sh",
        "-c",
        mount,
        "sh",
        folder,
        process.execPath,
        fileURLToPath(new URL("fixtures/full-disk.ts", import.meta.url)),
      ];
      const { code, stdout, stderr } = await run("unshare", args);
      if (code !== 0 && /unshare|mount/.test(stderr)) return context.skip(`no private tmpfs here: ${stderr.trim()}`);
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), {
        put: "disk_full",
        append: "disk_full",
        uploadSizeBytes: 1000,
        temporaryFiles: [],
        digestAfterwards: true,
        uploadAfterwards: true,
        insert: "disk_full",
        rowsAreWhole: true,
        insertAfterwards: true,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("replaces a blob that lost its end", async () => {
    const folder = await mkdtemp(join(tmpdir(), "blobs-short-"));
    try {
      await using blobs = await openDiskBlobs({ folder, exclusive: true });
      const { digest } = await blobs.put(Buffer.from("whole"));
      const path = await blobs.localPath(digest);
      await chmod(path, 0o600);
      await truncate(path, 2);
      await blobs.put(Buffer.from("whole"));
      assert.equal((await blobs.read(digest)).toString(), "whole");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("lists only what has a digest for its name, and is read only where it is not the owner", async () => {
    const folder = await mkdtemp(join(tmpdir(), "blobs-read-"));
    try {
      await using owner = await openDiskBlobs({ folder, exclusive: true });
      const { digest } = await owner.put(Buffer.from("whole"));
      await writeFile(join(folder, "sha256", digest.slice(7, 9), "stray"), "");
      await using reader = await openDiskBlobs({ folder, exclusive: false });
      const digests = await Array.fromAsync(reader.list());
      assert.deepEqual(digests.map(parseDigest), [digest]);
      await assert.rejects(reader.put(Buffer.from("more")), /reading only/);
      await assert.rejects(reader.delete(digest), /reading only/);
      await assert.rejects(reader.uploads.create(), /reading only/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
