import { cpus, loadavg, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { run } from "../src/base/child.ts";
import { nowIso } from "../src/base/clock.ts";
import { messageOf } from "../src/base/errors.ts";
import { writeFileAtomic } from "../src/base/files.ts";
import { layGround, sets, type Ground } from "./ground.ts";
import { measure, reasonIn } from "./measure.ts";
import { stepsIn } from "./mintmark.ts";
import { benchMirror } from "./mirror/mirror-bench.ts";
import { benchRegistry } from "./registry/registry-bench.ts";
import type { Scenario } from "./scenario.ts";
import { buildahInstall, buildahPull } from "./scenarios/buildah.ts";
import { mintmarkCold } from "./scenarios/mintmark-cold.ts";
import { mintmarkIdle, mintmarkIdleAfter } from "./scenarios/mintmark-idle.ts";
import { mintmarkOnePackage } from "./scenarios/mintmark-one-package.ts";
import { mintmarkPull } from "./scenarios/mintmark-pull.ts";
import { mintmarkRepeat } from "./scenarios/mintmark-repeat.ts";
import { mintmarkWarm, mintmarkWarmUnpacked } from "./scenarios/mintmark-warm.ts";
import { mmdebstrapFile, mmdebstrapHttp } from "./scenarios/mmdebstrap.ts";
import { sealedRecord, sealedReplay } from "./scenarios/sealed.ts";
import { formatSteps, formatTable, ratioTo, typical, type Outcome } from "./table.ts";

/** In the order of running: each side stands next to its peer, so that both meet the same machine. */
const scenarios: readonly Scenario[] = [
  mmdebstrapHttp,
  mintmarkCold,
  mmdebstrapFile,
  mintmarkWarm,
  mintmarkWarmUnpacked,
  buildahInstall,
  sealedRecord,
  sealedReplay,
  mintmarkRepeat,
  mintmarkOnePackage,
  mintmarkPull,
  buildahPull,
  mintmarkIdle,
  mintmarkIdleAfter,
];

const usage = `npm run bench -- [build] [--set starter|small] [--only NAME,NAME] [--runs N] [--out FILE]
npm run bench -- registry [--only PART,PART] [--runs N] [--out FILE]
npm run bench -- mirror [--runs N] [--out FILE]

Measures Mintmark beside its peers in one run and prints ratios: builds beside mmdebstrap and buildah, the registry
beside Debian's docker-registry, the mirror beside Verdaccio, which is kept in a cache
folder. On the machine nothing is installed: what is missing is named.

  --set    the brief's starter packages (default), or the least that configures
  --only   scenarios to run: ${scenarios.map(({ name }) => name).join(", ")}
  --runs   repetitions of each timed scenario; the median is shown (default 1)
  --out    also write the results as JSON, such as bench/results/DATE.json`;

const {
  values,
  positionals: [subject = "build"],
} = parseArgs({
  allowPositionals: true,
  options: {
    set: { type: "string", default: "starter" },
    only: { type: "string" },
    runs: { type: "string", default: "1" },
    out: { type: "string" },
    help: { type: "boolean" },
  },
});
const set = sets.find((name) => name === values.set);
const only = values.only?.split(",") ?? scenarios.map(({ name }) => name);
const unknown = subject !== "build" ? [] : only.filter((name) => !scenarios.some((scenario) => scenario.name === name));
const runs = Number(values.runs);
const isKnown = subject === "build" || subject === "registry" || subject === "mirror";
if (
  values.help === true ||
  !isKnown ||
  set === undefined ||
  unknown.length > 0 ||
  !(Number.isInteger(runs) && runs > 0)
) {
  console.log(unknown.length > 0 ? `There is no scenario ${unknown.join(", ")}\n\n${usage}` : usage);
  process.exitCode = values.help === true ? 0 : 2;
} else if (subject === "registry") await benchRegistry({ only: values.only?.split(",") ?? [], runs, out: values.out });
else if (subject === "mirror") await benchMirror({ runs, out: values.out });
else await bench(set);

async function bench(chosen: (typeof sets)[number]): Promise<void> {
  const machine = {
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    loadBefore: loadavg()[0],
    versions: await versions(),
  };
  console.log(
    `${machine.cores} cores, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Linux ${machine.kernel}, load ${machine.loadBefore?.toFixed(2)}; ${machine.versions.join(", ")}`,
  );
  const ground = await layGround(chosen).catch((error: unknown) => {
    console.log(messageOf(error));
    process.exitCode = 6;
  });
  if (ground === undefined) return;
  console.log(
    `${chosen} set: ${ground.packageCount} packages, ${(ground.archiveBytes / 1e6).toFixed(0)} MB of archives, changing ${ground.changing.name}`,
  );
  try {
    const outcomes = await outcomesOf(
      scenarios.filter(({ name }) => only.includes(name)),
      ground,
    );
    console.log(`\n${formatTable(outcomes)}\n\n${formatSteps(outcomes)}`);
    console.log(`\nload before ${machine.loadBefore?.toFixed(2)}, after ${loadavg()[0]?.toFixed(2)}`);
    if (values.out !== undefined)
      await writeFileAtomic(
        values.out,
        `${JSON.stringify(results(outcomes, { set: chosen, ground, machine }), undefined, 2)}\n`,
      );
  } finally {
    for (const scenario of scenarios) await scenario.cleanUp?.(ground);
    await ground.close();
  }
}

/** In rounds, so that each side stands beside its peer every time and meets the same machine. */
async function outcomesOf(chosen: readonly Scenario[], ground: Ground): Promise<Outcome[]> {
  let outcomes: Outcome[] = chosen.map((scenario) => ({ scenario, costs: [] }));
  for (let round = 0; round < runs; round++) {
    const next: Outcome[] = [];
    for (const outcome of outcomes) next.push(await runOnce(outcome, ground));
    outcomes = next;
  }
  return outcomes;
}

/** The outcome with one run more; a scenario that failed once is not tried again. */
async function runOnce(outcome: Outcome, ground: Ground): Promise<Outcome> {
  const { scenario, costs } = outcome;
  if (outcome.skipped !== undefined) return outcome;
  const skipped = await scenario.missing(ground);
  if (skipped !== undefined) return { scenario, costs: [], skipped };
  try {
    console.log(`${scenario.name}: preparing`);
    await scenario.prepare(ground);
    // What one side left to be written must not slow the next.
    await run("sync", []);
    const load = loadavg()[0]!.toFixed(1);
    const subject = await scenario.run(ground);
    if ("value" in subject) return { scenario, costs: [], figure: subject };
    console.log(`${scenario.name}: running, load ${load}`);
    const cost = await measure(subject);
    if (cost.code !== 0) return { scenario, costs: [], skipped: `it failed: ${reasonIn(cost.output)}` };
    console.log(`${scenario.name}: ${cost.wallSeconds.toFixed(2)} s`);
    return { scenario, costs: [...costs, cost] };
  } catch (error) {
    return { scenario, costs: [], skipped: messageOf(error) };
  }
}

/** The versions of the peers that are here. */
async function versions(): Promise<string[]> {
  const found = await Promise.all(
    ["mmdebstrap", "buildah"].map((program) => run(program, ["--version"]).catch(() => undefined)),
  );
  return found.flatMap((result) =>
    result === undefined ? [] : [/^\D*[\d.]+/.exec(result.stdout.trim())?.[0] ?? result.stdout.trim()],
  );
}

interface Circumstances {
  readonly set: string;
  readonly ground: Ground;
  readonly machine: object;
}

function results(outcomes: readonly Outcome[], { set: name, ground, machine }: Circumstances): object {
  return {
    at: nowIso(),
    machine,
    set: name,
    packageCount: ground.packageCount,
    archiveBytes: ground.archiveBytes,
    scenarios: outcomes.map((outcome) => {
      const { scenario, costs, figure, skipped } = outcome;
      const runsOf = costs.map(({ wallSeconds, cpuSeconds, peakBytes, stdout }) => ({
        wallSeconds,
        cpuSeconds,
        peakBytes,
        steps: stepsIn(stdout),
      }));
      const ratios = Object.fromEntries(
        (scenario.beside ?? []).map((peer) => [peer, ratioTo(outcome, peer, outcomes)]),
      );
      return {
        name: scenario.name,
        about: scenario.about,
        wallSeconds: typical(outcome)?.wallSeconds,
        figure,
        runs: runsOf,
        ratios,
        bar: scenario.bar,
        skipped,
      };
    }),
  };
}
