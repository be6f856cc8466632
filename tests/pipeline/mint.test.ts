import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Failure } from "../../src/base/errors.ts";
import type { Lock } from "../../src/model/lock.ts";
import { stepNames } from "../../src/model/progress.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import type { AptRepository } from "../fixtures/apt-repository.ts";
import { debWithChangelog } from "../fixtures/changed-deb.ts";
import {
  configurableNames,
  placeholderApt,
  realDebianPackages,
  repositoryOf,
  type RealPackages,
} from "../fixtures/real-packages.ts";
import { busyDeb, troubledDebs } from "../fixtures/troubled-debs.ts";
import { build, madeSteps, makeSite, type TestSite } from "./site.ts";

const found = await realDebianPackages(configurableNames);
const real: RealPackages | undefined = "packages" in found ? found.packages : undefined;
const skip = "packages" in found ? false : `missing: ${found.reason}`;

function yaml(distribution: string, packages: readonly string[], more = ""): string {
  return `name: test/small\ntitle: Small\ndistribution: ${distribution}\npackages: [${packages.join(", ")}]\n${more}`;
}

describe("minting", { skip }, () => {
  let site: TestSite;
  let repository: AptRepository;
  let factory: Factory;
  let recipe: string;

  before(async () => {
    site = await makeSite();
    const suites =
      real!.distribution === "debian:12" ? ["bookworm", "bookworm-security"] : ["trixie", "trixie-security"];
    repository = await repositoryOf([...real!.debs, placeholderApt(), busyDeb(), ...Object.values(troubledDebs())], {
      distribution: real!.distribution,
      suites,
    });
    await repository.add(
      [debWithChangelog({ name: "spare", version: "1.0" }, [{ version: "1.0", changes: ["First."] }])],
      suites[1],
    );
    await repository.publish();
    recipe = await site.recipe("small", yaml(real!.distribution, ["busy", ...configurableNames]));
    factory = await site.open(repository);
  });
  after(async () => {
    await factory.close();
    await repository.close();
    await site.close();
  });

  it("goes through every step and ends in an image that verifies", async () => {
    const { run, events } = await build(factory, { recipe });
    assert.deepEqual(run.failure, undefined);
    assert.deepEqual(
      events.flatMap((event) => (event.kind === "step-finished" ? [event.step] : [])),
      [...stepNames],
    );
    const image = await factory.image(run.image!);
    assert.equal(image?.signed, true);
    assert.ok(image.tags.includes("latest"));
    const report = await factory.verify("test/small:latest");
    assert.deepEqual(
      report.checks.filter(({ ok }) => !ok),
      [],
    );
  });

  it("makes nothing again when nothing changed", async () => {
    const first = await build(factory, { recipe });
    const again = await build(factory, { recipe, mode: "update" });
    assert.equal(again.run.image, first.run.image);
    assert.deepEqual(
      madeSteps(again).filter((step) =>
        ["layers", "configure", "sbom", "scan", "gate", "publish", "attest"].includes(step),
      ),
      [],
    );
  });

  it("gives the same digest from an empty data folder, and offline from the lock", async () => {
    const { run } = await build(factory, { recipe });
    const other = await makeSite();
    const second = await other.open(repository);
    try {
      const copy = await other.recipe("small", await readFile(join(recipe, "image.yaml"), "utf8"));
      assert.equal((await build(second, { recipe: copy })).run.image, run.image);
      const restore = repository.server.fault({ path: /./, status: 503 });
      assert.equal((await build(second, { recipe: copy, mode: "locked" })).run.image, run.image);
      restore();
    } finally {
      await second.close();
      await other.close();
    }
  });

  it("changes one layer and the last one when one package is fixed, and proves the quick build right", async () => {
    const before = (await build(factory, { recipe })).run.image!;
    await repository.add([busyDeb("1.1")]);
    await repository.publish();
    const { run, events } = await build(factory, { recipe, mode: "update" });
    assert.notEqual(run.image, before);
    const [old, now] = await Promise.all([before, run.image!].map(async (digest) => layersOf(factory, digest)));
    assert.equal(now!.filter((layer) => !old!.includes(layer)).length, 2);
    assert.ok(
      events.some(
        (event) =>
          event.kind === "step-finished" &&
          event.step === "configure" &&
          event.summary.includes("last configured system"),
      ),
    );
    await factory.settled();
    assert.equal((await factory.image(run.image!))?.reproduced, "yes");
  });

  it("leaves the proof of a command's build to the next server", async () => {
    await factory.close();
    factory = await site.open(repository, { isStanding: false });
    await repository.add([busyDeb("1.2")]);
    await repository.publish();
    const { run } = await build(factory, { recipe, mode: "update" });
    assert.equal((await factory.image(run.image!))?.reproduced, "pending");
    await factory.close();
    factory = await site.open(repository);
    await factory.settled();
    assert.equal((await factory.image(run.image!))?.reproduced, "yes");
  });

  it("names the script that fails and publishes nothing", async () => {
    const tags = await factory.registry.tags("test/small");
    const broken = await site.recipe(
      "broken",
      yaml(real!.distribution, ["failing-postinst", ...configurableNames]).replace("test/small", "test/broken"),
    );
    const { run } = await build(factory, { recipe: broken });
    assert.equal(run.state, "failed");
    assert.equal(run.failure?.code, "script_failed");
    assert.match(run.failure.message, /failing-postinst/);
    assert.deepEqual(await factory.registry.tags("test/broken"), []);
    assert.deepEqual(await factory.registry.tags("test/small"), tags);
    assert.deepEqual(await readdir(join(site.dataDir, "cache/work")), []);
  });

  for (const [name, packages, code] of [
    ["a package that no source has", ["no-such-package"], "package_missing"],
    ["packages that exclude each other", ["conflict-a", "conflict-b"], "unsatisfiable"],
    ["a dependency that nobody meets", ["unsatisfiable"], "unsatisfiable"],
  ] as const)
    it(`refuses ${name}`, async () => {
      const broken = await site.recipe(
        "wrong",
        yaml(real!.distribution, [...packages]).replace("test/small", "test/wrong"),
      );
      const { run } = await build(factory, { recipe: broken });
      assert.equal(run.failure?.code, code, run.failure?.message);
      assert.ok(run.failure.hint);
    });

  it("takes nothing from an index that was tampered with", async () => {
    for (const tampering of ["unsigned", "stranger", "altered-lists", "altered-release", "expired"] as const) {
      await repository.tamper(tampering);
      const fresh = await makeSite();
      const victim = await fresh.open(repository);
      const copy = await fresh.recipe("small", await readFile(join(recipe, "image.yaml"), "utf8"));
      const { run } = await build(victim, { recipe: copy });
      await victim.close();
      await fresh.close();
      assert.equal(run.failure?.code, "index_untrusted", `${tampering}: ${run.failure?.message}`);
    }
    await repository.publish();
    assert.equal((await build(factory, { recipe, mode: "update" })).run.state, "succeeded");
  });

  it("keeps a second owner out of its data folder", async () => {
    await assert.rejects(site.open(repository), (error) => error instanceof Failure && error.code === "data_locked");
  });

  it("lets two builds of one recipe take turns", async () => {
    const [one, two] = await Promise.all([build(factory, { recipe }), build(factory, { recipe })]);
    assert.equal(one.run.image, two.run.image);
    assert.equal(two.run.state, "succeeded");
  });

  it("gives the installed system its configuration, no network and no device", async () => {
    const strict = await site.recipe(
      "strict",
      yaml(real!.distribution, ["network-postinst", "escaping-postinst", ...configurableNames]).replace(
        "test/small",
        "test/strict",
      ),
    );
    const { run } = await build(factory, { recipe: strict });
    assert.equal(run.failure, undefined);
  });

  it("writes a lock with the whole chain and no address", async () => {
    const name = (await readdir(recipe)).find((file) => file.startsWith("lock."))!;
    const text = await readFile(join(recipe, name), "utf8");
    const lock = JSON.parse(text) as Lock;
    assert.doesNotMatch(text, /https?:/);
    assert.equal(lock.indexes[0]!.signedBy.length, 1);
    assert.ok(lock.packages.every(({ sha256, index }) => sha256.length === 64 && lock.indexes[index] !== undefined));
  });
});

async function layersOf(factory: Factory, digest: string): Promise<string[]> {
  const manifest = await factory.registry.getManifest("test/small", digest);
  return (JSON.parse(manifest!.bytes.toString("utf8")) as { layers: { digest: string }[] }).layers.map(
    (layer) => layer.digest,
  );
}
