import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openAuthoring } from "../../src/build/build.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import type { AptRepository } from "../fixtures/apt-repository.ts";
import { debWithChangelog } from "../fixtures/changed-deb.ts";
import { makeDeb, type Deb } from "../fixtures/deb.ts";
import { hasPerl, perlLayer } from "../fixtures/perl-layer.ts";
import { configurableNames, placeholderApt, realDebianPackages, repositoryOf } from "../fixtures/real-packages.ts";
import type { RawEntry } from "../fixtures/tar-bytes.ts";
import { build, makeSite, type TestSite, type WatchedBuild } from "../pipeline/site.ts";

const { parseTestFile, runStructureTests } = await openAuthoring();

const escape = await readFile(new URL("./chamber-escape.pl", import.meta.url), "utf8");

/** What the machine has and nobody in a chamber may reach. */
interface Bait {
  /** A file that only its owner, who builds, may read; folders and files beside it tell what was written. */
  readonly secret: string;
  readonly folder: string;
  /** The arguments of the program that tries to escape. */
  readonly args: readonly string[];
  close(): Promise<void>;
}

async function layBait(): Promise<Bait> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-bait-"));
  const secret = join(folder, "owner-token");
  await writeFile(secret, "of the machine\n", { mode: 0o600 });
  const abstract = `mintmark-bait-${process.pid}`;
  const servers = [await listening({ path: `\0${abstract}` }), await listening({ host: "127.0.0.1", port: 0 })];
  const { port } = servers[1]!.address() as AddressInfo;
  return {
    folder,
    secret,
    args: [secret, abstract, String(port), process.arch],
    async close() {
      for (const server of servers) server.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function listening(options: Parameters<Server["listen"]>[0]): Promise<Server> {
  const server = createServer((socket) => socket.end("here"));
  await new Promise<void>((resolve) => server.listen(options, resolve));
  return server;
}

/** What a program that tried to escape has printed after a mark. */
function foundIn(lines: readonly string[], mark: string): Map<string, string> {
  const pairs = lines.flatMap((line) => {
    const [, name, value] = new RegExp(`^${mark} ([^=]+)=(.*)$`).exec(line) ?? [];
    return name === undefined ? [] : [[name, value!] as const];
  });
  return new Map(pairs);
}

const hidden = /^(?:No such file or directory|Permission denied)$/;
const refused = /^(?:Operation not permitted|Permission denied|Read-only file system|Invalid argument)$/;

async function assertHeld(found: ReadonlyMap<string, string>, { folder }: Bait): Promise<void> {
  const of = (name: string): string => found.get(name) ?? `no answer for "${name}"`;
  for (const name of ["secret", "outside: secret", "outside: write"]) assert.match(of(name), hidden, name);
  for (const name of ["through processes", "descriptors", "sys"]) assert.equal(of(name), "", name);
  assert.doesNotMatch(of("processes"), /node|unshare|nsenter|MainThread/);
  const points = of("mounts").split(" ");
  assert.deepEqual(
    points.filter((point) => !/^\/(?:$|proc|tmp$|dev)/.test(point)),
    [],
  );
  assert.equal(of("devices"), "fd full null random shm stderr stdin stdout tty urandom zero");
  for (const name of ["core pattern", "outside: core pattern"])
    assert.match(of(name), /^(?:Read-only|No such|Permission denied)/, name);
  assert.match(of("sysrq"), /^(?:closed|No such file or directory)$/);
  for (const name of ["device", "mount", "remount", "unmount"]) assert.match(of(name), refused, name);
  assert.match(of("new namespaces"), /^(?:No space left on device|Operation not permitted)$/);
  for (const name of ["abstract socket", "tcp"]) assert.match(of(name), /refused|unreachable/, name);
  assert.doesNotMatch(of("outside: names"), /\bboot\b.*\bhome\b.*\bmnt\b.*\bwork\b/);
  assert.deepEqual(await readdir(folder), ["owner-token"]);
}

/** Bits of the sets in /proc/PID/status. Source: capabilities(7). */
const bits = { netRaw: 13n, sysPtrace: 19n, sysAdmin: 21n, chown: 0n, sysChroot: 18n };

function holds(set: string | undefined, bit: bigint): boolean {
  return ((BigInt(`0x${set ?? "0"}`) >> bit) & 1n) === 1n;
}

const real = await realDebianPackages(configurableNames);

describe("maintainer scripts of hostile packages", { skip: "packages" in real ? false : real.reason }, () => {
  let site: TestSite;
  let repository: AptRepository;
  let factory: Factory;
  let bait: Bait;
  before(async () => {
    if (!("packages" in real)) return;
    bait = await layBait();
    site = await makeSite();
    const { distribution, debs } = real.packages;
    const suites = distribution === "debian:12" ? ["bookworm", "bookworm-security"] : ["trixie", "trixie-security"];
    repository = await repositoryOf([...debs, placeholderApt(), ...hostile(bait)], { distribution, suites });
    const spare = debWithChangelog({ name: "spare", version: "1.0" }, [{ version: "1.0", changes: ["First."] }]);
    await repository.add([spare], suites[1]);
    await repository.publish();
    factory = await site.open(repository);
  });
  after(async () => {
    await factory.close();
    await repository.close();
    await site.close();
    await bait.close();
  });

  const buildWith = async (name: string, more = ""): Promise<WatchedBuild> => {
    const names = [name, ...configurableNames].join(", ");
    const distribution = "packages" in real ? real.packages.distribution : "";
    const text = `name: test/${name}\ntitle: T\ndistribution: ${distribution}\npackages: [${names}]\n${more}`;
    return await build(factory, { recipe: await site.recipe(name, text) });
  };

  it("reach nothing of the machine, before and while their package is configured", async () => {
    const { run: outcome, events } = await buildWith("escaping");
    assert.equal(outcome.failure, undefined);
    const lines = events.flatMap((event) => (event.kind === "log" ? [event.line] : []));
    for (const mark of ["FOUND", "PREINST"]) {
      const found = foundIn(lines, mark);
      await assertHeld(found, bait);
      assert.equal(found.get("chroot"), "reached", "it must have tried to leave a chroot");
      assert.equal(found.get("NoNewPrivs"), "1");
      for (const set of ["CapEff", "CapBnd"]) {
        for (const bit of [bits.netRaw, bits.sysPtrace, bits.sysAdmin]) assert.ok(!holds(found.get(set), bit), set);
        assert.ok(holds(found.get(set), bits.chown) && holds(found.get(set), bits.sysChroot), set);
      }
    }
  });

  it("lead us nowhere by links in the place of the folders that we write to", async () => {
    for (const [name, users] of [
      ["linked-etc", "users: [{ name: app, uid: 4711 }]\n"],
      ["linked-dpkg", ""],
    ] as const) {
      const { failure } = (await buildWith(name, users)).run;
      assert.match(
        failure?.code ?? "",
        /^(?:script_failed|archive_hostile)$/,
        `${name}: ${failure?.code}: ${failure?.message}`,
      );
      assert.deepEqual(await readdir(bait.folder), ["owner-token"], name);
    }
  });

  it("move no file of another package out of the image by a diversion", async () => {
    const { failure } = (await buildWith("diverting")).run;
    assert.equal(failure?.code, "archive_hostile");
    assert.deepEqual(await readdir(bait.folder), ["owner-token"]);
  });

  it("lay no file through another package's link", async () => {
    const { failure } = (await buildWith("through-a-link")).run;
    assert.equal(failure?.code, "archive_hostile");
    assert.match(failure.message, /a link of another package leads it out/);
    assert.deepEqual(await readdir(bait.folder), ["owner-token"]);
  });

  it("say on the terminal what they printed before they failed", async () => {
    const { failure } = (await buildWith("talking")).run;
    assert.equal(failure?.code, "script_failed");
    for (const said of ["line 13 of it", "line 20 of it"]) assert.match(failure.hint ?? "", new RegExp(said));
    assert.doesNotMatch(failure.hint ?? "", /line 1 of it/);
  });

  it("hold the build up by nothing that they leave running", async () => {
    const { run: outcome } = await buildWith("staying");
    assert.equal(outcome.failure, undefined);
  });
});

function hostile({ folder, args }: Bait): Deb[] {
  const about = (name: string): RawEntry => ({ path: `usr/share/doc/${name}/about`, content: `${name}\n` });
  const made = (
    name: string,
    scripts: Record<string, string>,
    rest: Partial<Parameters<typeof makeDeb>[0]> = {},
  ): Deb => makeDeb({ name, scripts, entries: [about(name)], ...rest });
  const attack = `perl - ${args.join(" ")} <<'ESCAPE'\n${escape}ESCAPE\n`;
  const upwards = "../".repeat(40);
  return [
    made("escaping", {
      preinst: `${attack.replace("<<'ESCAPE'", ">/var/lib/found <<'ESCAPE'")}`,
      postinst: `sed s/^FOUND/PREINST/ /var/lib/found\nrm /var/lib/found\n${attack}`,
    }),
    made("linked-etc", { postinst: `cp -a /etc /etc.kept\nrm -r /etc\nln -s ${folder} /etc` }),
    made("linked-dpkg", { preinst: `mv /var/lib/dpkg /var/lib/dpkg.kept\nln -s ${folder} /var/lib/dpkg` }),
    made("diverting", {
      preinst: `printf '/usr/share/doc/diverting/about\\n/${upwards}${folder.slice(1)}/landed\\n:\\n' >> /var/lib/dpkg/diversions`,
    }),
    made("leading", {}, { entries: [about("leading"), { path: "usr/share/lead", link: folder }] }),
    made(
      "through-a-link",
      {},
      {
        fields: { Depends: "leading" },
        entries: [
          about("through-a-link"),
          { path: "usr/share/lead/" },
          { path: "usr/share/lead/landed", content: "x" },
        ],
      },
    ),
    made("talking", {
      postinst:
        'for one in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo "line $one of it"; done; exit 3',
    }),
    // It keeps the output open.
    made("staying", { postinst: "sleep 100000 &" }),
  ];
}

describe("commands of structure tests", { skip: (await hasPerl()) ? false : "the machine has no perl" }, () => {
  let bait: Bait;
  before(async () => void (bait = await layBait()));
  after(async () => await bait.close());

  for (const user of ["root", "app"])
    it(`reach nothing of the machine as ${user}`, async () => {
      const work = await mkdtemp(join(tmpdir(), "mintmark-commands-"));
      await mkdir(join(work, "work"));
      const layer = join(work, "layer.tar");
      await writeFile(layer, await perlLayer([{ path: "escape.pl", content: escape, mode: 0o755 }]));
      const config = { architecture: process.arch === "x64" ? "amd64" : process.arch, os: "linux" };
      const image = { config: { ...config, config: { Env: ["LD_PRELOAD="], User: user } }, layers: [layer] };
      const test = { name: "escape", command: "/usr/bin/perl", args: ["/escape.pl", ...bait.args] };
      const text = JSON.stringify({ schemaVersion: "2.0.0", commandTests: [test] });
      try {
        const [result] = await runStructureTests(
          image as unknown as Parameters<typeof runStructureTests>[0],
          [parseTestFile(text, "x.yaml")],
          {
            workFolder: join(work, "work"),
            signal: new AbortController().signal,
          },
        );
        const found = foundIn(result!.stdout.split("\n"), "FOUND");
        await assertHeld(found, bait);
        assert.equal(found.get("chroot"), user === "root" ? "reached" : "Operation not permitted");
        assert.equal(holds(found.get("CapEff"), bits.chown), user === "root");
        if (user === "app") assert.equal(BigInt(`0x${found.get("CapEff")}`), 0n);
        for (const bit of [bits.sysPtrace, bits.sysAdmin]) assert.ok(!holds(found.get("CapBnd"), bit));
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    });
});
