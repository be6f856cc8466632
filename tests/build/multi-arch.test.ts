import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fastify, type FastifyInstance } from "fastify";
import { run } from "../../src/base/child.ts";
import { messageOf } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import { readTar } from "../../src/base/tar.ts";
import { tryEmulation } from "../../src/build/build.ts";
import { runChamber } from "../../src/build/chamber/run-chamber.ts";
import { openLayer } from "../../src/build/image-files.ts";
import type { Digest } from "../../src/model/digest.ts";
import { mediaTypes, type Index, type Manifest } from "../../src/model/oci.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import { registrySource } from "../../src/pipeline/registry-source.ts";
import { planBake, prepareBake } from "../../src/pipeline/pipeline.ts";
import { registerDistribution } from "../../src/registry/registry.ts";
import { bundleType } from "../../src/sign/bundle.ts";
import type { AptRepository } from "../fixtures/apt-repository.ts";
import { debWithChangelog } from "../fixtures/changed-deb.ts";
import { configurableNames, placeholderApt, realDebianPackages, repositoryOf } from "../fixtures/real-packages.ts";
import { build, makeSite, type TestSite } from "../pipeline/site.ts";
import { sealedObstacle } from "./sealed-site.ts";

const architectures = ["arm64", "amd64"] as const;

const found = await Promise.all(
  architectures.map((architecture) => realDebianPackages(configurableNames, { architecture })),
);
const emulation = (
  await Promise.all(
    architectures.map((one) =>
      tryEmulation(one).then(
        () => [],
        (error: unknown) => [messageOf(error)],
      ),
    ),
  )
).flat()[0];
const reason =
  emulation ?? found.map((one) => ("reason" in one ? one.reason : undefined)).find((one) => one !== undefined);
const isSealable = (await sealedObstacle()) === undefined;

