import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import type { NewMirrorRepository } from "../../src/mirror/mirror.ts";
import type { ContainerfileLock } from "../../src/model/containerfile-lock.ts";
import type { Lock } from "../../src/model/lock.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";
import type { AptRepository } from "../fixtures/apt-repository.ts";
import { realDebianPackages } from "../fixtures/real-packages.ts";
import { openStandInUbuntu, realNames } from "../fixtures/stand-in-ubuntu.ts";
import { build, sourcesOf } from "../pipeline/site.ts";
import { runServer, type RunningServer } from "../registry/running-server.ts";
import { mintmark, type Said } from "./sealed-program.ts";
import { sealedObstacle } from "./sealed-site.ts";
import { startWorld, type StandInWorld } from "./stand-in-world.ts";

const shipped = join(import.meta.dirname, "../../recipes");
const variants = ["java", "node", "dotnet", "full", "cuda", "vllm"];
/** What each recipe's tag for Ubuntu names. */
const tagged: Readonly<Record<string, string>> = {
  base: "aibox/base:24.04",
  java: "aibox/java:21-24.04",
  node: "aibox/node:20-24.04",
  dotnet: "aibox/dotnet:8-24.04",
  full: "aibox/full:24.04",
  cuda: "aibox/cuda:12.5-22.04",
  vllm: "aibox/vllm:0.6.3",
};
/** Tests of the recipes that need the programs themselves; they pass on Debian. */
const beyond = ["a C program is compiled", "a class is compiled and run", "a script runs"];
const real = await realDebianPackages(realNames);
const obstacle = (await sealedObstacle()) ?? ("reason" in real ? real.reason : undefined);

/** NVIDIA's image: Ubuntu 22.04 with sources of its own, and one of NVIDIA's that is reached by https. */
const cudaBase = `name: nvidia/cuda
title: CUDA
distribution: ubuntu:22.04
packages: [bash, cuda-cudart-12-5, cuda-keyring]
tags: ["12.5.1-base-ubuntu22.04"]
files:
  - path: /etc/apt/sources.list
    content: "deb http://archive.jammy.example/ubuntu/ jammy main\\ndeb http://archive.jammy.example/ubuntu/ jammy-security main\\n"
`;

