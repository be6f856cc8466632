import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";
import { sha256Hex, sha256OfFile } from "../../base/hash.ts";
import type { LockedIndex } from "../../model/lock.ts";
import { parseParagraph } from "../control-file.ts";
import type { PrivateRoot } from "./private-root.ts";
import type { AptSource } from "./sources.ts";

/** A signed index with the package lists that it vouches for. */
export interface VerifiedIndex {
  readonly locked: LockedIndex;
  readonly inRelease: Buffer;
  /** Path of each package list on disk, in the order of `locked.lists`. */
  readonly listPaths: readonly string[];
}

interface Target {
  readonly uri: string;
  readonly suite: string;
  readonly component: string;
  readonly metaKey: string;
  readonly path: string;
}

/**
 * Walks the chain of trust of every suite again, apart from apt: signature of InRelease by the key ring of
 * its source, then the SHA-256 of each package list as InRelease gives it.
 *
 * @throws Failure `index_untrusted`
 */
export async function verifyIndexes(root: PrivateRoot): Promise<VerifiedIndex[]> {
  const targets = await listTargets(root);
  return Promise.all(
    root.sources.map(async (source, at) => {
      const path = await inReleasePath(root, targets, source);
      if (path === undefined) throw untrusted(source.suite, "apt holds no index of it");
      return verifyIndex(source.suite, {
        inReleasePath: path,
        keyRing: root.keyRings[at]!,
        targets: ownTargets(targets, source),
      });
    }),
  );
}

/** SHA-256 of the InRelease file of every source, unverified: enough to tell whether anything moved. Undefined where one is missing. */
export async function inReleaseDigests(root: PrivateRoot): Promise<string[] | undefined> {
  const targets = await listTargets(root);
  const paths = await Promise.all(root.sources.map((source) => inReleasePath(root, targets, source)));
  if (paths.includes(undefined)) return undefined;
  const files = await Promise.all(paths.map((path) => readFile(path!).catch(() => undefined)));
  return files.includes(undefined) ? undefined : files.map((file) => sha256Hex(file!));
}

/** apt names its files after the address. A suite without a single package has no list beside its InRelease. */
async function inReleasePath(
  root: PrivateRoot,
  targets: readonly Target[],
  source: AptSource,
): Promise<string | undefined> {
  const mark = `_dists_${source.suite.replaceAll("/", "_")}_`;
  const own = ownTargets(targets, source)[0];
  if (own !== undefined) return `${own.path.slice(0, own.path.lastIndexOf(mark))}${mark}InRelease`;
  const folder = join(root.folder, "state/lists");
  const names = (await readdir(folder)).filter((name) => name.endsWith(`${mark}InRelease`));
  return names.length === 1 ? join(folder, names[0]!) : undefined;
}

function ownTargets(targets: readonly Target[], { suite, uri }: AptSource): Target[] {
  return targets.filter(
    (target) => target.suite === suite && target.uri.replace(/\/+$/, "") === uri.replace(/\/+$/, ""),
  );
}

async function listTargets(root: PrivateRoot): Promise<Target[]> {
  const format = ["REPO_URI", "RELEASE", "COMPONENT", "METAKEY", "FILENAME"].map((name) => `$(${name})`).join("\t");
  const { stdout } = await root.apt("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [uri = "", suite = "", component = "", metaKey = "", path = ""] = line.split("\t");
      return { uri, suite, component, metaKey, path };
    });
}

interface IndexFiles {
  readonly inReleasePath: string;
  readonly keyRing: string;
  readonly targets: readonly Target[];
}

async function verifyIndex(suite: string, { inReleasePath, keyRing, targets }: IndexFiles): Promise<VerifiedIndex> {
  const inRelease = await readFile(inReleasePath).catch((cause: unknown) => {
    throw new Failure("index_untrusted", `Cannot trust the suite "${suite}": it has no InRelease`, {
      hint: "Archives without an inline signature are not supported",
      cause,
    });
  });
  const { signedBy, text } = await verifySignature(suite, inReleasePath, keyRing);
  const fields = parseParagraph(text);
  const digests = releaseDigests(fields.get("SHA256") ?? "");
  const lists = await Promise.all(
    targets.map(async ({ component, metaKey, path }) => {
      const sha256 = await sha256OfFile(path);
      if (digests.get(metaKey) !== sha256)
        throw untrusted(suite, `the list "${metaKey}" does not have the SHA-256 that its signed index gives`);
      return { component, path: metaKey, sha256 };
    }),
  );
  const validUntil = fields.get("Valid-Until");
  return {
    inRelease,
    listPaths: targets.map(({ path }) => path),
    locked: {
      suite,
      codename: fields.get("Codename") ?? suite,
      origin: fields.get("Origin") ?? "",
      label: fields.get("Label") ?? "",
      inReleaseSha256: sha256Hex(inRelease),
      signedBy,
      dateSeconds: seconds(suite, fields.get("Date") ?? ""),
      ...(validUntil === undefined ? {} : { validUntilSeconds: seconds(suite, validUntil) }),
      lists,
    },
  };
}

/** Checks an inline signature; the text is what was signed, never what stands around it. */
async function verifySignature(
  suite: string,
  path: string,
  keyRing: string,
): Promise<{ signedBy: string[]; text: string }> {
  const { code, stdout, stderr } = await run("gpgv", ["--status-fd", "2", "--keyring", keyRing, "--output", "-", path]);
  const signedBy = [...stderr.matchAll(/^\[GNUPG:\] VALIDSIG ([0-9A-F]+)/gm)].map((match) => match[1]!).sort();
  if (signedBy.length === 0) throw untrusted(suite, `no signature by a key of its key ring is valid (gpgv: ${code})`);
  return { signedBy, text: stdout };
}

function releaseDigests(field: string): Map<string, string> {
  return new Map(
    field
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter((words) => words.length === 3)
      .map(([sha256 = "", , path = ""]) => [path, sha256]),
  );
}

function seconds(suite: string, date: string): number {
  const ms = Date.parse(date);
  if (Number.isNaN(ms)) throw untrusted(suite, `its date "${date}" cannot be read`);
  return Math.floor(ms / 1000);
}

function untrusted(suite: string, state: string): Failure {
  return new Failure("index_untrusted", `Cannot trust the suite "${suite}": ${state}`, {
    hint: "Nothing was taken from it. Check the key ring and the mirror, then try again",
  });
}
