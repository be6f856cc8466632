import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf, systemCodeOf } from "../../src/base/errors.ts";
import { plainEnvironment, run } from "../../src/base/child.ts";

/** A Debian release whose programs the tests use. */
export type Suite = "trixie" | "sid";

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Client programs of one Debian release, unpacked beside the machine's own and run through their own loader. */
export interface Clients {
  readonly suite: Suite;
  /** Package versions by package name. */
  readonly versions: Readonly<Record<string, string>>;
  /** The folder that the packages are unpacked in. */
  readonly root: string;
  /** The command line that starts a program, for one that stays. */
  command(program: string, args: readonly string[]): { readonly program: string; readonly args: readonly string[] };
  /** Runs a program; a non-zero exit is an answer. */
  run(program: string, args: readonly string[], options?: RunOptions): ReturnType<typeof run>;
}

interface ClientsRequest {
  readonly suite?: Suite;
  /** Packages, each named as its program. */
  readonly programs?: readonly string[];
  /** Where the unpacked programs are kept; several test runs may share it. */
  readonly cache?: string;
}

/** Raised when the layout of the cache changes. */
const layoutVersion = 1;

/**
 * Gets the newer client programs that the interoperability tests need.
 *
 * The first call asks the machine's own apt where its Debian mirror is, resolves the packages and their
 * libraries on a private apt root, and unpacks them; later calls only look into the cache. Nothing is
 * installed. Where that cannot work (no Debian mirror, no network) the answer is the reason.
 */
export async function obtainClients(request: ClientsRequest = {}): Promise<{ clients: Clients } | { reason: string }> {
  const suite = request.suite ?? "trixie";
  const programs = [...(request.programs ?? ["cosign", "skopeo"])].sort();
  const cache = request.cache ?? defaultCache();
  try {
    const architecture = (await must("dpkg", ["--print-architecture"])).trim();
    const folder = join(cache, `${suite}-${architecture}-${programs.join("-")}-v${layoutVersion}`);
    if (!existsSync(join(folder, "versions.json"))) await fill({ cache, folder, suite, architecture, programs });
    return { clients: await openClients(folder, suite) };
  } catch (error) {
    return { reason: `cannot get ${programs.join(", ")} of Debian ${suite}: ${messageOf(error)}` };
  }
}

