import assert from "node:assert/strict";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { networkInterfaces, release } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { exitAddress } from "../../src/build/build.ts";
import type { ContainerfileLock } from "../../src/model/containerfile-lock.ts";
import { sha256Digest, type Digest } from "../../src/model/digest.ts";
import type { Manifest } from "../../src/model/oci.ts";
import { getRun } from "../../src/store/run-records.ts";
import { build, type WatchedBuild } from "../pipeline/site.ts";
import { openSealedSite, sealedObstacle, type SealedTestSite } from "./sealed-site.ts";

const obstacle = await sealedObstacle();

const lockName = `lock.containerfile-${process.arch === "x64" ? "amd64" : process.arch}.json`;

describe("a sealed build of hostile and clumsy Containerfiles", { skip: obstacle ?? false }, () => {
  let site: SealedTestSite;
  before(async () => {
    site = await openSealedSite();
    const base = await site.recipe("base", {
      "image.yaml":
        "name: test/base\ntitle: Base\ndistribution: [debian:13, debian:12]\npackages: [ca-certificates, curl, python3, passwd]\n",
    });
    const { run } = await build(site.factory, { recipe: base });
    assert.equal(run.failure, undefined);
  });
  after(async () => await site.close());

  const recipe = (name: string, containerfile: string, more: Readonly<Record<string, string>> = {}): Promise<string> =>
    site.recipe(name, {
      "image.yaml": `name: test/${name}\ntitle: ${name}\ncontainerfile: Containerfile\n`,
      Containerfile: containerfile,
      ...more,
    });

  it("reaches nothing of the machine from a RUN, nor from outside of its chroot", async () => {
    const secret = join(site.folder, "secret");
    await writeFile(secret, "of the machine\n");
    const path = join(site.folder, "path.sock");
    const servers = [await listening({ host: "0.0.0.0", port: 0 }), await listening({ path })];
    const abstract = `mintmark-${process.pid}`;
    servers.push(await listening({ path: `\0${abstract}` }));
    const own = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
    const host = own.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
    const port = (servers[0]!.address() as AddressInfo).port;
    const folder = await recipe(
      "escape",
      `FROM test/base\nCOPY escape.py /\nRUN python3 /escape.py ${host} ${port} ${abstract} ${path} ${secret}\n`,
      { "escape.py": await readFile(new URL("./sealed-escape.py", import.meta.url), "utf8") },
    );
    const watched = await build(site.factory, { recipe: folder });
    for (const server of servers) server.close();
    assert.equal(watched.run.failure, undefined, lines(watched).join("\n"));
    const line = lines(watched).find((one) => one.startsWith("FOUND "))!;
    const found = JSON.parse(line.slice("FOUND ".length)) as Record<string, unknown>;
    const devices = ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"];
    const bound = found["process bound"];
    const [major = 0, minor = 0] = release().split(".").map(Number);
    if (major > 6 || (major === 6 && minor >= 14)) assert.equal(bound, 8192);
    const outside = found["outside"] as string[];
    assert.ok(!outside.includes("home") && !outside.includes("boot"), outside.join(" "));
    const names = ["tcp to the machine", "tcp to loopback", "tcp over IPv6", "abstract socket", "path socket"];
    for (const name of [...names, "outside: path socket"]) assert.notEqual(found[name], "reached", name);
    for (const name of ["core pattern", "sysrq", "outside: programs", "outside: bases", "outside: core pattern"])
      assert.notEqual(found[name], "written", name);
    for (const name of ["mount", "new namespaces", "trace the forwarder", "outside: remount"])
      assert.match(String(found[name]), /^E(?:PERM|ACCES|INVAL)$/, name);
    assert.equal(found["outside: programs"], "EROFS");
    assert.equal(found["outside: bases"], "EROFS");
    assert.match(String(found["outside: sysrq"]), /^(?:closed|ENOENT)$/);
    assert.equal(found["outside: accounts"], false);
    assert.equal(found["secret"], "ENOENT");
    assert.match(String(found["root of the forwarder"]), /^E/);
    assert.match(String(found["files of the forwarder"]), /^E/);
    assert.notEqual(found["make a device"], "made");
    assert.deepEqual(found["interfaces"], ["lo"]);
    assert.deepEqual(found["devices"], devices);
    assert.deepEqual(found["outside: devices"], devices);
  });

  it("ends what an instruction leaves running before the next one", async () => {
    const folder = await recipe(
      "daemon",
      [
        "FROM test/base",
        "RUN (setsid sh -c 'exec sleep 4711' >/dev/null 2>&1 </dev/null &); echo started",
        "RUN for one in /proc/[0-9]*; do if tr '\\0' ' ' < $one/cmdline | grep -qx 'sleep 4711 '; then exit 9; fi; done",
        "",
      ].join("\n"),
    );
    const watched = await build(site.factory, { recipe: folder });
    assert.equal(watched.run.failure, undefined);
    assert.ok(
      lines(watched).some((line) => line === "ended what the last instruction left running: sleep"),
      lines(watched).join("\n"),
    );
    await site.factory.settled();
  });

  it("ends everything when it is stopped", async () => {
    const mark = `47${process.pid}`;
    const folder = await recipe(
      "endless",
      `FROM test/base\nRUN (setsid sleep ${mark} &); echo asleep; sleep ${mark}; echo never\n`,
    );
    const id = await site.factory.startBuild({ recipe: folder, mode: "auto", actor: "test" });
    for await (const { event } of site.factory.watch(id))
      if (event.kind === "log" && event.line === "asleep") {
        assert.equal((await sleepers(mark)) > 0, true);
        await site.factory.cancelBuild(id);
      }
    assert.equal((await site.factory.run(id))?.image, undefined);
    for (let wait = 0; wait < 50 && (await sleepers(mark)) > 0; wait++) await sleep(100);
    assert.equal(await sleepers(mark), 0);
  });

  it("names the files that differ where it is not reproducible, everywhere that it is asked", async () => {
    const folder = await recipe(
      "chance",
      "FROM test/base\nRUN date +%s%N > /x\nRUN head -c8 /dev/urandom > /y; echo same > /same\n",
    );
    const { run } = await build(site.factory, { recipe: folder });
    await site.factory.settled();
    const first = (await site.factory.image(run.image!))!;
    const now = (await site.factory.image("test/chance:latest"))!;
    assert.notEqual(now.digest, first.digest);
    for (const image of [first, now]) {
      assert.equal(image.reproduced, "no");
      assert.match(image.difference ?? "", /changed \/x: content.*changed \/y: content/);
    }
    const { files } = await site.factory.difference(first.digest, now.digest);
    assert.deepEqual(
      files.map(({ path }) => path),
      ["/x", "/y"],
    );
    const provenance = await provenanceOf(site, now.digest);
    assert.equal(provenance.internalParameters["reproduced"], "no");
    assert.equal(provenance.internalParameters["sealed"], true);
    const lock = await lockOf(folder);
    const uris = provenance.resolvedDependencies.map(({ uri }) => uri);
    for (const { reference } of lock.bases) assert.ok(uris.includes(`urn:mintmark:image:${reference}`));
  });

  it("lets nothing be sent, and goes on where the program does", async () => {
    const folder = await recipe(
      "post",
      `FROM test/base\nRUN curl --silent --data x=1 ${exitAddress}/mirror/npm/-/npm/v1/security/audits || true\n`,
    );
    const watched = await build(site.factory, { recipe: folder });
    assert.equal(watched.run.failure, undefined);
    assert.ok(lines(watched).some((line) => /may not send "POST" to "npm\/-\/npm/.test(line)));
    assert.deepEqual((await lockOf(folder)).requests, []);
  });

  it("says what is lost of a lock, and fetches it again where it may", async () => {
    const folder = await recipe(
      "lost",
      `FROM test/base\nRUN curl --silent --show-error --fail --output /ms.tgz ${exitAddress}/mirror/npm/ms/-/ms-2.1.3.tgz\n`,
    );
    const { run } = await build(site.factory, { recipe: folder });
    await site.factory.settled();
    const { requests } = await lockOf(folder);
    assert.deepEqual(
      requests.map(({ purl }) => purl),
      ["pkg:npm/ms@2.1.3"],
    );
    assert.ok(await site.factory.store.blobs.delete(sha256Digest(requests[0]!.sha256!)));
    const offline = await site.reopen({ MINTMARK_MIRROR_OFFLINE: "true" });
    const lost = await build(offline, { recipe: folder, mode: "locked" });
    assert.equal(lost.run.failure?.code, "not_found");
    assert.match(lost.run.failure.message, /the store lacks "npm\/ms\/-\/ms-2\.1\.3\.tgz"/);
    const online = await site.reopen();
    const again = await build(online, { recipe: folder });
    assert.equal(again.run.failure, undefined);
    assert.equal(again.run.image, run.image);
  });

  it("is made offline where a prefetch has brought what its lock names", async () => {
    const fetched = ["ms", "ms/-/ms-2.1.3.tgz"].map((path) => `--output /dev/null ${exitAddress}/mirror/npm/${path}`);
    const folder = await recipe("ahead", `FROM test/base\nRUN curl --silent --fail ${fetched.join(" ")}\n`);
    const { run } = await build(site.factory, { recipe: folder });
    await site.factory.settled();
    const bodies = (await lockOf(folder)).requests.map(({ sha256 }) => sha256Digest(sha256!));
    assert.equal(bodies.length, 2);
    for (const body of bodies) assert.ok(await site.factory.store.blobs.delete(body));
    const id = await site.factory.mirrorCare.startPrefetch({ file: join(folder, lockName), actor: "test" });
    await site.factory.settled();
    const outcome = (await getRun(site.factory.store.db, id))?.output as {
      readonly failed: readonly unknown[];
      readonly skipped: readonly { readonly title: string }[];
    };
    assert.deepEqual(outcome.failed, []);
    assert.match(outcome.skipped[0]?.title ?? "", /^base test\/base@sha256:/);
    const offline = await site.reopen({ MINTMARK_MIRROR_OFFLINE: "true" });
    const again = await build(offline, { recipe: folder, mode: "locked" });
    await site.reopen();
    assert.equal(again.run.failure, undefined);
    assert.equal(again.run.image, run.image);
  });

  it("refuses a lock that was cut short, and one whose base is gone, with what to do", async () => {
    const folder = await recipe("cut", "FROM test/base\nRUN echo hello > /hello\n");
    assert.equal((await build(site.factory, { recipe: folder })).run.failure, undefined);
    await site.factory.settled();
    const path = join(folder, lockName);
    const text = await readFile(path, "utf8");
    const failureOf = async (content: string): Promise<unknown> => {
      await writeFile(path, content);
      const { failure } = (await build(site.factory, { recipe: folder, mode: "locked" })).run;
      return [failure?.code, failure?.message, failure?.hint].join(" ");
    };
    assert.match(String(await failureOf(text.slice(0, 300))), /lock_invalid.*lock\.containerfile.*--update/s);
    const lock = JSON.parse(text) as ContainerfileLock;
    const other = text.replace(lock.bases[0]!.digest, `sha256:${"0".repeat(64)}`);
    assert.match(String(await failureOf(other)), /not_found.*test\/base/s);
    await rm(path);
  });

  it("refuses what it cannot do with the line, before anything runs", async () => {
    const secret = await recipe("secret", "FROM test/base\nRUN --mount=type=secret,id=token cat /run/secrets/token\n");
    assert.match((await build(site.factory, { recipe: secret })).run.failure?.message ?? "", /line 2: .*"secret"/);
  });

  it("names the instruction that failed by its line, how it ended, and its last lines", async () => {
    const failing = "for one in $(seq 20); do echo line $one of it; done; echo to stderr >&2; exit 7";
    const folder = await recipe(
      "failing",
      `FROM test/base AS first\nRUN true\n\nFROM first\n# why\nRUN true && \\\n  sh -c '${failing}'\n`,
    );
    const { failure } = (await build(site.factory, { recipe: folder })).run;
    assert.equal(failure?.code, "script_failed");
    assert.match(failure.message, /^Cannot run line 6 of the Containerfile, "RUN true && sh -c .*": it ended with 7$/);
    const shown = (failure.hint ?? "").split("\n").map((line) => line.trim());
    assert.equal(shown.length, 12);
    assert.ok(shown.includes("line 20 of it") && shown.includes("to stderr") && !shown.includes("line 8 of it"));
    const copying = await recipe("copying", "FROM test/base\nCOPY lost /x\n");
    const lost = (await build(site.factory, { recipe: copying })).run.failure;
    assert.match(lost?.message ?? "", /^Cannot run line 2 of the Containerfile, "COPY lost \/x": .*no such file/);
    assert.doesNotMatch(lost?.message ?? "", /sealed-|cache\/work/);
  });

  it("builds stages, mounts, owners and modes as they are written", async () => {
    const folder = await recipe(
      "stages",
      `ARG BASE=test/base
ARG TAG=latest
FROM \${BASE}:\${TAG} AS tools
ARG WHO=nobody
RUN mkdir /out && echo "$WHO" > /out/tool
FROM tools AS second
RUN echo second > /out/second
FROM \${BASE} AS app
COPY --from=tools /out/tool /tool
COPY --from=1 /out/second /second
COPY --from=test/base:latest /etc/debian_version /from-image
COPY --link --chown=1000:1001 --chmod=640 hello.txt /owned
COPY . /context/
RUN --mount=type=tmpfs,target=/scratch touch /scratch/x
RUN --mount=type=bind,from=tools,source=/out,target=/bound cp /bound/tool /copied
RUN --mount=type=cache,target=/cache echo kept > /cache/file
RUN useradd --system --uid 900 svc
USER svc
RUN id -u > /tmp/uid
SHELL ["/bin/bash", "-c"]
HEALTHCHECK --interval=5s CMD ["true"]
ONBUILD RUN echo later
FROM scratch
COPY --from=app /second /
`,
      {
        "image.yaml":
          "name: test/stages\ntitle: Stages\ncontainerfile: Containerfile\ntarget: app\nargs: { WHO: me }\n",
        "hello.txt": "hello\n",
        "drop.txt": "no\n",
        "keep.txt": "yes\n",
        ".dockerignore": "*.txt\n!keep.txt\n!hello.txt\n",
      },
    );
    const { run } = await build(site.factory, { recipe: folder });
    assert.equal(run.failure, undefined);
    await site.factory.settled();
    assert.equal((await site.factory.image(run.image!))?.reproduced, "yes");
    const base = (await site.factory.image("test/base:latest"))!;
    const { files, config } = await site.factory.difference(base.digest, run.image!);
    const added = files.filter(({ kind }) => kind === "added").map(({ path }) => path);
    for (const path of ["/tool", "/second", "/from-image", "/owned", "/copied", "/context/keep.txt", "/tmp/uid"])
      assert.ok(added.includes(path), `${path} in ${added.join(" ")}`);
    assert.ok(!added.some((path) => /drop\.txt|^\/(?:scratch|cache|bound)\//.test(path)), added.join(" "));
    for (const part of ["Healthcheck", "OnBuild", "Shell", "User"])
      assert.ok(
        config.some((line) => line.startsWith(`config.${part}`)),
        `${part} in ${config.join("; ")}`,
      );
  });
});

function lines({ events }: WatchedBuild): string[] {
  return events.flatMap((event) => (event.kind === "log" ? [event.line] : []));
}

async function listening(options: Parameters<Server["listen"]>[0]): Promise<Server> {
  const server = createServer((socket) => socket.end("here"));
  await new Promise<void>((resolve) => server.listen(options, resolve));
  return server;
}

async function lockOf(folder: string): Promise<ContainerfileLock> {
  return JSON.parse(await readFile(join(folder, lockName), "utf8")) as ContainerfileLock;
}

interface Provenance {
  readonly internalParameters: Readonly<Record<string, unknown>>;
  readonly resolvedDependencies: readonly { readonly uri: string }[];
}

/** What a verifier reads. Source: SLSA provenance v1; Sigstore's bundle and DSSE. */
async function provenanceOf({ factory }: SealedTestSite, digest: Digest): Promise<Provenance> {
  const read = async (one: Digest): Promise<unknown> =>
    JSON.parse((await factory.store.blobs.read(one)).toString("utf8"));
  const { repository } = (await factory.image(digest))!;
  for (const referrer of await factory.registry.referrers(repository, digest)) {
    if (referrer.annotations?.["dev.sigstore.bundle.predicateType"] !== "https://slsa.dev/provenance/v1") continue;
    const manifest = (await factory.registry.getManifest(repository, referrer.digest))!;
    const { layers } = JSON.parse(manifest.bytes.toString("utf8")) as Manifest;
    const bundle = (await read(layers[0]!.digest)) as { readonly dsseEnvelope: { readonly payload: string } };
    const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, "base64").toString("utf8")) as {
      readonly predicate: { readonly buildDefinition: Provenance };
    };
    return statement.predicate.buildDefinition;
  }
  throw new Error("no provenance");
}

/** Processes of the machine whose command line has a mark. */
async function sleepers(mark: string): Promise<number> {
  let count = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name)))
    if ((await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")) === `sleep\0${mark}\0`) count++;
  return count;
}
