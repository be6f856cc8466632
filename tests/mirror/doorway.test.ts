import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { gzipSync } from "node:zlib";
import { runProgram } from "../../src/cli/program.ts";
import { tarBytes } from "../fixtures/tar-bytes.ts";
import { runServer } from "../registry/running-server.ts";
import { runMirror, type RunningMirror } from "./running-mirror.ts";

const dayMs = 24 * 60 * 60 * 1000;
const token = "npm_s3cretT0ken";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `mintmark mirror …` in this process, with a home of its own. */
async function mirror(
  place: { readonly dataDir: string; readonly home: string },
  ...args: readonly string[]
): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram({
    args: ["mirror", ...args, "--data", place.dataDir],
    environment: { MINTMARK_LOG_LEVEL: "silent", HOME: place.home },
    stdout: { write: (text: string) => out.push(text) > 0 },
    stderr: { write: (text: string) => err.push(text) > 0 },
    stopped: new AbortController().signal,
    version: "0.0.0",
  });
  return { code, out: out.join(""), err: err.join("") };
}

const plainPath = { ...plainEnvironment, PATH: process.env["PATH"] ?? plainEnvironment["PATH"]! };

const tarball = (version: string): Buffer => Buffer.from(`the bytes of ${version}`);

/** What npm can install. */
function realTarball(version: string): Buffer {
  const manifest = JSON.stringify({ name: "left-pad", version, main: "index.js" });
  const index = `module.exports = "${version}";\n`;
  return gzipSync(
    tarBytes([
      { path: "package/package.json", content: manifest },
      { path: "package/index.js", content: index },
    ]),
  );
}

/** A registry under a Nexus path that wants a token: one old version, one of yesterday. */
async function startNexus(
  asked: string[],
  bytesOf: (version: string) => Buffer,
): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    if (path === "/service/rest/v1/repositories")
      return void response.end(JSON.stringify([{ name: "npm-all", format: "npm", type: "group" }]));
    if (request.headers.authorization !== `Bearer ${token}`) return void response.writeHead(401).end();
    const base = `http://${request.headers.host}/repository/npm-all`;
    const version = /left-pad-(\d\.\d\.\d)\.tgz$/.exec(path)?.[1];
    if (version !== undefined) return void response.end(bytesOf(version));
    if (!path.endsWith("/left-pad")) return void response.writeHead(404).end();
    const versions = Object.fromEntries(
      ["1.0.0", "1.1.0"].map((one) => {
        const integrity = `sha512-${createHash("sha512").update(bytesOf(one)).digest("base64")}`;
        const dist = { tarball: `${base}/left-pad/-/left-pad-${one}.tgz`, integrity };
        return [one, { name: "left-pad", version: one, dist }];
      }),
    );
    const time = { "1.0.0": new Date(Date.now() - 400 * dayMs), "1.1.0": new Date(Date.now() - dayMs) };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ name: "left-pad", "dist-tags": { latest: "1.1.0" }, versions, time }));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

interface Site {
  readonly running: RunningMirror;
  readonly place: { readonly dataDir: string; readonly home: string };
  readonly folder: string;
  readonly nexus: string;
  readonly asked: string[];
}

async function openSite(context: TestContext, bytesOf = tarball): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-doorway-"));
  const home = join(folder, "home");
  await mkdir(home);
  const asked: string[] = [];
  const { server, url } = await startNexus(asked, bytesOf);
  const running = await runMirror([]);
  context.after(async () => {
    await running.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { running, place: { dataDir: running.dataDir, home }, folder, nexus: url, asked };
}

async function createNpm({ nexus, folder, place }: Site): Promise<void> {
  const secret = join(folder, "secret");
  await writeFile(secret, `:${token}\n`);
  const upstream = `${nexus}/repository/npm-all/`;
  const made = await mirror(
    place,
    "create",
    "npm",
    "--format",
    "npm",
    "--upstream",
    upstream,
    "--credentials-file",
    secret,
    "--public",
  );
  assert.equal(made.code, 0, made.err);
}

test("detect finds what a project's npm uses, names the Nexus, and makes a repository that can sign in there", async (context) => {
  const site = await openSite(context);
  const { place, nexus, folder, running } = site;
  const project = join(folder, "project");
  await mkdir(project);
  const host = nexus.replace("http:", "");
  await writeFile(
    join(project, ".npmrc"),
    `registry=${nexus}/repository/npm-all/\n${host}/repository/npm-all/:_authToken=${token}\n`,
  );
  const shown = await mirror(place, "detect", "--folder", project);
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /npm +http:\/\/127\.0\.0\.1:\d+\/repository\/npm-all\/ +present +.*nexus npm-all/);
  assert.match(shown.out, /nexus at .*: lists 1 repository/);
  const applied = await mirror(place, "detect", "--folder", project, "--apply", "--json");
  assert.equal(applied.code, 0, applied.err);
  for (const { out } of [shown, applied]) assert.ok(!out.includes(token), "credentials are never printed");
  const { applied: states } = JSON.parse(applied.out) as { applied: { name: string; state: string }[] };
  assert.deepEqual(
    states.find(({ name }) => name === "npm"),
    { name: "npm", state: "created" },
  );
  const again = await mirror(place, "detect", "--folder", project, "--apply", "--json");
  assert.ok(
    (JSON.parse(again.out) as typeof applied & { applied: { state: string }[] }).applied.every(
      ({ state }) => state === "there",
    ),
  );
  const answer = await fetch(`${running.base("npm")}/left-pad/-/left-pad-1.0.0.tgz`, {
    headers: { authorization: running.administrator },
  });
  assert.equal(await answer.text(), "the bytes of 1.0.0");
});