/** The recipes of this project, byte for byte, where only the addresses behind the mirror are others. */
describe("the shipped recipes on Ubuntu 24.04", { skip: obstacle ?? false }, () => {
  let folder = "";
  let noble: AptRepository;
  let jammy: AptRepository;
  let hub: RunningServer;
  let world: StandInWorld;
  const outside: { close(): Promise<void> }[] = [];
  const digests = new Map<string, string>();

  const recipe = (name: string, file: string): string => join(folder, "recipes", name, file);
  const ok = async (...args: readonly string[]): Promise<Said> => {
    const said = await mintmark(folder, args);
    assert.equal(said.code, 0, `${args.join(" ")}\n${said.stdout.slice(-2000)}${said.stderr.slice(-4000)}`);
    return said;
  };
  const lockOf = async (name: string): Promise<ContainerfileLock> =>
    JSON.parse(await readFile(recipe(name, "lock.containerfile-amd64.json"), "utf8")) as ContainerfileLock;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-shipped-"));
    await cp(shipped, join(folder, "recipes"), { recursive: true });
    const { debs } = ("packages" in real ? real : assert.fail(real.reason)).packages;
    noble = await openStandInUbuntu("ubuntu:24.04", debs);
    jammy = await openStandInUbuntu("ubuntu:22.04", debs);
    const [, nodeVersion = ""] = /NODE_VERSION=(\S+)/.exec(await readFile(recipe("node", "Containerfile"), "utf8"))!;
    world = await startWorld({ archives: { "archive.jammy.example/ubuntu/": jammy.url }, nodeVersion });
    hub = await openHub(join(folder, "hub"), jammy);
    outside.push(hub, world, noble, jammy);
    await configure();
  });
  after(async () => {
    delete process.env["http_proxy"];
    delete process.env["MINTMARK_UPSTREAMS_APT"];
    await cutOff();
    await rm(folder, { recursive: true, force: true });
  });

  /** Everything outside is gone. */
  async function cutOff(): Promise<void> {
    const open = outside.splice(0);
    for (const one of open) await one.close();
  }

  /** What an operator sets: upstreams, repositories of the mirror, and a project that stands for Docker Hub. */
  async function configure(): Promise<void> {
    process.env["MINTMARK_UPSTREAMS_APT"] = JSON.stringify([...sourcesOf(noble), ...sourcesOf(jammy)]);
    process.env["http_proxy"] = world.proxy;
    const common = { kind: "proxy", allowPrivate: true } as const;
    const allowed = [{ host: "nodejs.org", path: "dist/v20.*/*" }];
    const repositories: readonly NewMirrorRepository[] = [
      { ...common, name: "noble", format: "apt", upstream: noble.url },
      { ...common, name: "jammy", format: "apt", upstream: "http://archive.jammy.example/ubuntu/" },
      // Asked by http, where the real one is asked by https.
      { ...common, name: "raw", format: "raw", upstream: "http://nodejs.org/", allowed },
      { ...common, name: "pypi", format: "pypi", upstream: world.index },
    ];
    const factory = await openFactory(
      await loadConfig({ flags: { data: join(folder, "data") }, environment: {} }),
      silentLog,
    );
    for (const repository of repositories) await factory.mirror.create(repository, "test");
    await factory.close();
    await ok("peer", "add", "hub", hub.url, "--insecure");
    await ok("project", "create", "hub", "--public");
    await ok("project", "proxy", "set", "hub", "--peer", "hub", "--mirror-of", "docker.io");
  }

  it("are built in order, each with a lock", async () => {
    const { stderr } = await ok("build", "base", "cuda", "--with-variants");
    const order = [...stderr.matchAll(/^(\w+): (?:it was never built|it has no lock)$/gm)].map(([, name]) => name);
    assert.deepEqual(order, ["base", "cuda", "dotnet", "java", "node", "vllm", "full"]);
    const base = JSON.parse(await readFile(recipe("base", "lock.ubuntu-24.04-amd64.json"), "utf8")) as Lock;
    assert.deepEqual(base.distribution, { id: "ubuntu", version: "24.04", codename: "noble" });
    assert.equal((await ok("graph")).stdout.match(/up to date/g)?.length, 7);
    assert.doesNotMatch((await ok("lint", "base", ...variants)).stdout, /MM\d|DL\d/);
    const { images } = JSON.parse((await ok("--json", "image", "list")).stdout) as {
      readonly images: readonly {
        readonly repository: string;
        readonly tags: readonly string[];
        readonly digest: string;
      }[];
    };
    for (const { repository, tags, digest } of images)
      for (const tag of tags) digests.set(`${repository}:${tag}`, digest);
    for (const name of Object.values(tagged)) assert.ok(digests.has(name), name);
  });

  it("name in their locks all that they took in", async () => {
    const purls: Readonly<Record<string, readonly string[]>> = {
      java: ["pkg:deb/openjdk-21-jdk-headless@21.0.4", "pkg:deb/maven@3.8.7"],
      node: [],
      dotnet: ["pkg:deb/dotnet-sdk-8.0@8.0.110"],
      full: ["pkg:deb/dotnet-sdk-8.0@8.0.110"],
      cuda: ["pkg:deb/python3.11@3.11", "pkg:deb/python3.11-venv@3.11"],
      vllm: ["pkg:pypi/vllm@0.6.3", "pkg:pypi/torch@2.4.0", "pkg:deb/build-essential@12.10"],
    };
    for (const name of variants) {
      const { requests, bases } = await lockOf(name);
      const found = requests.flatMap(({ purl }) => purl ?? []);
      for (const purl of purls[name]!)
        assert.ok(
          found.some((one) => one.startsWith(purl)),
          `${name}: ${purl} in ${found.join(" ")}`,
        );
      const packages = requests.filter(({ address }) => /\.(?:deb|whl)$/.test(address));
      assert.ok(
        packages.every(({ purl, sha256 }) => purl !== undefined && sha256 !== undefined),
        name,
      );
      // A file of no ecosystem has no name but its address.
      const archives = requests.filter(({ address }) =>
        /^raw\/nodejs\.org\/dist\/v20\..*-linux-x64\.tar\.xz$/.test(address),
      );
      assert.equal(
        archives.filter(({ sha256 }) => sha256 !== undefined).length,
        ["node", "full"].includes(name) ? 1 : 0,
        requests.map(({ address }) => address).join("\n"),
      );
      assert.equal(bases.length, 1);
    }
    assert.equal((await lockOf("cuda")).bases[0]?.reference, "docker.io/nvidia/cuda:12.5.1-base-ubuntu22.04");
  });

  for (const name of ["base", ...variants])
    it(`${name} passes its own tests, as far as what they try is real here`, async () => {
      const tests = parse(await readFile(recipe(name, `tests/${name}.yaml`), "utf8")) as {
        commandTests?: { readonly name: string }[];
      };
      const own = { ...tests, commandTests: tests.commandTests?.filter(({ name: test }) => !beyond.includes(test)) };
      const path = join(folder, `${name}.yaml`);
      await writeFile(path, stringify(own));
      assert.match((await ok("test", tagged[name]!, "--tests", path)).stdout, /^pass/m);
    });

  it("are made again of their locks alone, byte for byte, where nothing outside is left", async () => {
    await cutOff();
    const environment = {
      MINTMARK_MIRROR_OFFLINE: "true",
      MINTMARK_RECIPES: join(folder, "recipes"),
      MINTMARK_UPSTREAMS_APT: process.env["MINTMARK_UPSTREAMS_APT"]!,
    };
    const server = await runServer(join(folder, "data"), environment);
    try {
      const { factory } = server;
      // Each build that wrote a lock left a replay to the next server.
      await factory.settled();
      for (const name of variants) {
        const image = await factory.image(tagged[name]!);
        if (image?.reproduced !== "yes") assert.fail(`${name}: ${(await ok("--json", "job", "list")).stdout}`);
        assert.equal(image.digest, digests.get(tagged[name]!), name);
      }
      const { run } = await build(factory, { recipe: join(folder, "recipes/base"), mode: "locked" });
      assert.equal(run.failure, undefined);
      assert.equal(run.image, digests.get(tagged["base"]!));
    } finally {
      await server.close();
    }
  });
});

/** A registry with what Docker Hub has of NVIDIA. */
async function openHub(dataDir: string, jammy: AptRepository): Promise<RunningServer> {
  const hub = await runServer(dataDir, { MINTMARK_UPSTREAMS_APT: JSON.stringify(sourcesOf(jammy)) });
  const path = join(dataDir, "../nvidia");
  await mkdir(path);
  await writeFile(join(path, "image.yaml"), cudaBase);
  await mintmark(join(dataDir, ".."), ["--data", dataDir, "project", "create", "nvidia", "--public"]);
  const { run } = await build(hub.factory, { recipe: path });
  assert.equal(run.failure, undefined);
  return hub;
}
