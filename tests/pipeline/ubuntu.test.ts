import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Lock } from "../../src/model/lock.ts";
import { openAptRepository } from "../fixtures/apt-repository.ts";
import { debWithChangelog } from "../fixtures/changed-deb.ts";
import { applyLayers } from "../fixtures/layers.ts";
import { tinyDistribution, tinyNames } from "../fixtures/tiny-distribution.ts";
import type { Manifest } from "../../src/model/oci.ts";
import { build, makeSite } from "./site.ts";

test("a recipe for Ubuntu 24.04, with zstd packages and the links of a merged /usr, is locked and built", async () => {
  const site = await makeSite();
  const repository = await openAptRepository({ distribution: "ubuntu:24.04", suites: ["noble", "noble-security"] });
  try {
    await tinyDistribution(repository);
    await repository.add(
      [debWithChangelog({ name: "other", version: "1.0" }, [{ version: "1.0", changes: ["First."] }])],
      "noble-security",
    );
    await repository.publish();
    const recipe = await site.recipe(
      "noble",
      `name: test/noble\ntitle: Noble\ndistribution: [ubuntu:24.04, debian:12]\nflavour: runtime\npackages: [${tinyNames.join(", ")}]\n`,
    );
    const factory = await site.open(repository);
    const { run } = await build(factory, { recipe });
    assert.equal(run.failure, undefined);
    const name = (await readdir(recipe)).find((file) => file.startsWith("lock."))!;
    const lock = JSON.parse(await readFile(join(recipe, name), "utf8")) as Lock;
    assert.deepEqual(lock.distribution, { id: "ubuntu", version: "24.04", codename: "noble" });
    const manifest = JSON.parse(
      (await factory.registry.getManifest("test/noble", "24.04"))!.bytes.toString("utf8"),
    ) as Manifest;
    const tree = await applyLayers({ manifest, readBlob: ({ digest }) => factory.store.blobs.open(digest) });
    assert.equal(tree.get("bin")?.link, "usr/bin");
    for (const path of [
      "etc/passwd",
      "etc/nsswitch.conf",
      "etc/ssl/certs/ca-certificates.crt",
      "var/lib/dpkg/status",
      "var/lib/dpkg/info/hello.list",
    ])
      assert.equal(tree.get(path)?.kind, "file", path);
    const bom = JSON.parse(await factory.sbom("test/noble:24.04", "cyclonedx")) as { components: { name: string }[] };
    assert.ok(bom.components.some((component) => component.name === "hello"));
    await factory.close();
  } finally {
    await repository.close();
    await site.close();
  }
});
