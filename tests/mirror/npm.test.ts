import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { startUpstream, type TestUpstream } from "../../src/mirror/test-mirror.ts";
import { machinePath, machineRegistry, npmTarball, offerNpm } from "./npm-client.ts";
import { obtainNodeProgram } from "../clients/node-program.ts";
import { startPassingUpstream, type PassingUpstream } from "./passing-upstream.ts";
import { runMirror, type RunningMirror } from "./running-mirror.ts";
import { serveJudged } from "./judged-mirror.ts";

interface OtherClient {
  /** Of the package that carries it. */
  readonly name: string;
  readonly version: string;
  readonly path: string;
  /** As the mirror calls it. */
  readonly client: string;
  readonly lock: string;
}

/** Both lines of yarn, and pnpm. */
const others: readonly OtherClient[] = [
  { name: "yarn", version: "1.22.22", path: "bin/yarn.js", client: "yarn", lock: "yarn.lock" },
  { name: "@yarnpkg/cli-dist", version: "4.9.2", path: "bin/yarn.js", client: "yarn", lock: "yarn.lock" },
  { name: "pnpm", version: "10.12.1", path: "bin/pnpm.cjs", client: "pnpm", lock: "pnpm-lock.yaml" },
];

describe("npm and its mirror", () => {
  let folder = "";
  let far: PassingUpstream;
  let loopback: TestUpstream;
  let site: RunningMirror;
  let missing = "";
  let homes = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-npm-mirror-"));
    const registry = await machineRegistry();
    if (registry === undefined) missing = "missing: npm, or the registry that it uses";
    far = await startPassingUpstream(registry ?? "http://127.0.0.1:9/");
    loopback = await startUpstream();
    site = await runMirror([
      { name: "npm-far", format: "npm", kind: "proxy", upstream: far.url, isPublic: true },
      { name: "npm-near", format: "npm", kind: "proxy", upstream: loopback.url, isPublic: true },
      { name: "npm-ours", format: "npm", kind: "hosted", isPublic: true },
      { name: "npm", format: "npm", kind: "group", members: ["npm-far", "npm-ours"], isPublic: true },
      { name: "npm-mixed", format: "npm", kind: "group", members: ["npm-near", "npm-ours"], isPublic: true },
    ]);
  });

  after(async () => {
    await site.close();
    await loopback.close();
    await far.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs npm in a fresh home and project, with what the mirror's own client settings say. */
  async function npm(
    args: readonly string[],
    options: { base?: string; cwd?: string; npmrc?: readonly string[] } = {},
  ): Promise<{ code: number; out: string; cwd: string }> {
    const home = join(folder, `home-${(homes += 1)}`);
    const cwd = options.cwd ?? join(home, "project");
    await mkdir(join(home, "project"), { recursive: true });
    const base = options.base ?? site.base("npm");
    const setup = site.mirror.formatOf("npm-far")!.clients({ base, isSealed: true })[0]!;
    const npmrc = `${setup.files[0]!.content}${(options.npmrc ?? []).join("\n")}\n`;
    await writeFile(join(home, ".npmrc"), npmrc);
    const env = { ...plainEnvironment, PATH: machinePath, HOME: home, npm_config_cache: join(home, "cache") };
    const ran = await run("npm", args, { cwd, env, timeoutMs: 120_000 });
    return { code: ran.code, out: ran.stdout + ran.stderr, cwd };
  }

  /** Adds a package with another client, in a fresh home with nothing but the files that the mirror gives out for it. */
  async function addExpress(client: OtherClient, context: TestContext): Promise<void> {
    const program = await obtainNodeProgram(client);
    if ("reason" in program) return context.diagnostic(`${client.name}: ${program.reason}`);
    const home = join(folder, `home-${(homes += 1)}`);
    const cwd = join(home, "project");
    await mkdir(cwd, { recursive: true });
    const setups = site.mirror.formatOf("npm-far")!.clients({ base: site.base("npm"), isSealed: false });
    for (const file of setups.find((setup) => setup.client === client.client)!.files)
      await writeFile(join(home, file.path.slice(2)), file.content);
    await writeFile(join(cwd, "package.json"), JSON.stringify({ name: "project", version: "1.0.0", private: true }));
    const env = { ...plainEnvironment, PATH: machinePath, HOME: home };
    const ran = await run(process.execPath, [program.path, "add", "express"], { cwd, env, timeoutMs: 120_000 });
    assert.equal(ran.code, 0, `${client.name}: ${ran.stdout}${ran.stderr}`);
    const lock = await readFile(join(cwd, client.lock), "utf8");
    assert.match(lock, /express/);
    const strangers = [...lock.matchAll(/https?:\/\/[^\s"']+/g)].filter(([url]) => !url.startsWith(site.url));
    assert.deepEqual(strangers, [], "the lock file names nobody else");
  }

  function needsUpstream(context: TestContext): boolean {
    if (missing !== "") context.skip(missing);
    return missing === "";
  }

  /** What npm needs to write: the administrator's name and password. */
  function writer(repository: string): string[] {
    const encoded = site.administrator.split(" ")[1]!;
    return [`${site.base(repository).replace("http:", "")}/:_auth=${encoded}`];
  }

  async function packageFolder(name: string, version: string, more: Record<string, unknown> = {}): Promise<string> {
    const where = await mkdtemp(join(folder, "package-"));
    await writeFile(join(where, "package.json"), JSON.stringify({ name, version, main: "index.js", ...more }));
    await writeFile(join(where, "index.js"), `module.exports = ${JSON.stringify(version)};\n`);
    return where;
  }

  test("npm install express, and the same with yarn and pnpm: cold, warm without an upstream request for files, and with the upstream cut off", async (context) => {
    if (!needsUpstream(context)) return;
    const cold = await npm(["install", "express"]);
    assert.equal(cold.code, 0, cold.out);
    const lock = JSON.parse(await readFile(join(cold.cwd, "package-lock.json"), "utf8")) as {
      packages: Record<string, { resolved?: string; integrity?: string }>;
    };
    const locked = lock.packages["node_modules/express"];
    assert(locked?.resolved?.startsWith(`${site.base("npm")}/express/-/express-`) === true, locked?.resolved);
    assert.match(locked?.integrity ?? "", /^sha512-/);
    const before = site.counts().upstreamRequests;
    const warm = await npm(["install", "express"]);
    assert.equal(warm.code, 0, warm.out);
    assert.equal(site.counts().upstreamRequests, before);
    for (const client of others) await addExpress(client, context);
    far.cut();
    site = await site.restart({ MINTMARK_MIRROR_OFFLINE: "true" });
    const offline = await npm(["install", "express"]);
    assert.equal(offline.code, 0, offline.out);
    for (const client of others) await addExpress(client, context);
    assert.equal(site.counts().upstreamRequests, 0);
    const other = await npm(["install", "left-pad"]);
    assert.notEqual(other.code, 0);
    site = await site.restart({});
  });

  test("what npm publishes is installed through a group, and its name is told to nobody", async () => {
    const hosted = { base: site.base("npm-ours"), npmrc: writer("npm-ours") };
    const first = await packageFolder("@acme/secret", "1.0.0", { description: "ours" });
    const published = await npm(["publish"], { ...hosted, cwd: first });
    assert.equal(published.code, 0, published.out);
    const twice = await npm(["publish"], { ...hosted, cwd: first });
    assert.match(twice.out, /previously published version/);
    const second = await packageFolder("@acme/secret", "2.0.0");
    const beta = await npm(["publish", "--tag", "beta"], { ...hosted, cwd: second });
    assert.equal(beta.code, 0, beta.out);

    const mixed = site.base("npm-mixed");
    const installed = await npm(["install", "@acme/secret"], { base: mixed });
    assert.equal(installed.code, 0, installed.out);
    const manifest = JSON.parse(
      await readFile(join(installed.cwd, "node_modules/@acme/secret/package.json"), "utf8"),
    ) as { version: string };
    assert.equal(manifest.version, "1.0.0");
    const missingVersion = await npm(["install", "@acme/secret@9.0.0"], { base: mixed });
    assert.notEqual(missingVersion.code, 0);
    const found = await npm(["search", "secret", "--json"], { base: mixed });
    assert.match(found.out, /@acme\/secret/);
    const asked = loopback.requests.filter(
      (request) => /acme|secret/.test(request) && !request.includes("/-/v1/search"),
    );
    assert.deepEqual(asked, []);
  });

  test("tags, deprecation and unpublishing with npm itself", async () => {
    const base = site.base("npm-ours");
    const hosted = { base, npmrc: writer("npm-ours") };
    for (const version of ["1.0.0", "1.1.0"]) {
      const cwd = await packageFolder("@acme/changing", version);
      assert.equal((await npm(["publish"], { ...hosted, cwd })).code, 0);
    }
    for (const args of [
      ["dist-tag", "add", "@acme/changing@1.0.0", "stable"],
      ["deprecate", "@acme/changing@1.0.0", "use 1.1.0"],
      ["unpublish", "@acme/changing@1.1.0", "--force"],
    ]) {
      const ran = await npm(args, hosted);
      assert.equal(ran.code, 0, `${args.join(" ")}\n${ran.out}`);
    }
    const seen = JSON.parse((await npm(["view", "@acme/changing", "--json"], { base })).out) as Record<string, unknown>;
    assert.deepEqual(seen["versions"], ["1.0.0"]);
    assert.deepEqual(seen["dist-tags"], { latest: "1.0.0", stable: "1.0.0" });
    assert.equal(seen["deprecated"], "use 1.1.0");
    const gone = await npm(["unpublish", "@acme/changing", "--force"], hosted);
    assert.equal(gone.code, 0, gone.out);
    assert.match((await npm(["install", "@acme/changing"], { base })).out, /E404|404/);
    assert.equal((await npm(["ping"], { base })).code, 0);
    assert.match((await npm(["whoami"], hosted)).out, /admin/);
    const anonymous = await npm(["publish"], { base, cwd: await packageFolder("@acme/other", "1.0.0") });
    assert.notEqual(anonymous.code, 0);
  });

  test("one poisoned byte is refused and not kept", async () => {
    const right = npmTarball("poisoned", "1.0.0");
    const wrong = Buffer.from(right);
    wrong[wrong.length >> 1]! ^= 1;
    offerNpm(loopback, "poisoned", { version: "1.0.0", bytes: wrong, promised: right });
    const base = site.base("npm-near");
    const refused = await npm(["install", "poisoned", "--fetch-retries=0"], { base });
    assert.notEqual(refused.code, 0);
    const answer = await fetch(`${base}/poisoned/-/poisoned-1.0.0.tgz`).then(
      async (response) => ({ status: response.status, text: await response.text() }),
      () => ({ status: 0, text: "" }),
    );
    assert([0, 502].includes(answer.status), String(answer.status));
    offerNpm(loopback, "poisoned", { version: "1.0.0", bytes: right, promised: right });
    const installed = await npm(["install", "poisoned"], { base });
    assert.equal(installed.code, 0, installed.out);
  });

  test("npm audit tells the upstream no name of ours", async () => {
    offerNpm(loopback, "public", {
      version: "1.0.0",
      bytes: npmTarball("public", "1.0.0"),
      promised: npmTarball("public", "1.0.0"),
    });
    const cwd = await packageFolder("@acme/audited", "1.0.0");
    assert.equal((await npm(["publish"], { base: site.base("npm-ours"), npmrc: writer("npm-ours"), cwd })).code, 0);
    const asked: string[] = [];
    loopback.routes.set("/-/npm/v1/security/advisories/bulk", async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      asked.push(Buffer.concat(chunks).toString());
      const advisory = {
        id: 1,
        url: "https://advisory.example/1",
        title: "bad",
        severity: "high",
        vulnerable_versions: "<2",
      };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ public: [advisory] }));
    });
    const base = site.base("npm-mixed");
    const installed = await npm(["install", "public", "@acme/audited"], { base });
    assert.equal(installed.code, 0, installed.out);
    const audited = await npm(["audit"], { base, cwd: installed.cwd });
    assert.match(audited.out, /advisory\.example/);
    assert.deepEqual(asked, ['{"public":["1.0.0"]}']);
    await site.mirror.change("npm-near", { isOffline: true }, "admin");
    const unasked = await npm(["audit"], { base, cwd: installed.cwd });
    assert.notEqual(unasked.code, 0);
    assert.doesNotMatch(unasked.out, /found 0 vulnerabilities/);
    await site.mirror.change("npm-near", { isOffline: false }, "admin");
  });

  test("a withheld version is not installed, and npm prints why", async () => {
    offerNpm(loopback, "withheld", {
      version: "1.0.0",
      bytes: npmTarball("withheld", "1.0.0"),
      promised: npmTarball("withheld", "1.0.0"),
    });
    const judged = await serveJudged(
      { name: "npm", format: "npm", kind: "proxy", upstream: loopback.url, isPublic: true },
      new Map([["1.0.0", "it is younger than 3 days"]]),
    );
    try {
      const exact = await npm(["install", "withheld@1.0.0"], { base: judged.base });
      assert.notEqual(exact.code, 0);
      assert.match(exact.out, /withheld@1\.0\.0 is withheld: it is younger than 3 days/);
      const direct = await npm(["install", `${judged.base}/withheld/-/withheld-1.0.0.tgz`], { base: judged.base });
      assert.notEqual(direct.code, 0);
      assert.match(direct.out, /403 Forbidden.*younger than 3 days/);
    } finally {
      await judged.close();
    }
  });
});