/** Fills the cache aside and moves it into place whole, so that a stopped or a second run does no harm. */
async function fill(plan: {
  cache: string;
  folder: string;
  suite: Suite;
  architecture: string;
  programs: readonly string[];
}): Promise<void> {
  await mkdir(plan.cache, { recursive: true });
  const work = await mkdtemp(join(plan.cache, ".filling-"));
  try {
    const mirror = await findMirror();
    const configuration = await writeAptRoot(work, { ...plan, mirror, keyring: await machineKeyring() });
    try {
      await update(configuration);
    } catch (error) {
      if (!messageOf(error).includes("NO_PUBKEY")) throw error;
      await writeAptRoot(work, { ...plan, mirror, keyring: await newestKeyring(work) });
      await update(configuration);
    }
    await must("apt-get", ["install", "--yes", "--download-only", ...plan.programs], aptEnvironment(configuration));
    const versions = await unpack(join(work, "var/cache/apt/archives"), join(work, "root"));
    await rm(join(work, "var"), { recursive: true, force: true });
    await writeFile(join(work, "versions.json"), JSON.stringify(versions));
    await chmod(work, 0o755);
    await rename(work, plan.folder).catch((error: unknown) => {
      if (!["ENOTEMPTY", "EEXIST"].includes(systemCodeOf(error) ?? "")) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function openClients(folder: string, suite: Suite): Promise<Clients> {
  const versions = JSON.parse(await readFile(join(folder, "versions.json"), "utf8")) as Record<string, string>;
  const libraries = join(folder, "root/usr/lib");
  const triplet = (await readdir(libraries)).find((name) => /-linux-gnu\w*$/.test(name));
  if (triplet === undefined) throw new Error("the unpacked packages hold no libraries");
  const libraryFolder = join(libraries, triplet);
  const loader = (await readdir(libraryFolder)).find((name) => /^ld-linux.*\.so\.\d$/.test(name));
  if (loader === undefined) throw new Error("the unpacked packages hold no loader");
  const command: Clients["command"] = (program, args) => ({
    program: join(libraryFolder, loader),
    args: ["--library-path", libraryFolder, join(folder, "root/usr/bin", program), ...args],
  });
  return {
    suite,
    versions,
    root: join(folder, "root"),
    command,
    run(program, args, options = {}) {
      const { env, ...rest } = options;
      const started = command(program, args);
      return run(started.program, started.args, {
        timeoutMs: 120_000,
        ...rest,
        env: { ...plainEnvironment, ...env },
      });
    },
  };
}

/** The address of the Debian mirror that this machine's apt uses; never written down anywhere else. */
async function findMirror(): Promise<string> {
  const format = "$(REPO_URI)|$(ORIGIN)|$(LABEL)";
  const lines = (await must("apt-get", ["indextargets", "--format", format, "Created-By: Packages"])).split("\n");
  const targets = lines.map((line) => line.split("|"));
  const known = targets.find(([, origin, label]) => origin === "Debian" && label === "Debian");
  // Before the first update apt does not know origins; the archive's customary path is the next best sign.
  const mirror = known?.[0] ?? targets.find(([uri]) => uri !== undefined && /\/debian\/?$/.test(uri))?.[0];
  if (mirror === undefined) throw new Error("the machine's apt sources name no Debian mirror");
  return mirror;
}

async function machineKeyring(): Promise<string> {
  const candidates = ["pgp", "gpg"].map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`);
  const keyring = candidates.find((path) => existsSync(path));
  if (keyring === undefined) throw new Error("the package debian-archive-keyring is not installed");
  return keyring;
}

/** The keyring of the newest debian-archive-keyring that the machine's own release offers. */
async function newestKeyring(work: string): Promise<string> {
  const folder = join(work, "keyring");
  await mkdir(folder, { recursive: true });
  const result = await run("apt-get", ["download", "debian-archive-keyring"], { cwd: folder, timeoutMs: 120_000 });
  const archive = (await readdir(folder)).find((name) => name.endsWith(".deb"));
  if (result.code !== 0 || archive === undefined) throw new Error(`apt-get download: ${lastLine(result.stderr)}`);
  await must("dpkg-deb", ["-x", join(folder, archive), folder]);
  const keyring = ["pgp", "gpg"].map((end) => join(folder, `usr/share/keyrings/debian-archive-keyring.${end}`));
  const found = keyring.find((path) => existsSync(path));
  if (found === undefined) throw new Error("the package debian-archive-keyring holds no keyring");
  return found;
}

/** Writes a whole private apt root and returns the path of its configuration. */
async function writeAptRoot(
  work: string,
  plan: { mirror: string; keyring: string; suite: Suite; architecture: string },
): Promise<string> {
  for (const folder of [
    "etc/apt/preferences.d",
    "var/lib/apt/lists/partial",
    "var/lib/dpkg",
    "var/cache/apt/archives/partial",
    "root",
  ])
    await mkdir(join(work, folder), { recursive: true });
  await writeFile(join(work, "var/lib/dpkg/status"), "");
  const source = [
    "Types: deb",
    `URIs: ${plan.mirror}`,
    `Suites: ${plan.suite}`,
    "Components: main",
    `Signed-By: ${plan.keyring}`,
  ];
  // A mirror may hold an older snapshot of sid than its Release file promises.
  if (plan.suite === "sid") source.push("Check-Valid-Until: no");
  await mkdir(join(work, "etc/apt/sources.list.d"), { recursive: true });
  await writeFile(join(work, "etc/apt/sources.list.d/debian.sources"), `${source.join("\n")}\n`);
  const path = join(work, "etc/apt/private.conf");
  await writeFile(
    path,
    [
      `Dir "${work}";`,
      `Dir::State::status "${join(work, "var/lib/dpkg/status")}";`,
      'Dir::Etc::netrc "/etc/apt/auth.conf";',
      'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
      `APT::Architecture "${plan.architecture}";`,
      `APT::Architectures { "${plan.architecture}"; };`,
      'APT::Install-Recommends "false";',
      'APT::Sandbox::User "";',
      'APT::Update::Error-Mode "any";',
      'Acquire::Languages "none";',
      'Acquire::Retries "3";',
      ...(await machineTransport()),
    ].join("\n"),
  );
  return path;
}

/** The machine's proxies and certificates for apt, which the private root would otherwise not see. */
async function machineTransport(): Promise<string[]> {
  const lines = (await must("apt-config", ["dump", "--format", '%F "%v";%n'])).split("\n");
  return lines.filter((line) => /^Acquire::https?::[\w.:-]+ "[^"]+";$/.test(line));
}

async function update(configuration: string): Promise<void> {
  await must("apt-get", ["update"], aptEnvironment(configuration));
}

function aptEnvironment(configuration: string): Record<string, string> {
  const proxies = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...plainEnvironment,
    ...Object.fromEntries(proxies),
    APT_CONFIG: configuration,
    DEBIAN_FRONTEND: "noninteractive",
  };
}

/** Unpacks every archive and returns package versions by name. */
async function unpack(archives: string, root: string): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const name of (await readdir(archives)).filter((file) => file.endsWith(".deb")).sort()) {
    await must("dpkg-deb", ["-x", join(archives, name), root]);
    const fields = (await must("dpkg-deb", ["-f", join(archives, name), "Package", "Version"])).split("\n");
    const value = (field: string): string | undefined =>
      fields.find((line) => line.startsWith(`${field}: `))?.slice(field.length + 2);
    versions[value("Package") ?? name] = value("Version") ?? "";
  }
  return versions;
}

async function must(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = plainEnvironment,
): Promise<string> {
  const result = await run(program, args, { env, timeoutMs: 300_000 });
  if (result.code === 0) return result.stdout;
  const errors = result.stderr.split("\n").filter((line) => /NO_PUBKEY|^E: /.test(line));
  throw new Error(`${program} ${args[0]}: ${errors.length > 0 ? errors.join("; ") : lastLine(result.stderr)}`);
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

function defaultCache(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mintmark-tests/clients");
}
