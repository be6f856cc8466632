import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseParagraph, splitParagraphs } from "../control-file.ts";
import type { FarmTree } from "./farm.ts";

const folder = "var/lib/dpkg";

/** Makes the parts of dpkg's database that belong to no package. */
export function makeDatabase(root: string): void {
  for (const part of ["info", "updates", "triggers", "parts", "alternatives"])
    mkdirSync(join(root, folder, part), { recursive: true });
  for (const [name, text] of Object.entries({
    status: "",
    available: "",
    "info/format": "1\n",
    "triggers/Unincorp": "",
  })) {
    const path = join(root, folder, name);
    if (!existsSync(path)) writeFileSync(path, text);
  }
}

/**
 * Registers packages as unpacked, just as dpkg leaves them before it configures: status, conffile sums, the
 * triggers that they listen to, and the file triggers that their files set off.
 *
 * Source: dpkg's own database as documented in deb-triggers(5) and dpkg(1).
 */
export function registerUnpacked(root: string, trees: readonly FarmTree[]): void {
  const path = join(root, folder, "status");
  const names = new Set(trees.map(({ name }) => name));
  const others = splitParagraphs(readFileSync(path, "utf8")).filter(
    (text) => !names.has(parseParagraph(text).get("Package") ?? ""),
  );
  writeFileSync(
    path,
    [...others, ...trees.map((tree) => statusParagraph(tree, "unpacked"))].map((text) => `${text.trim()}\n\n`).join(""),
  );
  for (const tree of trees) registerInterests(root, tree);
  activateFileTriggers(root, trees);
}

/** Registers packages as installed without a script having run. */
export function registerInstalled(root: string, trees: readonly FarmTree[]): void {
  writeFileSync(
    join(root, folder, "status"),
    trees.map((tree) => `${statusParagraph(tree, "installed").trim()}\n\n`).join(""),
  );
}

function statusParagraph({ index }: FarmTree, state: "unpacked" | "installed"): string {
  const [first = "", ...rest] = index.control
    .trim()
    .split("\n")
    .filter((line) => line.trim() !== "");
  const conffiles = index.conffiles.map(({ path, md5 }) => `\n ${path} ${md5}`).join("");
  return [first, `Status: install ok ${state}`, ...rest, ...(conffiles === "" ? [] : [`Conffiles:${conffiles}`])].join(
    "\n",
  );
}

interface Interest {
  readonly name: string;
  readonly isAwaited: boolean;
}

function interestsOf(tree: FarmTree): Interest[] {
  if (!tree.index.scripts.includes("triggers")) return [];
  const text = readFileSync(join(tree.folder, "control/triggers"), "utf8");
  return [...text.matchAll(/^\s*interest(-await|-noawait)?\s+(\S+)/gm)].map((match) => ({
    name: match[2]!,
    isAwaited: match[1] !== "-noawait",
  }));
}

function registerInterests(root: string, tree: FarmTree): void {
  for (const { name, isAwaited } of interestsOf(tree)) {
    const suffix = isAwaited ? "" : "/noawait";
    const isFile = name.startsWith("/");
    const path = join(root, folder, "triggers", isFile ? "File" : name);
    const line = isFile ? `${name} ${tree.name}${suffix}` : `${tree.name}${suffix}`;
    const present = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
    if (!present.includes(line)) appendFileSync(path, `${line}\n`);
  }
}

/** dpkg takes `Unincorp` in before it does anything else: a trigger and who waits for it, `-` for nobody. */
function activateFileTriggers(root: string, trees: readonly FarmTree[]): void {
  const path = join(root, folder, "triggers/File");
  if (!existsSync(path)) return;
  const watched = [
    ...new Set(
      readFileSync(path, "utf8")
        .split("\n")
        .map((line) => line.split(" ")[0]!)
        .filter((name) => name !== ""),
    ),
  ];
  const fired = watched.filter((prefix) =>
    trees.some(({ index }) =>
      index.entries.some((entry) => `/${entry.path}` === prefix || `/${entry.path}`.startsWith(`${prefix}/`)),
    ),
  );
  if (fired.length > 0)
    appendFileSync(join(root, folder, "triggers/Unincorp"), fired.map((name) => `${name} -\n`).join(""));
}

/** Tells apt which packages nobody asked for. Source: apt-mark(8). */
export function writeExtendedStates(
  root: string,
  automatic: readonly { readonly name: string; readonly architecture: string }[],
): void {
  mkdirSync(join(root, "var/lib/apt"), { recursive: true });
  const text = automatic
    .map(({ name, architecture }) => `Package: ${name}\nArchitecture: ${architecture}\nAuto-Installed: 1\n\n`)
    .join("");
  writeFileSync(join(root, "var/lib/apt/extended_states"), text);
}
