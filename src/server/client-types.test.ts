import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { clientTypes } from "./client-types.ts";
import { describeApi } from "./openapi.ts";

const path = join(import.meta.dirname, "..", "client", "api-types.ts");

test("the client's types are those of the server's schemas", async () => {
  const wanted = clientTypes(await describeApi("0.0.0"));
  if (process.env["MINTMARK_WRITE_GOLDEN"] === "1") await writeFile(path, wanted);
  assert.equal(
    withoutLayout(await readFile(path, "utf8")),
    withoutLayout(wanted),
    "run the test once with MINTMARK_WRITE_GOLDEN=1 and look at the difference",
  );
});

/** The formatter owns spaces, brackets around types and leading bars. */
function withoutLayout(text: string): string {
  return text
    .replaceAll(/[\s()]/g, "")
    .replaceAll(/([=<:,]|readonly)\|/g, "$1")
    .replaceAll(/,([>}])/g, "$1");
}
