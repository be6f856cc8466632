import assert from "node:assert/strict";
import { test } from "node:test";
import { closestWord } from "./closest.ts";

test("the word that was meant is the nearest one, if any is near", () => {
  const known = ["base", "java", "node-13", "dotnet"];
  assert.equal(closestWord("jaav", known), undefined);
  assert.equal(closestWord("jave", known), "java");
  assert.equal(closestWord("node13", known), "node-13");
  assert.equal(closestWord("dot", known), "dotnet");
  assert.equal(closestWord("dotnte", known), "dotnet");
  assert.equal(closestWord("webserver", known), undefined);
});