test("config prints, installs and takes back; the page tells the same, under a strict policy", async (context) => {
  const site = await openSite(context);
  const { place, running } = site;
  assert.equal((await mirror(place, "config", "npm")).code, 1);
  await createNpm(site);
  const npmrc = join(place.home, ".npmrc");
  await writeFile(npmrc, "save-exact=true\n");
  const printed = await mirror(place, "config", "npm");
  assert.match(printed.out, new RegExp(`registry=${running.base("npm")}/`));
  assert.match(printed.out, /export npm_config_registry=/);
  const installed = await mirror(place, "config", "npm", "--install");
  assert.equal(installed.code, 0, installed.err);
  assert.equal(await readFile(npmrc, "utf8"), `save-exact=true\nregistry=${running.base("npm")}/\n`);
  assert.match((await mirror(place, "config", "npm", "--install")).out, /as wanted/);
  assert.match((await mirror(place, "config", "npm", "--undo")).out, /put back/);
  assert.equal(await readFile(npmrc, "utf8"), "save-exact=true\n");

  const page = await fetch(`${running.url}/mirror`);
  const html = await page.text();
  assert.equal(page.status, 200);
  assert.match(
    page.headers.get("content-security-policy")!,
    /^default-src 'none'; style-src 'sha256-[^']+'; img-src data:; /,
  );
  assert.ok(html.includes(`${running.base("npm")}</code>`));
  assert.ok(html.includes("mintmark mirror config npm --install"));
  assert.ok(
    !html.includes(token) &&
      !/<script|style=|https?:\/\/(?!127\.0\.0\.1|www\.w3\.org)/.test(html.replace(/<pre>[^]*?<\/pre>/g, "")),
  );
  for (const [method, path] of [
    ["POST", ""],
    ["DELETE", "/npm"],
    ["POST", "/-/detection"],
    ["POST", "/-/rules/*"],
  ] as const) {
    const body = method === "POST" ? { body: "{}", headers: { "content-type": "application/json" } } : {};
    assert.equal((await fetch(`${running.url}/api/v1/mirrors${path}`, { method, ...body })).status, 401, path);
  }
  const shown = JSON.parse((await mirror(place, "show", "npm", "--json")).out) as {
    health: { state: string };
    upstream: string;
  };
  assert.equal(shown.health.state, "well");
  assert.ok(!shown.upstream.includes("@"));
});