describe(
  "images of two architectures on one machine",
  { skip: reason === undefined ? false : `missing: ${reason}` },
  () => {
    let site: TestSite;
    let repository: AptRepository;
    let factory: Factory;
    let server: FastifyInstance;
    let host = "";
    let recipe = "";
    let index: Index;
    let indexDigest: Digest;

    before(async () => {
      site = await makeSite();
      const real = found.flatMap((one) => ("packages" in one ? [one.packages] : []));
      const debs = new Map(real.flatMap(({ debs: own }) => own.map((deb) => [deb.fileName, deb] as const)));
      const { distribution } = real[0]!;
      const suites = distribution === "debian:12" ? ["bookworm", "bookworm-security"] : ["trixie", "trixie-security"];
      const placeholders = architectures.map((one) => placeholderApt(one));
      repository = await repositoryOf([...debs.values(), ...placeholders], { distribution, suites, architectures });
      await repository.add(
        [debWithChangelog({ name: "spare", version: "1.0" }, [{ version: "1.0", changes: ["First."] }])],
        suites[1],
      );
      await repository.publish();
      recipe = await site.recipe(
        "both",
        `name: test/both\ntitle: Both\ndistribution: ${distribution}\narchitectures: [arm64, amd64]\npackages: [${configurableNames.join(", ")}]\ncommand: [uname, -m]\n`,
      );
      factory = await site.open(repository);
      server = await serve(factory);
      host = new URL(await server.listen({ host: "127.0.0.1", port: 0 })).host;
      factory.announce(`http://${host}`);
    });
    after(async () => {
      await server.close();
      await factory.close();
      await repository.close();
      await site.close();
    });

    it("publishes an image for each and an index under the tags, signed", async () => {
      const { run: ended, events } = await build(factory, { recipe });
      assert.equal(ended.failure, undefined, JSON.stringify(events.slice(-5)));
      const latest = await factory.registry.getManifest("test/both", "latest");
      assert.equal(latest?.mediaType, mediaTypes.index);
      assert.equal(latest.digest, ended.image);
      indexDigest = latest.digest;
      index = JSON.parse(latest.bytes.toString("utf8")) as Index;
      assert.deepEqual(
        index.manifests.map(({ platform }) => platform),
        [
          { os: "linux", architecture: "arm64" },
          { os: "linux", architecture: "amd64" },
        ],
      );
      const report = await factory.verify("test/both:latest");
      assert.equal(report.result, "pass", JSON.stringify(report.checks));
      const signed = new Set(
        report.checks.flatMap(({ name, message }) => (name === "release-signature" ? [message] : [])),
      );
      for (const digest of [indexDigest, ...index.manifests.map((one) => one.digest)])
        assert.ok(
          [...signed].some((message) => message.includes(digest)),
          `${digest} in ${[...signed].join("; ")}`,
        );
      const onIndex = (
        await registrySource(factory.registry, factory.store.blobs).referrers("test/both", indexDigest)
      ).filter(({ artifactType }) => artifactType === bundleType);
      // Five statements of each image, and one signature.
      assert.equal(onIndex.length, 5 * architectures.length + 1);
    });

    it("tells of each image and of the index that it is part of", async () => {
      for (const { digest, platform } of index.manifests) {
        const image = await factory.image(digest);
        assert.equal(image?.architecture, platform!.architecture);
        assert.equal(image.index?.digest, indexDigest);
        assert.deepEqual(
          image.index.images.map(({ architecture }) => architecture),
          architectures,
        );
        assert.match(image.tags.join(), new RegExp(`-${platform!.architecture}$`));
        assert.ok(image.index.tags.includes("latest"));
      }
      assert.equal((await factory.image("test/both:latest"))?.index?.digest, indexDigest);
      const locks = await Promise.all(
        architectures.map(async (one) => await readFile(join(recipe, lockName(repository, one)), "utf8")),
      );
      assert.deepEqual(
        locks.map((text) => (JSON.parse(text) as { architecture: string }).architecture),
        architectures,
      );
    });

    it("gives the same image of arm64 again from its lock, elsewhere and from nothing", async () => {
      const other = await makeSite();
      const copy = join(other.folder, "copy");
      await cp(recipe, copy, { recursive: true });
      const second = await other.open(repository);
      try {
        const { run: ended } = await build(second, { recipe: copy, architecture: "arm64" });
        assert.equal(ended.failure, undefined);
        assert.equal(ended.image, index.manifests[0]!.digest);
        assert.equal(await second.registry.getManifest("test/both", "latest"), undefined);
      } finally {
        await second.close();
        await other.close();
      }
    });

    it("runs as what it is and holds nothing of the emulator", async () => {
      const { digest } = index.manifests[0]!;
      assert.equal(await said(site, factory, { digest, argv: ["uname", "-m"] }), "aarch64\n");
      const { layers } = await manifestOf(factory, digest);
      for (const layer of layers)
        for await (const { header, body } of readTar(await openLayer(factory.store.blobs, layer))) {
          assert.doesNotMatch(header.path, /qemu|binfmt_misc\/|\.core$|mintmark-/);
          if (layer === layers.at(-1) && header.kind === "file")
            assert.ok(!(await bytesOf(body())).includes("qemu-aarch64"), header.path);
        }
    });

    it("is given to skopeo by architecture", async () => {
      const reference = `docker://${host}/test/both:latest`;
      const raw = await run("skopeo", ["inspect", "--raw", "--tls-verify=false", reference]);
      assert.deepEqual(JSON.parse(raw.stdout), index);
      for (const { digest, platform } of index.manifests) {
        const folder = await mkdtemp(join(site.folder, "pulled-"));
        const override = `--override-arch=${platform!.architecture}`;
        const copied = await run("skopeo", [override, "copy", "--src-tls-verify=false", reference, `dir:${folder}`]);
        assert.equal(copied.code, 0, copied.stderr);
        assert.deepEqual(
          JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")),
          await manifestOf(factory, digest),
        );
      }
    });

    it("builds Containerfiles on it for each platform that a bake file names, under one index", async (t) => {
      if (!isSealable) return t.skip("missing: programs of sealed builds");
      const folder = join(site.folder, "baked");
      await mkdir(folder);
      await writeFile(
        join(folder, "Containerfile"),
        "FROM test/both:latest\nARG TARGETARCH\nRUN echo $TARGETARCH $(uname -m) > /machine\n",
      );
      await writeFile(
        join(folder, "build.hcl"),
        'target "default" {\n  tags = ["test/baked:1"]\n  platforms = ["linux/amd64", "linux/arm64/v8", "linux/arm64"]\n}\n',
      );
      const request = { folder, files: [], targets: [], changes: [], environment: {} };
      const [[target] = []] = await prepareBake(await planBake(request), request, join(site.folder, "bake"));
      const { run: ended, events } = await build(factory, { recipe: target!.recipe });
      assert.equal(ended.failure, undefined, JSON.stringify(events.slice(-20)));
      const tagged = await factory.registry.getManifest("test/baked", "1");
      assert.equal(tagged?.digest, ended.image);
      const { manifests } = JSON.parse(tagged!.bytes.toString("utf8")) as Index;
      const told = await Promise.all(
        manifests.map(({ digest }) => said(site, factory, { digest, argv: ["cat", "/machine"] })),
      );
      assert.deepEqual(told, ["amd64 x86_64\n", "arm64 aarch64\n"]);
      await factory.settled();
      for (const { digest } of manifests) assert.equal((await factory.image(digest))?.reproduced, "yes");
    });

    it("does not take a base of another architecture, nor move the tags to one that was asked for alone", async (t) => {
      const single = await site.recipe(
        "single",
        `name: test/single\ntitle: Single\ndistribution: ${repository.distribution.id}\nflavour: runtime\npackages: [base-files]\nfixups: []\n`,
      );
      const own = await build(factory, { recipe: single });
      assert.equal(own.run.failure, undefined);
      const foreign = await build(factory, { recipe: single, architecture: "arm64" });
      assert.equal(foreign.run.failure, undefined);
      assert.equal((await factory.registry.getManifest("test/single", "latest"))?.digest, own.run.image);
      assert.equal((await factory.registry.getManifest("test/single", "latest-arm64"))?.digest, foreign.run.image);
      if (!isSealable) return t.skip("missing: programs of sealed builds");
      const onSingle = await site.recipe("on-single", "name: test/on\ntitle: On\ncontainerfile: Containerfile\n");
      await writeFile(join(onSingle, "Containerfile"), "FROM test/single:latest\nRUN true\n");
      const refused = await build(factory, { recipe: onSingle, architecture: "arm64" });
      assert.match(refused.run.failure?.message ?? "", /is for linux\/amd64, not for linux\/arm64/);
    });
  },
);

