import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { nowMs } from "../../src/base/clock.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import { createException } from "../../src/store/exception-records.ts";
import type { AptRepository } from "../fixtures/apt-repository.ts";
import { debWithChangelog } from "../fixtures/changed-deb.ts";
import { tinyDistribution } from "../fixtures/tiny-distribution.ts";
import { openAptRepository } from "../fixtures/apt-repository.ts";
import { build, makeSite, type TestSite } from "./site.ts";

const yaml =
  "name: test/tiny\ntitle: Tiny\ndistribution: debian:12\nflavour: runtime\npackages: [hello, ca-certificates, flawed]\n";

const advisory = {
  schema_version: "1.7.4",
  id: "DEBIAN-CVE-2026-1111",
  upstream: ["CVE-2026-1111"],
  modified: "2026-01-01T00:00:00Z",
  summary: "flawed lets anyone in",
  severity: [{ type: "CVSS_V3", score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }],
  affected: [
    {
      package: { ecosystem: "Debian:12", name: "flawed" },
      ranges: [{ type: "ECOSYSTEM", events: [{ introduced: "0" }] }],
    },
  ],
};

describe("the gate", () => {
  let site: TestSite;
  let repository: AptRepository;
  let factory: Factory;
  let recipe: string;

  before(async () => {
    site = await makeSite();
    repository = await openAptRepository({ distribution: "debian:12", suites: ["bookworm", "bookworm-security"] });
    await tinyDistribution(repository);
    await repository.add([
      debWithChangelog({ name: "flawed", version: "1.0" }, [{ version: "1.0", changes: ["First."] }]),
    ]);
    await repository.publish();
    recipe = await site.recipe("tiny", yaml);
    factory = await site.open(repository);
  });
  after(async () => {
    await factory.close();
    await repository.close();
    await site.close();
  });

  it("refuses an image about which nothing is known: no data is not clean", async () => {
    const { run } = await build(factory, { recipe });
    assert.equal(run.failure?.code, "gate_denied");
    assert.match(run.failure.message, /No advisory feed/);
    assert.deepEqual(await factory.registry.tags("test/tiny"), []);
  });

  it("lets an image pass for which the security suite has nothing", async () => {
    await repository.add(
      [debWithChangelog({ name: "other", version: "1.0" }, [{ version: "1.0", changes: ["First."] }])],
      "bookworm-security",
    );
    await repository.publish();
    const { run } = await build(factory, { recipe, mode: "update" });
    assert.equal(run.failure, undefined);
  });

  it("finds what the security suite has fixed since, with the CVEs of its changelog", async () => {
    const changes = [
      { version: "1.1", changes: ["Fix a hole (CVE-2026-2222)."] },
      { version: "1.0", changes: ["First."] },
    ];
    await repository.add([debWithChangelog({ name: "flawed", version: "1.1" }, changes)], "bookworm-security");
    await repository.publish();
    const report = await factory.scan("test/tiny:latest");
    assert.deepEqual(
      report.findings.map(({ id, fixedVersion }) => [id, fixedVersion]),
      [["CVE-2026-2222", "1.1"]],
    );
    const fixed = await build(factory, { recipe, mode: "update" });
    assert.equal(fixed.run.failure, undefined);
    assert.deepEqual((await factory.scan("test/tiny:latest")).findings, []);
  });

  it("refuses a critical finding and leaves the tags alone, until a dated exception excuses it", async () => {
    const before = await factory.registry.getManifest("test/tiny", "latest");
    const feed = join(site.folder, "osv");
    await mkdir(feed);
    await writeFile(join(feed, `${advisory.id}.json`), JSON.stringify(advisory));
    await factory.importAdvisories(feed, () => undefined);
    const refused = await build(factory, { recipe });
    assert.equal(refused.run.failure?.code, "gate_denied");
    assert.match(refused.run.failure.message, /CVE-2026-1111/);
    assert.deepEqual(await factory.registry.getManifest("test/tiny", "latest"), before);
    await factory.store.transaction((db) =>
      createException(db, {
        vulnerability: "CVE-2026-1111",
        package: "flawed",
        repository: undefined,
        reason: "not reachable in this image",
        author: "test",
        expiresAt: new Date(nowMs() + 86_400_000).toISOString(),
      }),
    );
    const excused = await build(factory, { recipe });
    assert.equal(excused.run.failure, undefined);
    const verdict = await factory.gate("test/tiny:latest");
    assert.ok(verdict.reasons.some(({ rule, finding }) => rule === "exception" && finding?.id === "CVE-2026-1111"));
  });
});
