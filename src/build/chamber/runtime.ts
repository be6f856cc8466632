import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { plainEnvironment, run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";
import type { Distribution } from "../../model/package.ts";
import { openRoom, scriptConfinement, type RoomResult } from "./room.ts";

/** The repairs that a recipe may declare for an image whose packages are only unpacked. */
type Fixup = "passwd" | "certificates" | "ld-cache" | "nsswitch" | "os-release" | "alternatives";

/** What to repair, and for what system. */
export interface RuntimeRepairs {
  readonly fixups: readonly Fixup[];
  readonly distribution: Distribution;
  /** Whether the image's programs are of another architecture than the machine. */
  readonly isForeign: boolean;
}

/**
 * Makes by rule what the maintainer scripts of a `runtime` image would have made, but for the cache of libraries.
 *
 * Each repair leaves alone what is there already.
 */
export function repair(root: string, repairs: RuntimeRepairs): void {
  for (const fixup of repairs.fixups) makers[fixup]?.(root, repairs);
}

type Maker = (root: string, repairs: RuntimeRepairs) => void;

const makers: Readonly<Partial<Record<Fixup, Maker>>> = {
  passwd: makeAccounts,
  certificates: bundleCertificates,
  nsswitch: (root) =>
    writeOnce(
      root,
      "etc/nsswitch.conf",
      "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    ),
  "os-release": describeSystem,
  alternatives: linkAlternatives,
};

/** A link counts: what it leads to is not ours to ask. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function writeOnce(root: string, path: string, text: string): void {
  const target = join(root, path);
  if (isThere(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}

/** The accounts that every Debian system has; a program that looks its own id up must find it. */
function makeAccounts(root: string): void {
  for (const [name, fallback] of [
    ["passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"],
    ["group", "root:x:0:\nnogroup:x:65534:\n"],
  ] as const) {
    const master = join(root, "usr/share/base-passwd", `${name}.master`);
    writeOnce(
      root,
      `etc/${name}`,
      existsSync(master) ? readFileSync(master, "utf8").replaceAll(":*:", ":x:") : fallback,
    );
  }
}

function bundleCertificates(root: string): void {
  const folder = join(root, "usr/share/ca-certificates/mozilla");
  if (!existsSync(folder)) return;
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".crt"))
    .sort();
  writeOnce(
    root,
    "etc/ssl/certs/ca-certificates.crt",
    names.map((name) => `${readFileSync(join(folder, name), "utf8").trimEnd()}\n`).join(""),
  );
}

/**
 * Makes the cache of libraries, if that is among the repairs.
 *
 * The machine's own ldconfig reads the image's libraries and configuration.
 *
 * It knows no libraries of other architectures: there the image's does it, and where it has none, no cache is
 * made. The loader then looks into the folders of its architecture, where Debian's libraries lie.
 */
export async function cacheLibraries(root: string, { fixups, isForeign }: RuntimeRepairs): Promise<void> {
  if (!fixups.includes("ld-cache")) return;
  if (isForeign && !existsSync(join(root, "usr/sbin/ldconfig"))) return;
  mkdirSync(join(root, "etc"), { recursive: true });
  const { code, stderr } = isForeign
    ? await inRoom(root, ["/usr/sbin/ldconfig", "-X"])
    : await run("ldconfig", ["-r", root, "-X"]);
  if (code !== 0) throw new Failure("script_failed", `Cannot make the library cache: ${stderr.trim()}`);
}

async function inRoom(root: string, argv: readonly string[]): Promise<RoomResult> {
  await using room = await openRoom(root, scriptConfinement);
  return await room.run({ argv, env: plainEnvironment });
}

function describeSystem(root: string, { distribution }: RuntimeRepairs): void {
  const { id, version, codename } = distribution;
  const name = `${id[0]!.toUpperCase()}${id.slice(1)}`;
  writeOnce(
    root,
    "usr/lib/os-release",
    `PRETTY_NAME="${name} ${version} (${codename})"\nNAME="${name}"\nVERSION_ID="${version}"\nVERSION_CODENAME=${codename}\nID=${id}\n`,
  );
  if (!isThere(join(root, "etc/os-release"))) symlinkSync("../usr/lib/os-release", join(root, "etc/os-release"));
}

/** Names that packages only offer, with their providers in the order of their priority. */
const alternatives: readonly { readonly name: string; readonly providers: readonly string[] }[] = [
  { name: "awk", providers: ["gawk", "mawk"] },
  { name: "nawk", providers: ["gawk", "mawk"] },
  { name: "which", providers: ["which.debianutils"] },
  { name: "editor", providers: ["vim.basic", "vim.tiny", "nano"] },
  { name: "vi", providers: ["vim.basic", "vim.tiny"] },
  { name: "pager", providers: ["less", "more"] },
  { name: "nc", providers: ["nc.openbsd", "nc.traditional"] },
];

function linkAlternatives(root: string): void {
  for (const { name, providers } of alternatives) {
    const provider = providers.find((candidate) => isThere(join(root, "usr/bin", candidate)));
    const link = join(root, "etc/alternatives", name);
    if (provider === undefined || isThere(join(root, "usr/bin", name))) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(`/usr/bin/${provider}`, link);
    symlinkSync(`/etc/alternatives/${name}`, join(root, "usr/bin", name));
  }
}
