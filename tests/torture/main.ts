import { parseArgs } from "node:util";
import { torture } from "./torture.ts";

const usage = `npm run torture -- [--rounds N] [--seed N]

Races pushes, mounts, deletions, restores and collections against a real server that is killed at random points.
The same seed makes the same things happen in the same order; the moments of the kills depend on the machine too.`;

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "1000" }, seed: { type: "string" }, help: { type: "boolean" } },
});
const rounds = Number(values.rounds);
const seed = values.seed === undefined ? Date.now() & 0x7fffffff : Number(values.seed);
if (values.help === true || !Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(seed)) {
  console.log(usage);
  process.exitCode = values.help === true ? 0 : 2;
} else {
  console.log(`seed ${seed}, ${rounds} rounds`);
  const startedAt = performance.now();
  const report = await torture({ seed, rounds, tell: (line) => console.log(line) });
  console.log(JSON.stringify(report, null, 2));
  console.log(`nothing lost, nothing left; ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
}