function lockName({ distribution }: AptRepository, architecture: string): string {
  return `lock.${distribution.id.replace(":", "-")}-${architecture}.json`;
}

async function manifestOf({ store }: Factory, digest: Digest): Promise<Manifest> {
  return JSON.parse((await store.blobs.read(digest)).toString("utf8")) as Manifest;
}

async function bytesOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** What a command of an image prints. */
async function said(
  site: TestSite,
  factory: Factory,
  { digest, argv }: { readonly digest: Digest; readonly argv: readonly string[] },
): Promise<string> {
  const { layers } = await manifestOf(factory, digest);
  const paths: string[] = [];
  for (const layer of layers) paths.push(await factory.store.blobs.localPath(layer.digest));
  const workFolder = await mkdtemp(join(site.folder, "run-"));
  let output = "";
  const { architecture } = (await factory.image(digest))!;
  await runChamber(
    {
      kind: "commands",
      architecture,
      workFolder,
      layers: paths,
      runs: [{ commands: [{ argv, variables: {} }], user: "", workdir: "/" }],
      timeoutMs: 60_000,
    },
    {
      signal: new AbortController().signal,
      onCommand: ({ stdout, stderr, fault }) => void (output = fault ?? `${stdout}${stderr}`),
    },
  );
  await rm(workFolder, { recursive: true, force: true });
  return output;
}

/** The factory's registry as clients see it, open to everybody. */
async function serve({ store }: Factory): Promise<FastifyInstance> {
  const app = fastify();
  const access = {
    identify: async () => ({ name: "test" }),
    may: () => true,
    accountMay: () => true,
    isAnonymous: () => false,
    challenge: () => "Basic",
  };
  await app.register(async (scope) => registerDistribution(scope, { store, access, log: silentLog }));
  return app;
}
