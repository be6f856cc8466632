import assert from "node:assert/strict";
import { it } from "node:test";
import { readIgnoreList } from "./ignore-list.ts";

it("leaves out as Docker does", () => {
  const isIgnored = readIgnoreList("# comment\n*.log\n/build/\n**/temp?\n!keep.log\ndocs/**/*.md\n[ab].txt\n");
  for (const path of ["x.log", "build", "build/a/b", "temp1", "deep/er/temp2", "docs/a.md", "docs/x/y.md", "a.txt"])
    assert.ok(isIgnored(path), path);
  for (const path of ["keep.log", "sub/x.log", "src/build", "temp", "docs/a.txt", "c.txt", "xlog"])
    assert.ok(!isIgnored(path), path);
});