test("rules: counted first, then kept back with a reason, let through by a dated exception; a dry run says all that", async (context) => {
  const site = await openSite(context);
  const { place, running } = site;
  await createNpm(site);
  const young = `${running.base("npm")}/left-pad/-/left-pad-1.1.0.tgz`;
  assert.equal((await fetch(young)).status, 200);
  const findings = await mirror(place, "policy", "findings");
  assert.match(findings.out, /left-pad 1\.1\.0 +given out +1 +left-pad 1\.1\.0 was published at/);
  assert.equal((await mirror(place, "policy", "set", "--mode", "enforce")).code, 0);
  const ageless = await mirror(place, "policy", "set", "--minimum-age", "three");
  assert.deepEqual([ageless.code, /no number of days/.test(ageless.out + ageless.err)], [2, true]);
  const refused = await fetch(young);
  assert.equal(refused.status, 403);
  assert.match(await refused.text(), /held back until they are 3 days old/);
  const packument = (await (await fetch(`${running.base("npm")}/left-pad`)).json()) as {
    "dist-tags": { latest: string };
  };
  assert.equal(packument["dist-tags"].latest, "1.0.0");
  const check = await mirror(place, "policy", "check", "pkg:npm/left-pad");
  assert.equal(check.code, 4);
  assert.match(check.out, /kept back\n {2}left-pad 1\.1\.0 was published/);
  const allowed = await mirror(
    place,
    "policy",
    "allow",
    "pkg:npm/left-pad@1.1.0",
    "--until",
    "1d",
    "--reason",
    "hotfix",
  );
  assert.equal(allowed.code, 0, allowed.err);
  assert.equal((await fetch(young)).status, 200);
  assert.equal((await mirror(place, "policy", "check", "pkg:npm/left-pad@1.1.0")).code, 0);
  assert.equal((await mirror(place, "policy", "block", "left-*", "--reason", "typosquatting")).code, 0);
  const old = await fetch(`${running.base("npm")}/left-pad/-/left-pad-1.0.0.tgz`);
  assert.equal(old.status, 403);
  assert.match(await old.text(), /is blocked here: typosquatting/);
  const whole = `${running.base("npm")}/left-pad`;
  assert.equal((await fetch(whole)).status, 200, "one version of it is let through");
  const exception = /\((\S+)\)\s*$/.exec(allowed.out)?.[1] ?? "";
  assert.equal((await mirror(place, "policy", "end", exception)).code, 0);
  assert.equal((await fetch(whole)).status, 403);
  assert.match((await mirror(place, "policy", "findings")).out, /left-pad \* +refused +1 +left-pad is blocked here/);
  assert.equal((await mirror(place, "policy", "unblock", "left-*")).code, 0);
  assert.equal((await mirror(place, "policy", "set", "--repository", "npm", "--mode", "off")).code, 0);
  assert.equal((await fetch(`${running.base("npm")}/left-pad/-/left-pad-1.0.0.tgz`)).status, 200);
});

test("prefetch brings what a lock names, an archive carries it over an air gap, and cleaning frees the disk", async (context) => {
  const site = await openSite(context);
  const { place, running, folder, asked } = site;
  await createNpm(site);
  const lock = join(folder, "package-lock.json");
  const packages = {
    "": {},
    "node_modules/left-pad": { version: "1.0.0" },
    "node_modules/gone": { version: "9.9.9" },
  };
  await writeFile(lock, JSON.stringify({ lockfileVersion: 3, packages }));
  const fetched = await mirror(place, "prefetch", lock);
  assert.equal(fetched.code, 7);
  assert.match(fetched.out, /failed: gone 9\.9\.9: /);
  const before = asked.length;
  assert.equal((await fetch(`${running.base("npm")}/left-pad/-/left-pad-1.0.0.tgz`)).status, 200);
  assert.equal(asked.length, before, "what was prefetched is asked of nobody");

  const file = join(folder, "packages.tar.zst");
  const exported = await mirror(place, "export", "npm", "-o", file);
  assert.equal(exported.code, 0, exported.err);
  assert.ok(!(await readFile(file)).includes(token));
  const far = { dataDir: join(folder, "far"), home: place.home };
  const imported = await mirror(far, "import", file);
  assert.equal(imported.code, 0, imported.err);
  assert.match(imported.out, /npm +\d+ +made/);
  const server = await runServer(far.dataDir);
  try {
    const answer = await fetch(`${server.url}/mirror/npm/left-pad/-/left-pad-1.0.0.tgz`);
    assert.equal(await answer.text(), "the bytes of 1.0.0");
    const page = (await (await fetch(`${server.url}/mirror/npm/left-pad`)).json()) as { versions: object };
    assert.ok("1.0.0" in page.versions);
    assert.match((await mirror(far, "show", "npm")).out, /offline/);
  } finally {
    await server.close();
  }
  const spoiled = await readFile(file);
  spoiled[spoiled.length - 20]! ^= 1;
  const bad = join(folder, "bad.tar.zst");
  await writeFile(bad, spoiled);
  assert.equal((await mirror({ ...far, dataDir: join(folder, "third") }, "import", bad)).code, 3);

  const sizeOf = async (): Promise<number> =>
    (JSON.parse((await mirror(place, "list", "--json")).out) as { mirrors: { usage: { sizeBytes: number } }[] })
      .mirrors[0]!.usage.sizeBytes;
  assert.ok((await sizeOf()) > 0);
  const plan = await mirror(place, "clean", "--unused", "0", "--dry-run");
  assert.match(plan.out, /would free .* entries/);
  assert.ok((await sizeOf()) > 0);
  const cleaned = await mirror(place, "clean", "--unused", "0", "--json");
  assert.equal(cleaned.code, 0, cleaned.err);
  assert.ok((JSON.parse(cleaned.out) as { freedBytes: number }).freedBytes > 0);
  assert.equal(await sizeOf(), 0);
  assert.ok((await stat(file)).size > 0);
});

