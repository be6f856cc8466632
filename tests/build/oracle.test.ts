import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { AptRepository } from "../fixtures/apt-repository.ts";
import { bootstrapMissing } from "../fixtures/mmdebstrap.ts";
import { configurableNames, placeholderApt, realDebianPackages, repositoryOf } from "../fixtures/real-packages.ts";
import { compareTrees, formatDifferences } from "../fixtures/tree.ts";
import { busyDeb } from "../fixtures/troubled-debs.ts";
import { explainedDifferences } from "./explained-differences.ts";
import { oracleTree } from "./oracle.ts";

const missing = await bootstrapMissing();
const real = missing === undefined ? await realDebianPackages(configurableNames) : { reason: missing };

describe(
  "the oracle: what mmdebstrap makes of the same packages",
  { skip: "reason" in real ? real.reason : false },
  () => {
    const epochSeconds = 1_750_000_000;
    const names = [...configurableNames, "apt", "busy"];
    let folder = "";
    let repository: AptRepository;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "oracle-"));
      repository = await repositoryOf([...("reason" in real ? [] : real.packages.debs), placeholderApt(), busyDeb()]);
    });
    after(async () => {
      await repository.close();
      await rm(folder, { recursive: true, force: true });
    });

    it("is the same twice, and holds what real and fixture scripts made", async () => {
      const first = await oracleTree({ repository, names, target: join(folder, "first.tar"), epochSeconds });
      const second = await oracleTree({ repository, names, target: join(folder, "second.tar"), epochSeconds });
      const { unexplained } = compareTrees(first, second, { explanations: explainedDifferences, times: true });
      assert.equal(formatDifferences(unexplained), "");
      assert.deepEqual([first.get("bin")?.kind, first.get("bin")?.link], ["symlink", "usr/bin"]);
      assert.equal(first.get("usr/bin/busy")?.link, "/etc/alternatives/busy");
      assert.equal(first.get("etc/alternatives/busy")?.link, "/usr/lib/busy/busy");
      assert.deepEqual([first.get("var/spool/busy")?.mode, first.get("var/spool/busy")?.gid], [0o2770, 970]);
      assert.ok(Math.max(...[...first.values()].map(({ mtimeSeconds }) => mtimeSeconds)) <= epochSeconds);
    });
  },
);
