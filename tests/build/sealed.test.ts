import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readTar } from "../../src/base/tar.ts";
import { exitAddress, type ExitClient } from "../../src/build/build.ts";
import { replayBuild } from "../../src/build/containerfile/sealed-build.ts";
import { loadRecipe } from "../../src/build/recipe.ts";
import { openLayer } from "../../src/build/image-files.ts";
import type { ContainerfileLock } from "../../src/model/containerfile-lock.ts";
import type { Digest } from "../../src/model/digest.ts";
import type { Manifest } from "../../src/model/oci.ts";
import { build } from "../pipeline/site.ts";
import { openSealedSite, sealedObstacle, type SealedTestSite } from "./sealed-site.ts";

const obstacle = await sealedObstacle();

const packages = ["apt", "ca-certificates", "curl", "python3-pip", "npm"];

describe("a sealed build", { skip: obstacle ?? false }, () => {
  let site: SealedTestSite;
  let recipe = "";
  let image: Digest;
  before(async () => {
    site = await openSealedSite();
    const base = await site.recipe("base", {
      "image.yaml": `name: test/base\ntitle: Base\ndistribution: [debian:13, debian:12]\npackages: [${packages.join(", ")}]\n`,
    });
    const { run } = await build(site.factory, { recipe: base });
    assert.equal(run.failure, undefined);
    recipe = await site.recipe("app", {
      "image.yaml": "name: test/app\ntitle: App\ncontainerfile: Containerfile\nlabels: { team: tests }\n",
      "machine.sources": site.aptSources,
      "hello.txt": "hello\n",
      Containerfile: `ARG BASE=test/base
FROM \${BASE}:latest
COPY machine.sources /etc/apt/sources.list.d/
RUN apt-get update && apt-get install --yes --no-install-recommends jq
RUN python3 -m pip install --break-system-packages idna==3.10
WORKDIR /srv/app
RUN npm install ms@2.1.3 && npm install --global semver@7.6.3
COPY hello.txt .
ENV GREETING=hello
CMD ["jq", "--version"]
`,
    });
  });
  after(async () => await site.close());

  it("takes apt, pip and npm packages through the mirror and writes down all of it", async () => {
    const { run, events } = await build(site.factory, { recipe });
    assert.equal(run.failure, undefined, JSON.stringify(events.slice(-30)));
    image = run.image!;
    const lock = await lockOf(recipe);
    const purls = lock.requests.flatMap(({ purl }) => purl ?? []);
    for (const name of ["pkg:deb/jq@", "pkg:pypi/idna@3.10", "pkg:npm/ms@2.1.3", "pkg:npm/semver@7.6.3"])
      assert.ok(
        purls.some((purl) => purl.startsWith(name)),
        `${name} in ${purls.join(" ")}`,
      );
    assert.ok(lock.requests.every(({ address }) => !address.includes("://")));
  });

  it("is proven by a replay from the lock alone", async () => {
    await site.factory.settled();
    assert.equal((await site.factory.image(image))?.reproduced, "yes");
  });

  it("leaves no trace of the exit in layers, configuration and history", async () => {
    const manifest = await manifestOf(site, image);
    const config = (await site.factory.store.blobs.read(manifest.config.digest)).toString("utf8");
    assert.doesNotMatch(config, /5081|127\.0\.0\.1|\/mirror\/|PIP_|npm_config|SOURCE_DATE/);
    const base = await manifestOf(site, (await site.factory.image("test/base:latest"))!.digest);
    const own = manifest.layers.slice(base.layers.length);
    assert.deepEqual(manifest.layers.slice(0, base.layers.length), base.layers);
    for (const layer of own)
      for await (const { header, body } of readTar(await openLayer(site.factory.store.blobs, layer))) {
        assert.doesNotMatch(header.path, /mintmark|resolv\.conf|ssh_host/);
        const chunks: Buffer[] = [];
        for await (const chunk of body()) chunks.push(Buffer.from(chunk));
        const content = Buffer.concat(chunks);
        for (const trace of ["127.0.0.1:5081", "mirror/npm", "mirror/pypi", "/run/mintmark"])
          assert.ok(!content.includes(trace), `${header.path} holds ${trace}`);
      }
  });

  it("replays offline in another time zone and under another umask", async () => {
    const { blobs } = site.factory.store;
    const folders = { bases: join(site.folder, "bases"), work: join(site.folder, "work") };
    const umask = process.umask(0o077);
    const zone = process.env["TZ"];
    process.env["TZ"] = "Asia/Kathmandu";
    try {
      const watch = { signal: new AbortController().signal, onProgress: () => undefined, onLine: () => undefined };
      const input = {
        loaded: await loadRecipe(recipe),
        lock: await lockOf(recipe),
        clients: await clientsOf(site),
        watch,
      };
      const replayed = await replayBuild({ blobs, folders }, input);
      assert.equal(replayed.image.digest, image);
      assert.deepEqual(replayed.traces, []);
    } finally {
      process.umask(umask);
      if (zone === undefined) delete process.env["TZ"];
      else process.env["TZ"] = zone;
    }
  });

  it("is made offline where only the lock is there", async () => {
    const factory = await site.reopen({ MINTMARK_MIRROR_OFFLINE: "true" });
    const copy = await site.recipe("copy", {});
    for (const name of ["image.yaml", "Containerfile", "machine.sources", "hello.txt", "lock.containerfile-amd64.json"])
      await writeFile(join(copy, name), await readFile(join(recipe, name)));
    const { run } = await build(factory, { recipe: copy, mode: "locked" });
    await site.reopen();
    assert.equal(run.failure, undefined);
    assert.equal(run.image, image);
  });

  it("says why another host cannot be reached", async () => {
    const other = await site.recipe("other", {
      "image.yaml": "name: test/other\ntitle: Other\ncontainerfile: Containerfile\n",
      Containerfile: "FROM test/base\nRUN curl --silent --show-error --fail https://elsewhere.invalid/file\n",
    });
    const { run } = await build(site.factory, { recipe: other });
    assert.equal(run.failure?.code, "script_failed");
    assert.match(run.failure.message, /elsewhere\.invalid:443.*only repositories of the mirror answer/s);
  });

  it("names the request that is not in the lock", async () => {
    const path = join(recipe, "lock.containerfile-amd64.json");
    const text = await readFile(path, "utf8");
    const lines = text.split("\n").filter((line) => !line.includes("/ms-2.1.3.tgz"));
    await writeFile(path, lines.join("\n"));
    const { run } = await build(site.factory, { recipe, mode: "locked" });
    await writeFile(path, text);
    assert.equal(run.failure?.code, "request_unlocked");
    assert.match(run.failure.message, /GET "npm\/ms\/-\/ms-2\.1\.3\.tgz"/);
  });

  it("refuses a poisoned byte of the upstream", async () => {
    const poisoned = await site.recipe("poisoned", {
      "image.yaml": "name: test/poisoned\ntitle: Poisoned\ncontainerfile: Containerfile\n",
      Containerfile: `FROM test/base\nRUN npm install --global --fetch-retries=0 --registry=${exitAddress}/mirror/zz-near/ poisoned\n`,
    });
    const { run } = await build(site.factory, { recipe: poisoned });
    assert.notEqual(run.failure, undefined);
    assert.match(run.failure!.message, /poisoned-1\.0\.0\.tgz/);
    assert.match(run.failure!.message, /sha512/);
  });
});

async function lockOf(recipe: string): Promise<ContainerfileLock> {
  return JSON.parse(await readFile(join(recipe, "lock.containerfile-amd64.json"), "utf8")) as ContainerfileLock;
}

async function clientsOf({ factory }: SealedTestSite): Promise<ExitClient[]> {
  return ["npm", "pypi", "apt0"].flatMap((name) => [
    ...factory.mirror.formatOf(name)!.clients({ base: `${exitAddress}/mirror/${name}`, isSealed: true }),
  ]);
}

async function manifestOf({ factory }: SealedTestSite, digest: string): Promise<Manifest> {
  return JSON.parse((await factory.store.blobs.read(digest as Digest)).toString("utf8")) as Manifest;
}
