import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { run } from "../../src/base/child.ts";
import { nowMs } from "../../src/base/clock.ts";
import { machineSources } from "../../src/build/apt/sources.ts";
import { type AptRepository, aptSourcesFor, openAptRepository } from "../fixtures/apt-repository.ts";
import { makeDeb } from "../fixtures/deb.ts";
import { serveFolder } from "../fixtures/faulty-server.ts";
import { makeGpgKey, type GpgKey } from "../fixtures/gpg-key.ts";
import { openPrivateApt } from "../fixtures/private-apt.ts";
import { runMirror, type RunningMirror } from "./running-mirror.ts";

const missing: string[] = [];
for (const program of ["apt-get", "gpg", "gpgv", "gpgconf", "xz"])
  await run(program, ["--version"]).catch(() => missing.push(program));

interface Ran {
  readonly code: number;
  readonly output: string;
  /** Names of the archives that apt has, verified. */
  readonly archives: readonly string[];
}

/** A fresh apt that knows one sources file runs commands, one after another, as long as they succeed. */
async function aptOn(sources: string, ...commands: readonly string[]): Promise<Ran> {
  const apt = await openPrivateApt(sources);
  try {
    let output = "";
    let code = 0;
    for (const command of commands) {
      const ran = await apt.apt("apt-get", command.split(" "));
      output += ran.stdout + ran.stderr;
      code = ran.code;
      if (code !== 0) break;
    }
    const names = await readdir(join(apt.folder, "cache/archives"));
    return { code, output, archives: names.filter((name) => name.endsWith(".deb")).sort() };
  } finally {
    await apt.close();
  }
}

const get = (name: string): string => `install --yes --download-only --no-install-recommends ${name}`;

