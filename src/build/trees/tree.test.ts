import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../base/errors.ts";
import { checkPath, mergedPath } from "./tree.ts";

test("mergedPath moves what lies in the old top folders under usr", () => {
  assert.equal(mergedPath("bin/ls", false), "usr/bin/ls");
  assert.equal(mergedPath("lib64/ld.so", true), "usr/lib64/ld.so");
  assert.equal(mergedPath("sbin", false), "usr/sbin");
  assert.equal(mergedPath("bin", true), "bin");
  assert.equal(mergedPath("etc/bin/x", false), "etc/bin/x");
  assert.equal(mergedPath("library/x", false), "library/x");
});

test("checkPath refuses a path that leads elsewhere or that dpkg's lists cannot hold", () => {
  for (const path of ["../etc/passwd", "a/../../b", "a//b", "a/./b", "a\nb", "a\0b"])
    assert.throws(
      () => checkPath(path),
      (error) => error instanceof Failure && error.code === "archive_hostile",
      path,
    );
  for (const path of ["", "a", "usr/bin/..x", "usr/share/a b"]) checkPath(path);
});
