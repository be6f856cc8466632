import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { startUpstream, type TestUpstream } from "../../src/mirror/test-mirror.ts";
import { machinePath, machineRegistry, npmTarball, offerNpm } from "./npm-client.ts";
import { runMirror, type RunningMirror } from "./running-mirror.ts";

const quotaBytes = 120_000;
/** Two fit, three do not; random bytes do not become smaller. */
const packageBytes = 45_000;
const names = ["first", "second", "third"];

describe("a quota, with npm", () => {
  let folder = "";
  let upstream: TestUpstream;
  let site: RunningMirror;
  let hasNpm = false;
  let homes = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-quota-"));
    hasNpm = (await machineRegistry()) !== undefined;
    upstream = await startUpstream();
    site = await runMirror([
      { name: "far", format: "npm", kind: "proxy", upstream: upstream.url, isPublic: true, quotaBytes },
      { name: "ours", format: "npm", kind: "hosted", isPublic: true, quotaBytes },
    ]);
    for (const name of names) {
      const bytes = npmTarball(name, "1.0.0", `// ${randomBytes(packageBytes).toString("base64")}\n`);
      offerNpm(upstream, name, { version: "1.0.0", bytes, promised: bytes });
    }
  });

  after(async () => {
    await site.close();
    await upstream.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function npm(
    repository: string,
    args: readonly string[],
    cwd?: string,
  ): Promise<{ code: number; out: string }> {
    const home = join(folder, `home-${(homes += 1)}`);
    await mkdir(join(home, "project"), { recursive: true });
    const base = site.base(repository);
    const secret = `${base.replace("http:", "")}/:_auth=${site.administrator.split(" ")[1]}`;
    await writeFile(join(home, ".npmrc"), `registry=${base}/\naudit=false\n${secret}\n`);
    const env = { ...plainEnvironment, PATH: machinePath, HOME: home };
    const ran = await run("npm", args, { cwd: cwd ?? join(home, "project"), env, timeoutMs: 120_000 });
    return { code: ran.code, out: ran.stdout + ran.stderr };
  }

  /** Bytes of the disk that the blob store has, with what is half written. */
  async function diskBytes(): Promise<number> {
    const root = join(site.dataDir, "blobs");
    const files = await readdir(root, { recursive: true, withFileTypes: true });
    // Some may go while it is counted.
    const sizes = files
      .filter((one) => one.isFile())
      .map(async (one) => (await stat(join(one.parentPath, one.name)).catch(() => undefined))?.size ?? 0);
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  function fetchesOf(name: string): number {
    return upstream.requests.filter((one) => one.endsWith(`/${name}-1.0.0.tgz`)).length;
  }

  function needsNpm(context: TestContext): boolean {
    if (!hasNpm) context.skip("missing: npm");
    return hasNpm;
  }

  test("clients of a full proxy get all that they ask for, nothing more is kept, and one cleaning makes room", async (context) => {
    if (!needsNpm(context)) return;
    for (const name of names) {
      const got = await npm("far", ["install", name]);
      assert.equal(got.code, 0, got.out);
    }
    assert.equal((await npm("far", ["install", "third"])).code, 0);
    assert.deepEqual(names.map(fetchesOf), [1, 1, 2]);
    const full = await diskBytes();
    const headers = { authorization: site.administrator, "content-type": "application/json" };
    const body = JSON.stringify({ unusedDays: 0, isDryRun: false });
    const answer = await fetch(`${site.url}/api/v1/mirrors/-/cleanings`, { method: "POST", headers, body });
    assert.equal(answer.status, 202, await answer.text());
    const end = Date.now() + 20_000;
    while ((await diskBytes()) > full - 2 * packageBytes && Date.now() < end) await delay(100);
    assert.ok((await diskBytes()) <= full - 2 * packageBytes, "the one task frees the disk");
    // A full repository is counted anew once a second.
    await delay(1100);
    for (const wanted of [3, 3]) {
      assert.equal((await npm("far", ["install", "third"])).code, 0);
      assert.equal(fetchesOf("third"), wanted, "there is room again");
    }
  });

  test("a publication that does not fit is refused with the reason, and nothing of it shows", async (context) => {
    if (!needsNpm(context)) return;
    const publish = async (version: string, size: number): Promise<{ code: number; out: string }> => {
      const cwd = await mkdtemp(join(folder, "package-"));
      await writeFile(join(cwd, "package.json"), JSON.stringify({ name: "ours", version }));
      await writeFile(join(cwd, "index.js"), `// ${randomBytes(size).toString("base64")}\n`);
      return await npm("ours", ["publish"], cwd);
    };
    assert.equal((await publish("1.0.0", packageBytes)).code, 0);
    const before = await diskBytes();
    const refused = await publish("1.1.0", 4 * packageBytes);
    assert.notEqual(refused.code, 0);
    assert.match(refused.out, /413.*may have 120000 bytes, and they are used up/s);
    assert.ok((await diskBytes()) <= before + 1000, "nothing of it stays on the disk");
    const seen = await npm("ours", ["view", "ours", "versions", "--json"]);
    assert.deepEqual(JSON.parse(seen.out), ["1.0.0"]);
    const small = await publish("1.1.0", 1000);
    assert.equal(small.code, 0, small.out);
  });
});
