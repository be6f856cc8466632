import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Manifest } from "../../src/model/oci.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import type { AptRepository } from "../fixtures/apt-repository.ts";
import { debWithChangelog } from "../fixtures/changed-deb.ts";
import { applyLayers } from "../fixtures/layers.ts";
import { bootstrapMissing } from "../fixtures/mmdebstrap.ts";
import { realDebianPackages, repositoryOf, starterNames, systemNames } from "../fixtures/real-packages.ts";
import { compareTrees, formatDifferences, type Tree } from "../fixtures/tree.ts";
import { build, makeSite, type TestSite } from "../pipeline/site.ts";
import { explainedDifferences, possibleDifferences } from "./explained-differences.ts";
import { oracleTree } from "./oracle.ts";

const missing = await bootstrapMissing();
const real = missing === undefined ? await realDebianPackages([...systemNames, ...starterNames]) : { reason: missing };

describe(
  "the oracle: what mmdebstrap makes of the starter's packages",
  { skip: "reason" in real ? `missing: ${real.reason}` : false },
  () => {
    let folder: string;
    let site: TestSite;
    let repository: AptRepository;
    let factory: Factory;

    before(async () => {
      assert.ok("packages" in real);
      folder = await mkdtemp(join(tmpdir(), "oracle-"));
      site = await makeSite();
      const suites =
        real.packages.distribution === "debian:12" ? ["bookworm", "bookworm-security"] : ["trixie", "trixie-security"];
      repository = await repositoryOf(real.packages.debs, { distribution: real.packages.distribution, suites });
      await repository.add(
        [debWithChangelog({ name: "spare", version: "1.0" }, [{ version: "1.0", changes: ["First."] }])],
        suites[1],
      );
      await repository.publish();
      factory = await site.open(repository);
    });
    after(async () => {
      await factory.close();
      await repository.close();
      await site.close();
      await rm(folder, { recursive: true, force: true });
    });

    it("is what our image is, but for differences that are explained", async () => {
      assert.ok("packages" in real);
      const recipe = await site.recipe(
        "starter",
        `name: test/starter\ntitle: Starter\ndistribution: ${real.packages.distribution}\npackages: [${starterNames.join(", ")}, usr-is-merged]\n`,
      );
      const { run } = await build(factory, { recipe });
      assert.equal(run.failure, undefined);
      const found = await factory.registry.getManifest("test/starter", run.image!);
      const manifest = JSON.parse(found!.bytes.toString("utf8")) as Manifest;
      const ours: Tree = await applyLayers({ manifest, readBlob: ({ digest }) => factory.store.blobs.open(digest) });
      const oracle = await oracleTree({
        repository,
        names: [...starterNames, "usr-is-merged"],
        target: join(folder, "oracle.tar"),
        extra: ["--variant=apt"],
        epochSeconds: 1_900_000_000,
      });
      const { unexplained, unused } = compareTrees(oracle, ours, {
        explanations: [...explainedDifferences, ...possibleDifferences],
      });
      const stale = unused.filter((explanation) => !possibleDifferences.includes(explanation));
      assert.equal(formatDifferences(unexplained), "");
      assert.deepEqual(
        stale.map(({ why }) => why),
        [],
      );
    });
  },
);
