import assert from "node:assert/strict";
import { test } from "node:test";
import { findScan } from "../../src/store/admission-records.ts";
import { debWithChangelog } from "../fixtures/changed-deb.ts";
import { openAptRepository } from "../fixtures/apt-repository.ts";
import { tinyDistribution } from "../fixtures/tiny-distribution.ts";
import { build, makeSite } from "../pipeline/site.ts";

const yaml =
  "name: test/tiny\ntitle: Tiny\ndistribution: debian:12\nflavour: runtime\npackages: [hello, ca-certificates, flawed]\n";

test("an image that was built here is not read again, goes through every gate, and keeps what its build knew", async () => {
  const site = await makeSite();
  const repository = await openAptRepository({ distribution: "debian:12", suites: ["bookworm", "bookworm-security"] });
  await tinyDistribution(repository);
  const first = [{ version: "1.0", changes: ["First."] }];
  await repository.add([debWithChangelog({ name: "flawed", version: "1.0" }, first)]);
  await repository.add([debWithChangelog({ name: "other", version: "1.0" }, first)], "bookworm-security");
  await repository.publish();
  const factory = await site.open(repository);
  try {
    const recipe = await site.recipe("tiny", yaml);
    const { run } = await build(factory, { recipe });
    const digest = run.image!;
    await factory.admission.settled();
    const scan = await findScan(factory.store.db, digest);
    assert.equal(scan?.state, "done");
    assert.equal(scan.attempts, 0, "no job read its layers");
    const [image] = (await factory.admission.scans("test/tiny", "latest"))!;
    assert.equal(image!.report!.coverage, "complete", "the security suite covers it, without any imported feed");
    assert.ok(image!.report!.packageCount >= 3);
    const gate = {
      requireVerdict: true,
      maxSeverity: "high",
      allowUnfixed: false,
      requireSignature: true,
      trustedKeys: [],
    } as const;
    await factory.admission.setGate("test", gate, "test");
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const pull = { repository: "test/tiny", mediaType, reference: "latest", actor: "test", address: "" };
    assert.equal(await factory.admission.check({ ...pull, digest }), undefined);
    for (const referrer of await factory.registry.referrers("test/tiny", digest))
      assert.equal(await factory.admission.check({ ...pull, digest: referrer.digest }), undefined);
    await factory.admission.rescan("test/tiny", digest);
    await factory.admission.settled();
    const again = await factory.admission.scans("test/tiny", digest);
    assert.equal(again![0]!.scan.attempts, 1, "a scan that is asked for reads the layers");
    assert.equal(again![0]!.report!.coverage, "complete", "what the build knew of the suites stays");
    assert.equal(again![0]!.report!.packageCount, image!.report!.packageCount);
    assert.equal(await factory.admission.check({ ...pull, digest }), undefined);
  } finally {
    await factory.close();
    await repository.close();
    await site.close();
  }
});
