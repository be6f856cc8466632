import { mkdir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { plainEnvironment, run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";
import { writeFileAtomic } from "../../base/files.ts";
import { sha256Hex } from "../../base/hash.ts";
import { canonicalJson } from "../../base/json.ts";
import type { Distribution } from "../../model/package.ts";
import type { AptSource } from "./sources.ts";

/** An apt that knows only our sources and an empty system; nothing of the machine's own apt is read or changed. */
export interface PrivateRoot {
  readonly folder: string;
  /** Key ring file of each source, in order. */
  readonly keyRings: readonly string[];
  readonly sources: readonly AptSource[];
  apt(
    program: "apt-get" | "apt-cache",
    args: readonly string[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
}

interface RootOptions {
  /** Folder under which the roots live; lists are kept there between runs. */
  readonly cacheFolder: string;
  readonly distribution: Distribution;
  readonly architecture: string;
  readonly sources: readonly AptSource[];
}

/** Lays out a private root, or opens it again: its name is the hash of what it is made from. */
export async function openPrivateRoot({
  cacheFolder,
  distribution,
  architecture,
  sources,
}: RootOptions): Promise<PrivateRoot> {
  const identity = sha256Hex(canonicalJson({ sources, architecture })).slice(0, 16);
  const folder = join(cacheFolder, `${distribution.id}-${distribution.codename}-${architecture}-${identity}`);
  for (const part of [
    "etc/preferences.d",
    "etc/sources.list.d",
    "etc/keys",
    "state/lists/partial",
    "cache/archives/partial",
  ])
    await mkdir(join(folder, part), { recursive: true });
  const keyRings: string[] = [];
  for (const [at, source] of sources.entries())
    keyRings.push(await keyRingOf(source, join(folder, "etc/keys", `${at}.gpg`), distribution));
  // Another build may read them this moment: what is there is only ever replaced whole.
  await writeFileAtomic(join(folder, "status"), "");
  await writeFileAtomic(join(folder, "etc/sources.list"), "");
  await writeFileAtomic(
    join(folder, "etc/sources.list.d/archive.sources"),
    sources.map((source, at) => sourceParagraph(source, keyRings[at]!)).join("\n"),
  );
  const configuration = join(folder, "apt.conf");
  await writeFileAtomic(configuration, aptConfiguration(folder, architecture));
  return {
    folder,
    keyRings,
    sources,
    apt: (program, args, options) =>
      run(program, args, { ...options, env: { ...plainEnvironment, APT_CONFIG: configuration, HOME: folder } }),
  };
}

/** The work that came last to each root. */
const last = new Map<string, Promise<unknown>>();

/** Runs work on the lists of a root once what came before has ended: they are not read while they are updated. */
export async function inTurn<T>({ folder }: PrivateRoot, work: () => Promise<T>): Promise<T> {
  const own = (last.get(folder) ?? Promise.resolve()).then(work, work);
  last.set(folder, own);
  try {
    return await own;
  } finally {
    if (last.get(folder) === own) last.delete(folder);
  }
}

/** The key ring of a source as a binary file: apt takes both forms, gpgv only this one. */
async function keyRingOf(source: AptSource, path: string, distribution: Distribution): Promise<string> {
  const given = source.signedBy.includes("BEGIN PGP") ? source.signedBy : await readKeyRing(source, distribution);
  await writeFileAtomic(path, typeof given === "string" ? dearmour(given) : given);
  return path;
}

async function readKeyRing(source: AptSource, distribution: Distribution): Promise<Buffer | string> {
  const named = source.signedBy.startsWith("/")
    ? source.signedBy.split(",")[0]!
    : await sharedKeyRing(source, distribution);
  const bytes = await readFile(named).catch((cause: unknown) => {
    throw new Failure(
      "index_untrusted",
      `Cannot verify the suite "${source.suite}": the key ring "${named}" cannot be read`,
      { cause },
    );
  });
  return bytes.includes("-----BEGIN PGP") ? bytes.toString("latin1") : bytes;
}

async function sharedKeyRing(source: AptSource, distribution: Distribution): Promise<string> {
  const shared = `${distribution.id}-archive-keyring`;
  const names = await readdir("/usr/share/keyrings").catch(() => []);
  const name = names.find((candidate) => candidate === `${shared}.gpg` || candidate === `${shared}.pgp`);
  if (name !== undefined) return join("/usr/share/keyrings", name);
  throw new Failure("index_untrusted", `Cannot verify the suite "${source.suite}": no key ring is named for it`, {
    hint: `Install the package ${shared}, or set signedBy in upstreams.apt`,
  });
}

/** The bytes of armoured keys, one block after another. Source: RFC 9580 section 6.2. */
function dearmour(text: string): Buffer {
  const blocks = [
    ...text.matchAll(/-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+: [^\r\n]*\r?\n)*\r?\n([\s\S]*?)-----END/g),
  ];
  return Buffer.concat(
    blocks.map(([, body]) =>
      Buffer.from(
        body!
          .split(/\r?\n/)
          .filter((line) => !line.startsWith("="))
          .join(""),
        "base64",
      ),
    ),
  );
}

function sourceParagraph({ uri, suite, components }: AptSource, keyRing: string): string {
  return `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: ${components.join(" ")}\nSigned-By: ${keyRing}\n`;
}

/** Source: apt.conf(5). The sandbox user is switched off because it could not read a folder of ours. */
function aptConfiguration(folder: string, architecture: string): string {
  return `Dir "/";
Dir::Etc "${folder}/etc/";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::State "${folder}/state/";
Dir::State::status "${folder}/status";
Dir::Cache "${folder}/cache/";
Dir::Log "${folder}";
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::Always-Include-Phased-Updates "true";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::GzipIndexes "false";
Acquire::ForceHash "SHA256";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
`;
}

/**
 * Brings the signed lists up to date.
 *
 * @throws Failure `index_untrusted` on a missing, wrong or expired signature or a hash that differs,
 *   `upstream_unreachable` where the archive does not answer
 */
export async function updateLists(root: PrivateRoot, signal?: AbortSignal): Promise<void> {
  const { code, stdout, stderr } = await root.apt("apt-get", ["update"], signal === undefined ? {} : { signal });
  const output = `${stdout}\n${stderr}`;
  const complaint = output.split("\n").filter((line) => /^(?:E|W|Err)/.test(line));
  if (code === 0 && !complaint.some((line) => line.startsWith("E"))) return;
  const text = complaint.join("\n");
  if (
    /NO_PUBKEY|(?:not|longer) signed|BADSIG|EXPKEYSIG|REVKEYSIG|invalid signature|couldn't be verified|Hash Sum|unexpected size|expired|not valid (?:yet|until)|GPG error|weak|Clearsigned|Sub-process|malformed|Bad header data/i.test(
      text,
    )
  )
    throw new Failure("index_untrusted", `Cannot trust the package index: ${firstLine(complaint)}`, {
      hint: "Nothing was taken from it. Check the clock, the key ring and the mirror, then try again",
      details: { output: text },
    });
  throw new Failure("upstream_unreachable", `Cannot fetch the package index: ${firstLine(complaint)}`, {
    hint: "Check the network, or build from what is already locked and fetched with --locked",
    details: { output: text },
  });
}

function firstLine(lines: readonly string[]): string {
  return (lines.find((line) => line.startsWith("E")) ?? lines[0] ?? "apt-get update failed").replace(
    /^(?:Err|E|W):?\d*\s*/,
    "",
  );
}
