import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { stepNames, type StepName } from "../../src/model/progress.ts";
import type { BuildRun } from "../../src/pipeline/factory.ts";
import { configurableNames, placeholderApt, realDebianPackages, repositoryOf } from "../fixtures/real-packages.ts";
import { busyDeb } from "../fixtures/troubled-debs.ts";
import { build, makeSite, sourcesOf } from "./site.ts";

const found = await realDebianPackages(configurableNames);
const minter = fileURLToPath(new URL("./minter.ts", import.meta.url));

interface Line {
  readonly runId?: string;
  readonly run?: BuildRun;
  readonly kind?: string;
  readonly step?: StepName;
  readonly sequence?: number;
}

/** Runs the minter until it ends, or kills it as soon as a step has begun after the events that were there. */
async function attempt(
  args: readonly string[],
  victim: { readonly step: StepName; readonly after: number } | undefined,
): Promise<Line[]> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", minter, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const lines: Line[] = [];
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    if (
      victim !== undefined &&
      line.kind === "step-started" &&
      line.step === victim.step &&
      line.sequence! > victim.after
    )
      child.kill("SIGKILL");
  }
  await ended;
  return lines;
}

test(
  "a build that is killed at each of its steps goes on and ends in the image of one that was not",
  { skip: "packages" in found ? false : `missing: ${found.reason}` },
  async () => {
    assert.ok("packages" in found);
    const suites =
      found.packages.distribution === "debian:12" ? ["bookworm", "bookworm-security"] : ["trixie", "trixie-security"];
    const repository = await repositoryOf([...found.packages.debs, placeholderApt(), busyDeb()], {
      distribution: found.packages.distribution,
      suites,
    });
    await repository.add([busyDeb("0.9")], suites[1]);
    await repository.publish();
    const [killed, calm] = [await makeSite(), await makeSite()];
    try {
      const yaml = `name: test/killed\ntitle: Killed\ndistribution: ${found.packages.distribution}\npackages: [busy, ${configurableNames.join(", ")}]\n`;
      const args = [killed.dataDir, JSON.stringify(sourcesOf(repository)), await killed.recipe("killed", yaml)];
      let lines: Line[] = [];
      let runId: string | undefined;
      for (const step of stepNames) {
        const after = Math.max(0, ...lines.map(({ sequence }) => sequence ?? 0));
        lines = await attempt(runId === undefined ? args : [...args, runId], { step, after });
        runId ??= lines.find((line) => line.runId !== undefined)!.runId;
        assert.equal(
          lines.some(({ run }) => run !== undefined),
          false,
          `the build ended before it was killed at ${step}`,
        );
      }
      lines = await attempt([...args, runId!], undefined);
      const run = lines.find((line) => line.run !== undefined)!.run!;
      assert.equal(run.state, "succeeded", run.failure?.message);
      const factory = await calm.open(repository);
      const undisturbed = await build(factory, { recipe: await calm.recipe("killed", yaml) });
      await factory.close();
      assert.equal(run.image, undisturbed.run.image);
    } finally {
      await repository.close();
      await killed.close();
      await calm.close();
    }
  },
);
