import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Failure } from "../../base/errors.ts";
import { lintFiles } from "./lint-files.ts";
import { lintSarif } from "./lint-sarif.ts";

describe("lintFiles", () => {
  let folder: string;
  before(async () => void (folder = await mkdtemp(join(tmpdir(), "mintmark-lint-"))));
  after(() => rm(folder, { recursive: true }));

  test("takes a folder, its lint.yaml and its lock", async () => {
    await writeFile(join(folder, "Containerfile"), "FROM debian\nRUN sudo make\n");
    const bare = await lintFiles([folder], { today: "2026-01-01" });
    assert.deepEqual(
      bare.reports[0]!.findings.map(({ rule }) => rule),
      ["DL3006", "MM1001", "MM1002", "DL3004"],
    );
    assert.ok(bare.fails);
    await writeFile(join(folder, "containerfile.lock.json"), "{}");
    await writeFile(
      join(folder, "lint.yaml"),
      "exceptions: [{ rule: DL3004, reason: the installer insists, author: ann, until: 2026-01-01 }]\n",
    );
    const covered = await lintFiles([join(folder, "Containerfile")], { today: "2026-01-01" });
    assert.deepEqual(
      covered.reports[0]!.findings.map(({ rule }) => rule),
      ["DL3006"],
    );
    assert.ok(!covered.fails);
    const late = await lintFiles([folder], { today: "2026-01-02" });
    assert.equal(late.expired.length, 1);
    assert.ok(late.fails);
    const log = lintSarif(covered, "1");
    assert.deepEqual(
      log.runs[0]!.results.map((one) => [one.ruleId, "suppressions" in one]),
      [
        ["DL3006", false],
        ["DL3004", true],
      ],
    );
    assert.equal(lintSarif(late, "1").runs[0]!.invocations[0]!.toolConfigurationNotifications.length, 1);
  });

  test("asks a recipe for its lock once, not for each thing that the lock will pin", async () => {
    const recipe = await mkdtemp(join(folder, "sealed-"));
    const text =
      "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*\n";
    await writeFile(join(recipe, "Containerfile"), text);
    const rules = async (): Promise<string[]> =>
      (await lintFiles([recipe], { today: "2026-01-01" })).reports.flatMap(({ findings }) =>
        findings.map(({ rule }) => rule),
      );
    assert.deepEqual(await rules(), ["MM1001", "DL3008"]);
    await writeFile(join(recipe, "image.yaml"), "name: x\ncontainerfile: Containerfile # the only one\n");
    assert.deepEqual(await rules(), ["MM1012"]);
    await writeFile(join(recipe, "lock.containerfile-amd64.json"), "{}");
    assert.deepEqual(await rules(), []);
  });

  test("passes by files that are no Containerfiles, as recipes/* names them", async () => {
    const path = join(folder, "docker-bake.hcl");
    await writeFile(path, 'target "x" {}\n');
    assert.deepEqual((await lintFiles([path], { today: "2026-01-01" })).without, [path]);
  });

  test("says where a recipe has no Containerfile, and refuses what is not there", async () => {
    const other = await mkdtemp(join(folder, "packages-"));
    await writeFile(join(other, "image.yaml"), "name: x\n");
    assert.deepEqual((await lintFiles([other], { today: "2026-01-01" })).without, [other]);
    for (const path of [join(folder, "none"), await mkdtemp(join(folder, "empty-"))])
      await assert.rejects(lintFiles([path], { today: "2026-01-01" }), (error) => {
        assert.ok(error instanceof Failure && error.code === "not_found");
        return true;
      });
  });
});
