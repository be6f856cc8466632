import assert from "node:assert/strict";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Failure } from "../../base/errors.ts";
import { readContext, stageContext } from "./context.ts";

describe("a context", () => {
  let folder = "";
  let recipe = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-context-"));
    recipe = join(folder, "recipe");
    await mkdir(join(recipe, "app/deep"), { recursive: true });
    await mkdir(join(recipe, ".git"));
    await mkdir(join(folder, "secrets"));
    for (const [path, text] of Object.entries({
      "recipe/app/run.sh": "#!/bin/sh\n",
      "recipe/app/deep/file": "content\n",
      "recipe/app/deep/left.log": "x",
      "recipe/.git/config": "x",
      "recipe/lock.containerfile-amd64.json": "{}",
      "recipe/.dockerignore": "**/*.log\n",
      "secrets/token": "of the machine\n",
    }))
      await writeFile(join(folder, path), text);
    await chmod(join(recipe, "app/run.sh"), 0o700);
    await symlink(join(folder, "secrets"), join(recipe, "out"));
  });
  after(async () => await rm(folder, { recursive: true, force: true }));

  it("lies within the recipe's folder, also where a link says otherwise", async () => {
    for (const [path, reason] of [
      ["..", /lies outside/],
      ["out", /lies outside/],
      ["app/../../secrets", /lies outside/],
      ["nowhere", /does not exist/],
    ] as const)
      await assert.rejects(
        readContext(recipe, path),
        (error) => error instanceof Failure && error.code === "recipe_invalid" && reason.test(error.message),
        path,
      );
  });

  it("takes a link as a link, reads nothing behind it, and leaves out history, locks and what is ignored", async () => {
    const { entries } = await readContext(recipe, ".");
    assert.deepEqual(
      entries.map(({ path, kind }) => `${kind} ${path}`),
      ["file .dockerignore", "folder app", "folder app/deep", "file app/deep/file", "file app/run.sh", "symlink out"],
    );
  });

  it("is staged with the same modes and times whatever it had, and counts as the same", async () => {
    const before = await readContext(recipe, ".");
    await chmod(join(recipe, "app/deep/file"), 0o600);
    await utimes(join(recipe, "app/deep/file"), 1, 1);
    const context = await readContext(recipe, ".");
    assert.equal(context.sha256, before.sha256);
    const target = join(folder, "staged");
    const umask = process.umask(0o077);
    try {
      await stageContext(context, target, 1_700_000_000);
    } finally {
      process.umask(umask);
    }
    for (const [path, mode] of [
      ["app", 0o755],
      ["app/run.sh", 0o755],
      ["app/deep/file", 0o644],
    ] as const) {
      const found = await stat(join(target, path));
      assert.deepEqual([found.mode & 0o7777, found.mtimeMs], [mode, 1_700_000_000_000], path);
    }
    assert.equal(await readlink(join(target, "out")), join(folder, "secrets"));
    assert.equal((await lstat(join(target, "out"))).mtimeMs, 1_700_000_000_000);
    assert.equal(await readFile(join(target, "app/deep/file"), "utf8"), "content\n");
    await writeFile(join(recipe, "app/deep/file"), "other\n");
    assert.notEqual((await readContext(recipe, ".")).sha256, before.sha256);
  });
});
