import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { cargo as format } from "../../src/mirror/cargo/cargo.ts";
import { type RunningMirror, runMirror } from "./running-mirror.ts";

/** Small crates without dependencies of their own. */
const dependencies = 'itoa = "1"\ncfg-if = "1"\n';

/** Cargo as it is on this machine, against the mirror: proxy, hosted and group. */
describe("cargo and the mirror", { timeout: 180_000 }, () => {
  let folder = "";
  let upstream = "";
  let reason = "";
  let site: RunningMirror;
  let homeCount = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-cargo-"));
    try {
      upstream = await findUpstream(folder);
    } catch (error) {
      reason = `no Cargo registry can be reached: ${String(error).slice(0, 300)}`;
    }
    const proxy = { name: "crates", format: "cargo", kind: "proxy", upstream, isPublic: true } as const;
    site = await runMirror([
      ...(reason === "" ? [proxy] : []),
      { name: "own", format: "cargo", kind: "hosted", isPublic: true },
      {
        name: "all",
        format: "cargo",
        kind: "group",
        members: ["own", ...(reason === "" ? ["crates"] : [])],
        isPublic: true,
      },
    ]);
  });

  after(async () => {
    await site.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs Cargo with a home of its own that is set up for a repository. */
  async function cargo(cwd: string, repository: string, args: readonly string[]) {
    const home = join(folder, `home-${homeCount++}`);
    const [setup] = format.clients({ base: site.base(repository), isSealed: false });
    await mkdir(home, { recursive: true });
    await writeFile(join(home, "config.toml"), setup!.files[0]!.content);
    const env = {
      ...environment(home),
      CARGO_REGISTRIES_MINTMARK_TOKEN: site.administrator,
      CARGO_NET_RETRY: "0",
    };
    const ran = await run("cargo", args, { cwd, env, timeoutMs: 120_000 });
    return { code: ran.code, text: `${ran.stdout}${ran.stderr}` };
  }

  async function must(cwd: string, repository: string, args: readonly string[]): Promise<string> {
    const { code, text } = await cargo(cwd, repository, args);
    assert.equal(code, 0, `cargo ${args.join(" ")}\n${text}`);
    return text;
  }

  async function project(name: string, manifest: string): Promise<string> {
    const place = join(folder, name);
    await mkdir(join(place, "src"), { recursive: true });
    await writeFile(join(place, "src/lib.rs"), "");
    const head = `[package]\nname = "${name}"\nversion = "0.1.0"\nedition = "2021"\ndescription = "A crate of ours"\nlicense = "MIT"\n`;
    await writeFile(join(place, "Cargo.toml"), `${head}${manifest}`);
    return place;
  }

  test("a project is fetched cold, warm and offline, and its lock does not tell of the mirror", async (context) => {
    if (reason !== "") return context.skip(reason);
    const place = await project("fetching", `[dependencies]\n${dependencies}`);
    await must(place, "all", ["fetch"]);
    const lock = await readFile(join(place, "Cargo.lock"), "utf8");
    assert.ok(!lock.includes("127.0.0.1"), lock);
    const before = site.counts();
    assert.ok(before.requests.fetched > 0);
    await must(place, "all", ["fetch", "--locked"]);
    const warm = site.counts();
    assert.equal(warm.upstreamRequests, before.upstreamRequests, "the upstream is not asked again");
    assert.ok(warm.requests.hit > before.requests.hit);
    site = await site.restart({ MINTMARK_MIRROR_OFFLINE: "true" });
    await must(place, "crates", ["fetch", "--locked"]);
    assert.equal(site.counts().upstreamRequests, 0);
    site = await site.restart({});
  });

  test("a crate is published, yanked and fetched back through the group", async () => {
    const crate = await project("acme-probe", "");
    await must(crate, "own", ["publish", "--registry", "mintmark", "--no-verify", "--allow-dirty"]);
    const again = await cargo(crate, "own", ["publish", "--registry", "mintmark", "--no-verify", "--allow-dirty"]);
    assert.notEqual(again.code, 0);
    assert.match(again.text, /already/);

    const user = await project("acme-user", '[dependencies]\nacme-probe = "0.1"\n');
    await must(user, "all", ["fetch"]);
    assert.match(await readFile(join(user, "Cargo.lock"), "utf8"), /name = "acme-probe"/);
    assert.match(
      await must(user, "own", ["search", "--registry", "mintmark", "acme"]),
      /^acme-probe = "0\.1\.0"\s+# A crate of ours/m,
    );

    await must(crate, "own", ["yank", "--registry", "mintmark", "--version", "0.1.0", "acme-probe"]);
    await must(user, "all", ["fetch", "--locked"]);
    await rm(join(user, "Cargo.lock"));
    assert.notEqual((await cargo(user, "all", ["fetch"])).code, 0);
    await must(crate, "own", ["yank", "--undo", "--registry", "mintmark", "--version", "0.1.0", "acme-probe"]);
    await must(user, "all", ["fetch"]);

    const owners = await cargo(crate, "own", ["owner", "--registry", "mintmark", "--list", "acme-probe"]);
    assert.match(owners.text, /Owners of a crate are not kept/);
  });

  test("a repository that is not public is read with a token", async () => {
    // What is in a public group is public itself.
    await site.mirror.change("all", { isPublic: false }, "admin");
    await site.mirror.change("own", { isPublic: false }, "admin");
    const user = await project(
      "acme-private",
      '[dependencies]\nacme-probe = { version = "0.1", registry = "mintmark" }\n',
    );
    await must(user, "own", ["fetch"]);
    await site.mirror.change("own", { isPublic: true }, "admin");
    await site.mirror.change("all", { isPublic: true }, "admin");
  });

  test("a poisoned archive is refused with the reason", async () => {
    const poisoned = await startPoisonedRegistry();
    try {
      const { port } = poisoned.address() as AddressInfo;
      const address = `http://127.0.0.1:${port}/`;
      await site.mirror.create(
        { name: "poisoned", format: "cargo", kind: "proxy", upstream: address, isPublic: true },
        "admin",
      );
      const place = await project("poisoning", '[dependencies]\ndemo = "1"\n');
      const { code, text } = await cargo(place, "poisoned", ["fetch"]);
      assert.notEqual(code, 0);
      assert.match(text, /sha256 [0-9a-f]{64}, but [0-9a-f]{64} was promised/);
      const answer = await fetch(`${site.base("poisoned")}/api/v1/crates/demo/1.0.0/download`);
      assert.equal(answer.status, 502);
      assert.match(await answer.text(), /sha256 [0-9a-f]{64}, but [0-9a-f]{64} was promised/);
    } finally {
      poisoned.closeAllConnections();
      poisoned.close();
    }
  });
});

