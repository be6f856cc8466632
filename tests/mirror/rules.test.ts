import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test, type TestContext } from "node:test";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { isoSeconds, nowMs, shiftClock } from "../../src/base/clock.ts";
import { startUpstream, type TestUpstream } from "../../src/mirror/test-mirror.ts";
import { obtainNodeProgram } from "../clients/node-program.ts";
import { machinePath, machineRegistry, npmTarball, offerNpm } from "./npm-client.ts";
import { machinePython, offerWheels, wheel } from "./python-client.ts";
import { runMirror, type RunningMirror } from "./running-mirror.ts";

const dayMs = 24 * 60 * 60 * 1000;
const critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

interface KnownFlaw {
  readonly id: string;
  readonly ecosystem: string;
  readonly name: string;
  readonly versions: readonly [introduced: string, fixed: string];
  readonly summary: string;
  readonly isRated?: boolean;
}

function osvRecord({ id, ecosystem, name, versions, summary, isRated = true }: KnownFlaw): string {
  const [introduced, fixed] = versions;
  const events = [{ introduced }, { fixed }];
  return JSON.stringify({
    schema_version: "1.7.4",
    id,
    modified: "2026-11-01T00:00:00Z",
    summary,
    ...(isRated ? { severity: [{ type: "CVSS_V3", score: critical }] } : {}),
    affected: [{ package: { ecosystem, name }, ranges: [{ type: "ECOSYSTEM", events }] }],
  });
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly cwd: string;
}

