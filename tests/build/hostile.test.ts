import assert from "node:assert/strict";
import { lstat, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { run } from "../../src/base/child.ts";
import { messageOf } from "../../src/base/errors.ts";
import { unpack } from "../../src/build/trees/unpack.ts";
import { makeDeb } from "../fixtures/deb.ts";
import { bombDeb } from "../fixtures/bomb-deb.ts";
import { hostileDebs } from "../fixtures/hostile-debs.ts";

// Unpacking gives files their owners, which only root may; elsewhere the chamber's own user namespace does.
const isRoot = process.getuid?.() === 0;
const hasXz = await run("xz", ["--version"]).then(
  () => true,
  () => false,
);

describe("unpacking hostile packages", { skip: isRoot && hasXz ? false : "needs root and xz" }, () => {
  let work = "";
  let outside = "";
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), "hostile-"));
    outside = join(work, "outside");
    await mkdir(outside);
    await mkdir(join(work, "target"));
    await writeFile(join(outside, "secret"), "secret", { mode: 0o600 });
  });
  afterEach(() => rm(work, { recursive: true, force: true }));

  /** Unpacks and returns the failure's code and message, or undefined. */
  const attempt = async (bytes: Uint8Array): Promise<string | undefined> => {
    const path = join(work, "package.deb");
    await writeFile(path, bytes);
    try {
      await unpack(path, join(work, "target"));
      return undefined;
    } catch (error) {
      return `${error instanceof Error && "code" in error ? String(error.code) : "none"}: ${messageOf(error)}`;
    }
  };

  const assertNothingEscaped = async (): Promise<void> => {
    assert.deepEqual(await readdir(outside), ["secret"]);
    assert.deepEqual((await readdir(work)).sort(), ["outside", "package.deb", "target"]);
    const secret = await stat(join(outside, "secret"));
    assert.equal(secret.nlink, 1, "a hard link to the secret was made");
    assert.equal(secret.mode & 0o7777, 0o600, "the mode of the secret was changed");
    for (const path of ["escaped", "etc-escaped"]) await assert.rejects(lstat(join("/", path)), { code: "ENOENT" });
  };

  // The folder outside is known only when a test runs; its place in the list is not.
  const placeholder = "/outside";
  for (const { name, about, expected } of hostileDebs({ outside: placeholder }))
    it(`${name}: ${about} (${expected})`, async () => {
      const { bytes } = hostileDebs({ outside }).find((deb) => deb.name === name)!;
      const failure = await attempt(bytes);
      await assertNothingEscaped();
      if (expected === "refused") assert.match(failure ?? "it was unpacked", /^archive_hostile: /);
      if (expected === "kept") assert.equal(failure, undefined);
      if (expected === "contained" && failure !== undefined) assert.match(failure, /^archive_hostile: /);
      if (failure !== undefined) await assert.rejects(lstat(join(work, "target/tree.json")), { code: "ENOENT" });
    });

  for (const compression of ["xz", "gzip", "zstd"] as const)
    it(`stops a bomb of ${compression} before it fills the disk`, async () => {
      // 1 GiB promised; the limit is 64 MiB and 200 times the packed size.
      const bytes = bombDeb({ compression, expandedBytes: 1024 ** 3 });
      assert.match((await attempt(bytes)) ?? "it was unpacked", /^archive_hostile: .*expands beyond/);
      await assertNothingEscaped();
    });

  it("stops a bomb in the control member", async () => {
    const bytes = bombDeb({ compression: "xz", expandedBytes: 256 * 1024 ** 2, member: "control" });
    assert.match((await attempt(bytes)) ?? "it was unpacked", /^archive_hostile: /);
  });

  it("takes a right package, setuid and hard links included", async () => {
    const { bytes } = makeDeb({
      name: "right",
      entries: [
        { path: "usr/bin/tool", content: "x", mode: 0o4755, uid: 3, gid: 4 },
        { path: "usr/bin/tool-too", kind: "hardlink", link: "./usr/bin/tool", mode: 0o4755 },
      ],
    });
    assert.equal(await attempt(bytes), undefined);
    const tool = await stat(join(work, "target/root/usr/bin/tool"));
    assert.deepEqual([tool.mode & 0o7777, tool.uid, tool.gid, tool.nlink], [0o4755, 3, 4, 2]);
  });
});
