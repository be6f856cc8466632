import { readFile } from "node:fs/promises";
import { Failure } from "../../base/errors.ts";
import { parseParagraph, type Paragraph } from "../control-file.ts";
import type { VerifiedIndex } from "./index-chain.ts";
import type { PrivateRoot } from "./private-root.ts";

/** A package that apt chose, with its record from a verified list. */
export interface ResolvedPackage {
  readonly record: Paragraph;
  readonly sha256: string;
  /** Position of the index that vouches for it. */
  readonly index: number;
  readonly requested: boolean;
  /** Whether the essential set needs it. */
  readonly essential: boolean;
}

interface Wish {
  readonly packages: readonly string[];
  readonly optionalPackages: readonly string[];
  /** Whether the essential packages and apt itself belong to the image. */
  readonly withSystem: boolean;
}

/**
 * Lets apt solve a wish on an empty system and looks every choice up in the verified lists.
 *
 * @throws Failure `package_missing` with the names, or `unsatisfiable` with apt's reasons
 */
export async function resolve(
  root: PrivateRoot,
  indexes: readonly VerifiedIndex[],
  wish: Wish,
): Promise<ResolvedPackage[]> {
  const offered = await offeredPackages(root, wish.optionalPackages);
  const requested = [...wish.packages, ...offered, ...(wish.withSystem ? ["apt"] : [])];
  const [all, essential] = await Promise.all([
    solve(root, [...(wish.withSystem ? ["?essential"] : []), ...requested]),
    wish.withSystem ? solve(root, ["?essential"]) : new Set<string>(),
  ]);
  const found = await findRecords(indexes, all);
  const missing = [...all].filter((sha256) => !found.has(sha256));
  if (missing.length > 0)
    throw new Failure("index_untrusted", `Cannot find ${missing.length} chosen packages in the verified lists`, {
      hint: "The lists changed between two reads; run the command again",
      details: { sha256: missing },
    });
  return [...found.entries()]
    .map(([sha256, { record, index }]) => ({
      record,
      sha256,
      index,
      requested: requested.includes(record.get("Package")!),
      essential: essential.has(sha256),
    }))
    .sort((a, b) => (a.record.get("Package")! < b.record.get("Package")! ? -1 : 1));
}

async function offeredPackages(root: PrivateRoot, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const { stdout } = await root.apt("apt-cache", ["policy", ...names]);
  return names.filter((name) =>
    new RegExp(`^${RegExp.escape(name)}:\\n(?:  .*\\n)*?  Candidate: (?!\\(none\\))`, "m").test(stdout),
  );
}

/** The SHA-256 of every archive that apt would fetch. */
async function solve(root: PrivateRoot, wish: readonly string[]): Promise<Set<string>> {
  const { code, stdout, stderr } = await root.apt("apt-get", ["install", "--yes", "--print-uris", "--quiet", ...wish]);
  if (code !== 0) throw solverFailure(`${stdout}\n${stderr}`);
  const digests = new Set<string>();
  for (const line of stdout.split("\n")) {
    if (!line.startsWith("'")) continue;
    const sha256 = /SHA256:([0-9a-f]{64})$/.exec(line)?.[1];
    if (sha256 === undefined)
      throw new Failure("index_untrusted", "Cannot lock a package: its index gives no SHA-256", { details: { line } });
    digests.add(sha256);
  }
  return digests;
}

function solverFailure(output: string): Failure {
  const missing = [
    ...output.matchAll(/(?:Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate)/g),
  ].map((match) => match[1] ?? match[2]!);
  if (missing.length > 0)
    return new Failure(
      "package_missing",
      `Cannot find the package ${missing.map((name) => `"${name}"`).join(", ")} in any source`,
      {
        hint: "Check the spelling and the suite, or move the name to optionalPackages",
        details: { packages: missing },
      },
    );
  const reasons = conflictReasons(output);
  const told = reasons.length === 0 ? output.trim().split("\n").at(-1) : reasons.slice(0, toldReasons).join("; ");
  return new Failure("unsatisfiable", `Cannot install the packages together: ${told}`, {
    hint: "Remove one side of the conflict from the recipe; details list apt's reasons",
    details: { reasons },
  });
}

/** What of apt's reasons stands in the message. */
const toldReasons = 4;

/** apt 2 names packages and what each lacks or forbids; apt 3 numbers the steps of its proof. */
function conflictReasons(output: string): string[] {
  const [, list = ""] = output.split("The following packages have unmet dependencies:");
  const unmet = [...list.matchAll(/^ (\S+ : .+|\s+[A-Z][A-Za-z-]+: .+)$/gm)];
  const proof = [...output.matchAll(/^ +\d+\. (.+)$/gm)];
  return (unmet.length > 0 ? unmet : proof).map(([, reason = ""]) => reason.trim());
}

interface Found {
  readonly record: Paragraph;
  readonly index: number;
}

/** Finds records by SHA-256 in one pass over each list: a list is 45 MB, so nothing is parsed that is not wanted. */
async function findRecords(
  indexes: readonly VerifiedIndex[],
  wanted: ReadonlySet<string>,
): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  const mark = Buffer.from("\nSHA256: ");
  for (const [index, { listPaths }] of indexes.entries())
    for (const path of listPaths) {
      const list = await readFile(path);
      for (let at = list.indexOf(mark); at >= 0; at = list.indexOf(mark, at + mark.length)) {
        const sha256 = list.toString("latin1", at + mark.length, at + mark.length + 64);
        if (!wanted.has(sha256) || found.has(sha256)) continue;
        const start = list.lastIndexOf("\n\n", at);
        const end = list.indexOf("\n\n", at);
        found.set(sha256, {
          record: parseParagraph(list.toString("utf8", start < 0 ? 0 : start + 2, end < 0 ? list.length : end)),
          index,
        });
      }
    }
  return found;
}
