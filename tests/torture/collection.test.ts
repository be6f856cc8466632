import { test } from "node:test";
import { torture } from "./torture.ts";

test("pushes, deletions and collections race, the server is killed: nothing acknowledged is lost, nothing unreachable is left", async (context) => {
  const seed = Date.now() & 0x7fffffff;
  context.diagnostic(`seed ${seed}: npm run torture -- --rounds 10 --seed ${seed}`);
  const report = await torture({ seed, rounds: 10, tell: (line) => context.diagnostic(line) });
  context.diagnostic(JSON.stringify(report));
});