describe("rules of the mirror, by loaded advisories, with npm and pip", () => {
  let folder = "";
  let upstream: TestUpstream;
  let site: RunningMirror;
  let hasNpm = false;
  let python: string | undefined;
  let shiftedMs = 0;
  let runs = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-rules-"));
    hasNpm = (await machineRegistry()) !== undefined;
    python = (await machinePython())?.python;
    upstream = await startUpstream();
    site = await runMirror([
      { name: "npm", format: "npm", kind: "proxy", upstream: upstream.url, isPublic: true },
      { name: "pypi", format: "pypi", kind: "proxy", upstream: `${upstream.url}whl/cpu/`, isPublic: true },
    ]);
  });

  afterEach(async () => {
    shiftClock(-shiftedMs);
    shiftedMs = 0;
    await site.server.factory.mirrorCare.rules.forget("*", "admin");
  });

  after(async () => {
    await site.close();
    await upstream.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Imports advisories as `mintmark advisories import FOLDER` does. */
  async function load(...flaws: readonly KnownFlaw[]): Promise<void> {
    const place = await mkdtemp(join(folder, "osv-"));
    for (const flaw of flaws) {
      await mkdir(join(place, flaw.ecosystem), { recursive: true });
      await writeFile(join(place, flaw.ecosystem, `${flaw.id}.json`), osvRecord(flaw));
    }
    await site.server.factory.importAdvisories(place, () => undefined);
    // The mirror looks at the feeds once a second.
    pass(2 / (24 * 60 * 60));
  }

  async function choose(rules: Readonly<Record<string, unknown>>): Promise<void> {
    await site.server.factory.mirrorCare.rules.choose("*", { minimumAgeDays: 0, ...rules }, "admin");
  }

  async function allow(pattern: string, days: number): Promise<void> {
    const headers = { authorization: site.administrator, "content-type": "application/json" };
    const body = JSON.stringify({ pattern, reason: "hotfix", expiresAt: isoSeconds(nowMs() + days * dayMs) });
    const answer = await fetch(`${site.url}/api/v1/mirrors/-/exceptions`, { method: "POST", headers, body });
    assert.equal(answer.status, 201, await answer.text());
  }

  function pass(days: number): void {
    shiftClock(days * dayMs);
    shiftedMs += days * dayMs;
  }

  async function inProject(
    [program = "", ...args]: readonly string[],
    environment: Readonly<Record<string, string>>,
    files: Readonly<Record<string, string>> = {},
  ): Promise<Ran> {
    const cwd = join(folder, `project-${(runs += 1)}`);
    await mkdir(cwd);
    for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text);
    const env = { ...plainEnvironment, PATH: machinePath, HOME: cwd, ...environment };
    const { code, stdout, stderr } = await run(program, args, { cwd, env, timeoutMs: 120_000 });
    return { code, out: stdout + stderr, cwd };
  }

  async function npm(args: readonly string[], files?: Readonly<Record<string, string>>): Promise<Ran> {
    const environment = { npm_config_registry: `${site.base("npm")}/`, npm_config_audit: "false" };
    return await inProject(["npm", ...args], environment, files);
  }

  async function pip(...wanted: readonly string[]): Promise<Ran> {
    const environment = { PIP_INDEX_URL: `${site.base("pypi")}/simple/`, PIP_NO_CACHE_DIR: "1", PIP_RETRIES: "0" };
    return await inProject([python!, "-m", "pip", "install", "--target", "here", ...wanted], environment);
  }

  function needs(isHere: boolean, what: string, context: TestContext): boolean {
    if (!isHere) context.skip(`missing: ${what}`);
    return isHere;
  }

  function offerLibrary(name: string): void {
    const versions = ["1.0.0", "1.1.0", "1.2.0"].map((version) => {
      const bytes = npmTarball(name, version);
      return { version, bytes, promised: bytes };
    });
    offerNpm(upstream, name, ...versions);
  }

  function offerProject(name: string): void {
    const versions = ["1.0", "1.1", "1.2"].map((version) => {
      const bytes = wheel(name, version);
      return { version, bytes, promised: bytes };
    });
    offerWheels(upstream, name, ...versions);
  }

  async function installedBy({ cwd }: Ran, name: string): Promise<string> {
    const text = await readFile(join(cwd, "node_modules", name, "package.json"), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  }

  test("npm: a vulnerable version is refused with its advisory, a range falls to one that is fit", async (context) => {
    if (!needs(hasNpm, "npm", context)) return;
    offerLibrary("frail");
    await choose({ mode: "enforce", maximumSeverity: "medium" });
    const early = await npm(["install", "frail"]);
    assert.equal(await installedBy(early, "frail"), "1.2.0", early.out);
    const lock = await readFile(join(early.cwd, "package-lock.json"), "utf8");
    const manifest = await readFile(join(early.cwd, "package.json"), "utf8");

    await load({ id: "GHSA-1", ecosystem: "npm", name: "frail", versions: ["1.1.0", "1.3.0"], summary: "Code runs" });
    const any = await npm(["install", "frail@^1.0.0"]);
    assert.equal(await installedBy(any, "frail"), "1.0.0", any.out);
    const exact = await npm(["install", "frail@1.2.0"]);
    assert.notEqual(exact.code, 0);
    assert.match(exact.out, /frail 1\.2\.0 has a known critical vulnerability \(GHSA-1\): Code runs/);
    // The file is here since before, and the lock file needs no index.
    const locked = await npm(["ci"], { "package.json": manifest, "package-lock.json": lock });
    assert.notEqual(locked.code, 0);
    assert.match(locked.out, /403 Forbidden.*known critical vulnerability \(GHSA-1\)/);

    await allow("pkg:npm/frail@1.2.0", 3);
    const excepted = await npm(["install", "frail"]);
    assert.equal(await installedBy(excepted, "frail"), "1.2.0", excepted.out);
    pass(4);
    const expired = await npm(["install", "frail"]);
    assert.equal(await installedBy(expired, "frail"), "1.0.0", expired.out);
    assert.match((await npm(["install", "frail@1.2.0"])).out, /\(GHSA-1\)/);
  });

  test("npm: what is malicious is counted in a dry run and refused when it is enforced", async (context) => {
    if (!needs(hasNpm, "npm", context)) return;
    offerLibrary("stealer");
    await load({ id: "MAL-2026-7", ecosystem: "npm", name: "stealer", versions: ["0", "9"], summary: "Sends tokens" });
    await choose({ mode: "audit" });
    const counted = await npm(["install", "stealer"]);
    assert.equal(await installedBy(counted, "stealer"), "1.2.0", counted.out);
    const { rules } = site.server.factory.mirrorCare;
    const findings = (await rules.findings({ repository: "npm", limit: 10 })).filter(({ name }) => name === "stealer");
    assert.deepEqual(
      findings.map(({ version, rule, mode }) => [version, rule, mode]),
      [["1.2.0", "malicious", "audit"]],
    );
    await choose({ mode: "enforce" });
    const refused = await npm(["install", "stealer"]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.out, /stealer 1\.2\.0 is known to be malicious \(MAL-2026-7\): Sends tokens/);
    const pnpm = await obtainNodeProgram({ name: "pnpm", version: "10.12.1", path: "bin/pnpm.cjs" });
    if ("reason" in pnpm) return context.diagnostic(pnpm.reason);
    const file = `${site.base("npm")}/stealer/-/stealer-1.2.0.tgz`;
    const environment = { npm_config_registry: `${site.base("npm")}/`, npm_config_fetch_retries: "0" };
    const direct = await inProject([process.execPath, pnpm.path, "add", file], environment);
    assert.notEqual(direct.code, 0);
    assert.match(direct.out, /FETCH_403.*Forbidden \(stealer 1\.2\.0 is known to be malicious/);
  });

  test("pip: a vulnerable version is refused with its advisory, a range falls to one that is fit", async (context) => {
    if (!needs(python !== undefined, "python3 with pip", context)) return;
    offerProject("frail-lib");
    // Names of advisories are not always in the form that indexes use.
    await load({ id: "PYSEC-1", ecosystem: "PyPI", name: "Frail.Lib", versions: ["1.1", "2"], summary: "Code runs" });
    await choose({ mode: "enforce", maximumSeverity: "medium" });
    const range = await pip("frail-lib>=1.0,<2");
    assert.match(range.out, /Successfully installed frail-lib-1\.0/);
    const exact = await pip("frail-lib==1.2");
    assert.notEqual(exact.code, 0);
    assert.match(
      exact.out,
      /403 Client Error: frail-lib 1\.2 has a known critical vulnerability \(PYSEC-1\): Code runs/,
    );
    await allow("pkg:pypi/Frail_Lib@1.2", 3);
    assert.match((await pip("frail-lib")).out, /Successfully installed frail-lib-1\.2/);
    pass(4);
    assert.match((await pip("frail-lib")).out, /Successfully installed frail-lib-1\.0/);
  });

  test("pip: what nobody rated has a rule of its own, and a block holds however the name is written", async (context) => {
    if (!needs(python !== undefined, "python3 with pip", context)) return;
    offerProject("unrated");
    const flaw = { ecosystem: "PyPI", name: "unrated", versions: ["1.2", "2"], summary: "Reads files" } as const;
    await load({ id: "PYSEC-2", isRated: false, ...flaw });
    await choose({ mode: "enforce", maximumSeverity: "low" });
    assert.match((await pip("unrated")).out, /Successfully installed unrated-1\.2/);
    await choose({ unknownSeverity: "withhold" });
    assert.match((await pip("unrated==1.2")).out, /unrated 1\.2 has a known vulnerability \(PYSEC-2\): Reads files/);
    await choose({ blocked: [{ name: "UnRated", versions: "<1.2", reason: "we have moved on" }] });
    assert.match((await pip("unrated==1.0")).out, /unrated 1\.0 is blocked here: we have moved on/);
  });

  test("a dry run knows of an import at once", async () => {
    const check = async (): Promise<number> => {
      const [answer] = await site.server.factory.mirrorCare.check(["pkg:npm/fresh@1.0.0"], "npm");
      return answer!.checks[0]!.withheld.length;
    };
    assert.equal(await check(), 0);
    await load({ id: "MAL-2026-8", ecosystem: "npm", name: "fresh", versions: ["0", "9"], summary: "Sends tokens" });
    assert.equal(await check(), 1);
  });
});