test("hostile archives change nothing: cut off, altered, under another path, or none at all", async (context) => {
  const site = await openSite(context);
  const { place, running, folder } = site;
  await createNpm(site);
  assert.equal((await fetch(`${running.base("npm")}/left-pad/-/left-pad-1.0.0.tgz`)).status, 200);
  const file = join(folder, "packages.tar");
  assert.equal((await mirror(place, "export", "npm", "-o", file)).code, 0);
  const good = await readFile(file);
  const at = good.indexOf("the bytes of 1.0.0");
  const header = at - 512;
  assert.match(good.subarray(header, header + 100).toString(), /^blobs\/sha256\//);
  const altered = Buffer.from(good);
  altered[at]! ^= 1;
  const hostile: readonly (readonly [string, Buffer])[] = [
    ["cut off within a blob", good.subarray(0, at + 4)],
    ["cut off before its last blob", good.subarray(0, header)],
    ["an altered blob", altered],
    ["a path out of the folder", renamed(good, header, "../../../evil")],
    ["an absolute path", renamed(good, header, "/tmp/evil")],
    ["a blob under another name", renamed(good, header, `blobs/sha256/${"0".repeat(64)}`)],
    ["no archive", Buffer.from("hello")],
  ];
  const far = { dataDir: join(folder, "far"), home: place.home };
  const server = await runServer(far.dataDir, { MINTMARK_MIRROR_DETECT: "false" });
  context.after(async () => await server.close());
  for (const [name, bytes] of hostile) {
    const bad = join(folder, `${name.replaceAll(" ", "-")}.tar`);
    await writeFile(bad, bytes);
    const taken = await mirror(far, "import", bad);
    assert.notEqual(taken.code, 0, `${name}: ${taken.out}`);
    assert.match(taken.err, /Cannot|is not/, name);
    const { mirrors } = JSON.parse((await mirror(far, "list", "--json")).out) as { mirrors: readonly unknown[] };
    assert.deepEqual(mirrors, [], name);
  }
  assert.equal((await mirror(far, "import", file)).code, 0);
});

/** The archive with the entry whose header is at an offset under another name. */
function renamed(archive: Buffer, header: number, name: string): Buffer {
  const bytes = Buffer.from(archive);
  bytes.fill(0, header, header + 100).write(name, header, "latin1");
  bytes.fill(" ", header + 148, header + 156);
  let sum = 0;
  for (const byte of bytes.subarray(header, header + 512)) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, header + 148, "latin1");
  return bytes;
}

test("npm installs offline on the other side of an air gap", async (context) => {
  const version = await run("npm", ["--version"], { env: plainPath }).catch(() => undefined);
  if (version?.code !== 0) return context.skip("missing: npm");
  const site = await openSite(context, realTarball);
  const { place, folder } = site;
  await createNpm(site);
  const lock = join(folder, "package-lock.json");
  const packages = { "": {}, "node_modules/left-pad": { version: "1.0.0" } };
  await writeFile(lock, JSON.stringify({ lockfileVersion: 3, packages }));
  assert.equal((await mirror(place, "prefetch", lock)).code, 0);
  const file = join(folder, "packages.tar.zst");
  assert.equal((await mirror(place, "export", "npm", "-o", file)).code, 0);
  const far = { dataDir: join(folder, "far"), home: place.home };
  assert.equal((await mirror(far, "import", file)).code, 0);
  site.asked.length = 0;
  const server = await runServer(far.dataDir, { MINTMARK_MIRROR_OFFLINE: "true" });
  try {
    assert.equal((await mirror(far, "config", "npm", "--install")).code, 0);
    const project = join(folder, "project");
    await mkdir(project);
    await writeFile(join(project, "package.json"), JSON.stringify({ dependencies: { "left-pad": "1.0.0" } }));
    const env = { ...plainPath, HOME: place.home, npm_config_cache: join(folder, "cache") };
    const installed = await run("npm", ["install", "--ignore-scripts"], { cwd: project, env, timeoutMs: 120_000 });
    assert.equal(installed.code, 0, installed.stdout + installed.stderr);
    assert.match(await readFile(join(project, "node_modules", "left-pad", "index.js"), "utf8"), /1\.0\.0/);
    assert.deepEqual(site.asked, []);
  } finally {
    await server.close();
  }
});
