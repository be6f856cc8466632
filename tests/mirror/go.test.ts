import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { after, before, describe, test, type TestContext } from "node:test";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { writeZip } from "../../src/base/zip.fixture.ts";
import type { Exchange } from "../../src/mirror/mirror.ts";
import { startPassingUpstream, type PassingUpstream } from "./passing-upstream.ts";
import { runMirror, type RunningMirror } from "./running-mirror.ts";

/** A small module with one dependency-free zip, and an upper-case letter in the path of another. */
const modules = ["github.com/google/uuid@v1.6.0", "github.com/BurntSushi/toml@v1.4.0"] as const;

describe("go and its mirror", () => {
  let folder = "";
  let upstream: PassingUpstream;
  let site: RunningMirror;
  let missing = "";
  let homes = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-go-mirror-"));
    const own = await machineSettings();
    if ("reason" in own) {
      missing = own.reason;
      return;
    }
    upstream = await startPassingUpstream(own.proxy);
    site = await runMirror([
      { name: "go-far", format: "go", kind: "proxy", upstream: upstream.url, checksumDatabase: own.database },
      { name: "go-ours", format: "go", kind: "hosted" },
      { name: "go", format: "go", kind: "group", members: ["go-ours", "go-far"] },
    ]);
  });

  after(async () => {
    await site?.close();
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs go in a fresh home, with nothing but what the mirror's own client settings say. */
  async function go(args: readonly string[], more: Readonly<Record<string, string>> = {}): ReturnType<typeof run> {
    const home = join(folder, `home-${(homes += 1)}`);
    await mkdir(home);
    const [setup] = site.mirror.formatOf("go")!.clients({ base: site.base("go"), isSealed: true });
    const env = {
      ...plainEnvironment,
      PATH: process.env["PATH"]!,
      HOME: home,
      GOFLAGS: "-modcacherw",
      GOTOOLCHAIN: "local",
      ...setup!.environment,
      ...more,
    };
    return await run("go", args, { cwd: home, env, timeoutMs: 60_000 });
  }

  function ready(context: TestContext): boolean {
    if (missing !== "") context.skip(missing);
    return missing === "";
  }

  test("a module comes through the mirror, verified by the checksum database", async (context) => {
    if (!ready(context)) return;
    for (const module of modules) {
      const { code, stdout, stderr } = await go(["mod", "download", "-json", module]);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /"Sum": "h1:/);
    }
    assert.ok(upstream.requests.some((line) => line.includes("/sumdb/") && line.includes("/lookup/")));
    const { claim } = await exchangeOf(`${pathOf(modules[1])}.zip`);
    assert.equal(claim?.algorithm, "h1", "the mirror verified it too");
  });

  test("the second time nobody upstream is asked for what cannot change", async (context) => {
    if (!ready(context)) return;
    const before = upstream.requests.length;
    const { code, stderr } = await go(["mod", "download", modules[0]]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(upstream.requests.slice(before), []);
  });

  test("what has a wrong byte is refused, and go prints why", async (context) => {
    if (!ready(context)) return;
    for (const [end, reason] of [
      [".mod", /it has the h1 \S+, but \S+ was promised/],
      [".zip", /does not have its checksum/],
    ] as const) {
      upstream.spoil((path) => path.endsWith(end));
      const { code, stderr } = await go(["mod", "download", "github.com/google/uuid@v1.5.0"]);
      upstream.spoil(() => false);
      assert.notEqual(code, 0);
      assert.match(stderr, /502 Bad Gateway\s+server response: Cannot take .*digest_mismatch/);
      assert.match(stderr, reason);
    }
    const again = await exchangeOf(`${pathOf("github.com/google/uuid@v1.5.0")}.zip`);
    assert.equal(again.outcome, "fetched", `nothing of it was kept: ${again.reason}`);
  });

  test("a module of one's own is uploaded, and found through the group beside the others", async (context) => {
    if (!ready(context)) return;
    const prefix = "corp.example/lib@v1.0.0/";
    const zip = writeZip(
      [
        [`${prefix}go.mod`, "module corp.example/lib\n\ngo 1.20\n"],
        [`${prefix}lib.go`, "package lib\n\nconst Answer = 42\n"],
      ],
      { deflate: true, wide: false },
    );
    const put = async (body: Buffer, authorization: string): Promise<Response> =>
      await fetch(`${site.base("go-ours")}/corp.example/lib/@v/v1.0.0.zip`, {
        method: "PUT",
        headers: { authorization },
        body: new Uint8Array(body),
      });
    assert.equal((await put(zip, "")).status, 401);
    const answer = await put(zip, site.administrator);
    const said = await answer.text();
    assert.equal(answer.status, 201, said);
    const asked = upstream.requests.length;
    const found = await go(["list", "-m", "-json", "corp.example/lib@latest"], { GONOSUMDB: "corp.example/*" });
    assert.equal(found.code, 0, found.stderr);
    assert.match(found.stdout, /"Version": "v1\.0\.0"/);
    const got = await go(["mod", "download", "-json", "corp.example/lib@v1.0.0"], { GONOSUMDB: "corp.example/*" });
    assert.equal(got.code, 0, got.stderr);
    assert.match(got.stdout, new RegExp(`"Sum": "${said.trim().split(" ").at(-1)!.replaceAll(/[+/]/g, "\\$&")}"`));
    assert.deepEqual(
      upstream.requests.slice(asked).filter((line) => line.includes("corp.example")),
      [],
      "a name that is ours is not told upstream",
    );
  });

  test("without an upstream everything that came once comes again", async (context) => {
    if (!ready(context)) return;
    upstream.cut();
    await site.mirror.change("go-far", { metadataSeconds: 0 }, "admin");
    for (const module of modules) {
      const { code, stderr } = await go(["mod", "download", module]);
      assert.equal(code, 0, stderr);
    }
    const never = await go(["mod", "download", "github.com/google/uuid@v1.3.0"]);
    assert.notEqual(never.code, 0);
    assert.match(never.stderr, /Cannot (?:fetch|reach)/, "go prints the mirror's reason");
  });

  test("offline nobody is asked, and go is told so", async (context) => {
    if (!ready(context)) return;
    site = await site.restart({ MINTMARK_MIRROR_OFFLINE: "true" });
    const { code, stderr } = await go(["mod", "download", modules[0]]);
    assert.equal(code, 0, stderr);
    const never = await go(["mod", "download", "github.com/google/uuid@v1.3.0"]);
    assert.match(never.stderr, /it is not here, and no upstream is asked while offline/);
    assert.equal(site.counts().upstreamRequests, 0);
  });

  const pathOf = (module: string): string =>
    module.replace("@", "/@v/").replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);

  /** Reads a path whole and tells what was given out. */
  async function exchangeOf(path: string): Promise<Exchange> {
    const base = site.base("go");
    const query = new URLSearchParams();
    const answer = await site.mirror.answer({
      method: "GET",
      repository: "go",
      path,
      query,
      headers: {},
      base,
      actor: "test",
    });
    if (answer.body instanceof Readable) await finished(answer.body.resume()).catch(() => undefined);
    return await answer.exchange;
  }
});

/** The proxy and the checksum database that this machine's go uses. */
async function machineSettings(): Promise<{ proxy: string; database: string } | { reason: string }> {
  const asked = await run("go", ["env", "GOPROXY", "GOSUMDB"], {
    env: { ...plainEnvironment, PATH: process.env["PATH"]!, HOME: process.env["HOME"] ?? "/" },
  }).catch(() => undefined);
  if (asked === undefined || asked.code !== 0) return { reason: "go is not installed" };
  const [proxies = "", databases = ""] = asked.stdout.split("\n");
  const proxy = proxies.split(/[,|]/).find((one) => /^https?:/.test(one));
  const database = databases.split(/[+ ]/)[0] ?? "";
  if (proxy === undefined || database === "" || database === "off")
    return { reason: "go has no proxy or no checksum database" };
  const reached = await fetch(`${proxy}/sumdb/${database}/supported`).catch(() => undefined);
  return reached?.ok === true ? { proxy, database } : { reason: "the module proxy cannot be reached" };
}