describe("apt and the mirror", { skip: missing.length > 0 ? `not installed: ${missing.join(", ")}` : false }, () => {
  let key: GpgKey;
  before(async () => void (key = await makeGpgKey()));
  after(async () => await key.close());

  interface Bench {
    readonly archive: AptRepository;
    readonly site: RunningMirror;
    /** The sources file of a client of the mirror. */
    readonly sources: string;
  }

  /** An archive with two packages, and a mirror of it. */
  async function bench(metadataSeconds: number, work: (bench: Bench) => Promise<void>): Promise<void> {
    const archive = await openAptRepository({ key });
    await archive.add([
      makeDeb({ name: "app", fields: { Depends: "libpart+more" } }),
      makeDeb({ name: "libpart+more", version: "1:2.0~rc1", architecture: "amd64" }),
    ]);
    await archive.publish();
    const proxy = { name: "deb", format: "apt", kind: "proxy", upstream: archive.url, isPublic: true } as const;
    const site = await runMirror([{ ...proxy, metadataSeconds, allowPrivate: true }]);
    try {
      await work({ archive, site, sources: aptSourcesFor(archive, site.base("deb")) });
    } finally {
      await site.close();
      await archive.close();
    }
  }

  const both = ["app_1.0_all.deb", "libpart+more_1%3a2.0~rc1_amd64.deb"];

  test("packages come cold, warm, and when the archive is gone", async () => {
    await bench(0, async ({ archive, site, sources }) => {
      const cold = await aptOn(sources, "update", get("app"));
      assert.equal(cold.code, 0, cold.output);
      assert.deepEqual(cold.archives, both);
      const pool = (): number => [...archive.server.requests.keys()].filter((path) => path.startsWith("pool/")).length;
      assert.equal(pool(), 2);
      archive.server.reset();
      const warm = await aptOn(sources, "update", get("app"));
      assert.deepEqual([warm.code, warm.archives], [0, both], warm.output);
      assert.equal(pool(), 0);
      await archive.server.close();
      const stale = await aptOn(sources, "update", get("app"));
      assert.deepEqual([stale.code, stale.archives], [0, both], stale.output);
      const offline = await site.restart({ MINTMARK_MIRROR_OFFLINE: "true" });
      try {
        const replay = await aptOn(aptSourcesFor(archive, offline.base("deb")), "update", get("app"));
        assert.deepEqual([replay.code, replay.archives], [0, both], replay.output);
        assert.equal(offline.counts().upstreamRequests, 0);
      } finally {
        await offline.close();
      }
    });
  });

  test("an altered package is refused and not kept; the right one comes afterwards", async () => {
    await bench(0, async ({ archive, site, sources }) => {
      await archive.alterDeb("app");
      const poisoned = await aptOn(sources, "update", get("app"));
      assert.notEqual(poisoned.code, 0);
      assert.match(poisoned.output, /502 .*sha256.*was promised/);
      assert.deepEqual(poisoned.archives, both.slice(1));
      assert.equal((await fetch(`${site.base("deb")}/pool/main/a/app/app_1.0_all.deb`)).status, 502);
      const right = makeDeb({ name: "app", fields: { Depends: "libpart+more" } });
      await writeFile(join(archive.folder, "pool/main/a/app", right.fileName), right.bytes);
      const mended = await aptOn(sources, "update", get("app"));
      assert.deepEqual([mended.code, mended.archives], [0, both], mended.output);
    });
  });

  test("a package that no index lists is not given out, wherever the archive has it", async () => {
    await bench(0, async ({ archive, site, sources }) => {
      await writeFile(join(archive.folder, "pool/main/stray_1_all.deb"), "stray");
      assert.equal((await aptOn(sources, "update")).code, 0);
      assert.equal((await fetch(`${site.base("deb")}/pool/main/stray_1_all.deb`)).status, 404);
      assert.equal((await fetch(`${site.base("deb")}/pool/main/a/app/app_1.0_all.deb`)).status, 200);
    });
  });

  test("a new version of the archive is taken whole, and clients with the old lists still get what they name", async () => {
    await bench(0, async ({ archive, sources }) => {
      const old = await openPrivateApt(sources);
      try {
        assert.equal((await old.apt("apt-get", ["update"])).code, 0);
        const indexed = await aptOn(sources, "update", get("libpart+more"));
        assert.equal(indexed.code, 0, indexed.output);
        archive.remove("app");
        await archive.add([makeDeb({ name: "app", version: "2.0", fields: { Depends: "libpart+more" } })]);
        await archive.publish();
        const fresh = await aptOn(sources, "update", get("app"));
        assert.deepEqual([fresh.code, fresh.archives], [0, ["app_2.0_all.deb", both[1]]], fresh.output);
        const { code, stdout, stderr } = await old.apt("apt-get", get("app").split(" "));
        assert.equal(code, 0, stdout + stderr);
      } finally {
        await old.close();
      }
    });
  });

  test("an archive that moved on while its Release was believed heals at the next update", async () => {
    await bench(300, async ({ archive, site, sources }) => {
      assert.equal((await fetch(`${site.base("deb")}/dists/bookworm/InRelease`)).status, 200);
      archive.remove("app");
      await archive.add([makeDeb({ name: "app", version: "2.0", fields: { Depends: "libpart+more" } })]);
      await archive.publish();
      // Without files by their hash the old ones are gone: this update cannot go well, with a mirror or without.
      assert.notEqual((await aptOn(sources, "update")).code, 0);
      const healed = await aptOn(sources, "update", get("app"));
      assert.deepEqual([healed.code, healed.archives], [0, ["app_2.0_all.deb", both[1]]], healed.output);
    });
  });

  test("lists by their hash are those of the Release that clients have, also when the archive moved on", async () => {
    await bench(300, async ({ archive, site, sources }) => {
      await archive.publish({ isByHash: true });
      assert.equal((await fetch(`${site.base("deb")}/dists/bookworm/InRelease`)).status, 200);
      await archive.add([makeDeb({ name: "app", version: "2.0", fields: { Depends: "libpart+more" } })]);
      await archive.publish({ isByHash: true });
      const before = await aptOn(sources, "update", get("app"));
      assert.deepEqual([before.code, before.archives], [0, both], before.output);
      const plain = await fetch(`${site.base("deb")}/dists/bookworm/main/binary-amd64/Packages`);
      assert.doesNotMatch(await plain.text(), /^Version: 2\.0$/m, "one by its name too");
    });
  });

  test("a flat archive, whose lists lie beside its packages", async () => {
    const folder = await mkdtemp(join(tmpdir(), "mintmark-flat-"));
    const server = await serveFolder(folder);
    const deb = makeDeb({ name: "app" });
    const hex = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");
    const list = `${deb.control}\nFilename: ./all/${deb.fileName}\nSize: ${deb.bytes.length}\nSHA256: ${hex(deb.bytes)}\n`;
    const release = `Date: ${new Date(nowMs()).toUTCString()}\nSHA256:\n ${hex(list)} ${list.length} Packages\n`;
    await mkdir(join(folder, "all"));
    await writeFile(join(folder, "all", deb.fileName), deb.bytes);
    await writeFile(join(folder, "Packages"), list);
    await writeFile(join(folder, "InRelease"), await key.clearSign(release));
    const proxy = { name: "flat", format: "apt", kind: "proxy", upstream: server.url, isPublic: true } as const;
    const site = await runMirror([{ ...proxy, allowPrivate: true }]);
    try {
      const shown = key.armoured
        .trimEnd()
        .split("\n")
        .map((line) => ` ${line === "" ? "." : line}\n`);
      const sources = `Types: deb\nURIs: ${site.base("flat")}\nSuites: ./\nSigned-By:\n${shown.join("")}`;
      const { code, output, archives } = await aptOn(sources, "update", get("app"));
      assert.deepEqual([code, archives], [0, both.slice(0, 1)], output);
    } finally {
      await site.close();
      await server.close();
      await rm(folder, { recursive: true });
    }
  });

  test("the archive of this machine gives a package and its signed lists", { timeout: 180_000 }, async (context) => {
    const source = await ownArchive(context);
    if (source === undefined) return;
    const proxy = { name: "deb", format: "apt", kind: "proxy", upstream: source.uri, isPublic: true } as const;
    const site = await runMirror([proxy]);
    try {
      const sources = `Types: deb\nURIs: ${site.base("deb")}\nSuites: ${source.suite}\nComponents: main\nSigned-By: ${source.signedBy}\n`;
      const cold = await aptOn(sources, "update", get("hostname"));
      assert.equal(cold.code, 0, cold.output);
      assert.ok(
        cold.archives.some((name) => name.startsWith("hostname_")),
        cold.output,
      );
      const requests = site.counts().upstreamRequests;
      const warm = await aptOn(sources, "update", get("hostname"));
      assert.deepEqual([warm.code, warm.archives], [0, cold.archives], warm.output);
      assert.equal(site.counts().upstreamRequests, requests);
    } finally {
      await site.close();
    }
  });
});

type AptSource = Awaited<ReturnType<typeof machineSources>>[number];

/** The first archive of this machine's apt that is signed by a key ring of its own. */
async function ownArchive(context: TestContext): Promise<AptSource | undefined> {
  const sources = await machineSources();
  const found = sources.find(
    ({ uri, signedBy, components }) =>
      uri.startsWith("http") && signedBy.startsWith("/") && components.includes("main"),
  );
  if (found === undefined) context.skip("this machine's apt names no archive with a key ring");
  return found;
}