/** The machine's Rust stays; everything that Cargo writes goes to a home of the test. */
function environment(home: string): Record<string, string> {
  const own = process.env["CARGO_HOME"] ?? join(homedir(), ".cargo");
  return {
    ...plainEnvironment,
    PATH: `${join(own, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    HOME: home,
    CARGO_HOME: home,
    RUSTUP_HOME: process.env["RUSTUP_HOME"] ?? join(homedir(), ".rustup"),
    CARGO_TERM_COLOR: "never",
    ...certificates(),
  };
}

function certificates(): Record<string, string> {
  const names = ["SSL_CERT_FILE", "SSL_CERT_DIR", "CARGO_HTTP_CAINFO", "HTTPS_PROXY", "https_proxy"];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]!]])),
  );
}

/** The registry that this machine's Cargo uses: it names the folder of its index by the host. */
async function findUpstream(folder: string): Promise<string> {
  const home = join(folder, "home-direct");
  const place = join(folder, "direct");
  await mkdir(join(place, "src"), { recursive: true });
  await mkdir(home);
  await writeFile(join(place, "src/lib.rs"), "");
  await writeFile(
    join(place, "Cargo.toml"),
    `[package]\nname = "direct"\nversion = "0.1.0"\n[dependencies]\n${dependencies}`,
  );
  const configuration = join(process.env["CARGO_HOME"] ?? join(homedir(), ".cargo"), "config.toml");
  if (existsSync(configuration)) await copyFile(configuration, join(home, "config.toml"));
  const ran = await run("cargo", ["fetch"], { cwd: place, env: environment(home), timeoutMs: 60_000 });
  if (ran.code !== 0) throw new Error(ran.stderr.trim());
  const [name = ""] = await readdir(join(home, "registry/index"));
  const address = `https://${name.replace(/-[\da-f]{16}$/, "")}/`;
  const answer = await fetch(`${address}config.json`);
  if (!answer.ok) throw new Error(`its index answered ${answer.status}`);
  return address;
}

/** A sparse registry whose archive is not what its index says. */
async function startPoisonedRegistry(): Promise<Server> {
  const checksum = createHash("sha256").update("the true archive").digest("hex");
  const line = { name: "demo", vers: "1.0.0", deps: [], cksum: checksum, features: {}, yanked: false };
  const server = createServer((request, response) => {
    const origin = `http://${request.headers.host}`;
    const answers: Readonly<Record<string, string>> = {
      "/config.json": JSON.stringify({ dl: `${origin}/files/{crate}-{version}.crate` }),
      "/de/mo/demo": `${JSON.stringify(line)}\n`,
      "/files/demo-1.0.0.crate": "another archive",
    };
    const answer = answers[request.url ?? ""];
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
