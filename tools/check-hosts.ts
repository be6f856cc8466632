import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { registryHostHashes } from "./host-hashes.ts";
import { machineHosts } from "./machine-hosts.ts";
import { report, rootFolder, trackedFiles, type Problem } from "./tree.ts";

interface TextFile {
  readonly path: string;
  readonly text: string;
}

interface MachineTraces {
  /** Hosts that the machine's package clients use, in lower case. */
  readonly hosts: ReadonlySet<string>;
  /** SHA-256 of further registry hosts. */
  readonly hostHashes: ReadonlySet<string>;
  /** Paths of this machine that must not stand in a file. */
  readonly paths: readonly string[];
}

/** Finds names of package registries, paths of the machine, and download addresses in the lock file. */
export function hostProblems(files: readonly TextFile[], machine: MachineTraces): Problem[] {
  const isRegistry = registryTest(machine);
  return files.flatMap(({ path, text }) => {
    const found: Problem[] = text.split("\n").flatMap((line, index) => {
      const hosts = (line.match(hostForm) ?? []).filter(isRegistry);
      const paths = machine.paths.filter((folder) => holdsPath(line, folder));
      return [
        ...hosts.map((host) => `names the registry host "${host}": take upstreams from the machine's configuration`),
        ...paths.map((folder) => `holds a path of this machine ("${folder}")`),
      ].map((message) => ({ path, line: index + 1, message }));
    });
    return path.endsWith("package-lock.json") ? [...found, ...lockProblems(path, text)] : found;
  });
}

const hostForm = /(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}/gi;

/** True for a host, or a host below one, that a package client uses. */
function registryTest(machine: MachineTraces): (host: string) => boolean {
  const answers = new Map<string, boolean>();
  return (host) => {
    const name = host.toLowerCase();
    const known = answers.get(name);
    if (known !== undefined) return known;
    const labels = name.split(".");
    const parents = labels.slice(0, -1).map((_, index) => labels.slice(index).join("."));
    const answer = parents.some((parent) => machine.hosts.has(parent) || machine.hostHashes.has(sha256(parent)));
    answers.set(name, answer);
    return answer;
  };
}

function holdsPath(line: string, folder: string): boolean {
  const at = line.indexOf(folder);
  // "/home/ann" is not in "/home/annex" nor in "x/home/ann".
  return at !== -1 && !/[\w.-]/.test(line[at + folder.length] ?? "") && !/[\w.}~-]/.test(line[at - 1] ?? "");
}

function lockProblems(path: string, text: string): Problem[] {
  return text.split("\n").flatMap((line, index) => {
    if (!/"resolved"\s*:|https?:\/\/[^"]*\.tgz/.test(line)) return [];
    return [
      { path, line: index + 1, message: "records a download address: .npmrc has omit-lockfile-registry-resolved" },
    ];
  });
}

/**
 * The paths that give this machine away: its checkout, and what lies beside it and in the home folder. A shared folder
 * or one directly below the root may be a place inside images too (`/root`, `/home/dev`, `/workspace`), so there only
 * the entries that this machine really has count.
 */
export function tellingPaths(
  checkout: string,
  shared: readonly string[],
  entriesOf: (folder: string) => readonly string[],
): string[] {
  const isDeep = checkout.lastIndexOf("/") > 0;
  const folders = [...(isDeep ? [] : [checkout]), ...shared].filter((folder) => folder !== "/" && folder !== tmpdir());
  const entries = folders.flatMap((folder) =>
    entriesOf(folder)
      .filter((name) => !imageEntries.has(name))
      .map((name) => `${folder}/${name}`),
  );
  return [...new Set([...(isDeep ? [checkout] : []), ...entries])];
}

/** What a home folder or a workspace inside an image has too. */
const imageEntries = new Set(
  ".bashrc .profile .ssh .config .cache .zshrc .vimrc .gitconfig .bash_history .local .gnupg .docker .npm".split(" "),
);

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

if (import.meta.main) {
  const files = trackedFiles().flatMap((path) => {
    const bytes = readFileSync(join(rootFolder, path));
    return bytes.includes(0) ? [] : [{ path, text: bytes.toString("utf8") }];
  });
  const paths = tellingPaths(rootFolder, [dirname(rootFolder), homedir()], entriesOf);
  report("hosts", hostProblems(files, { hosts: await machineHosts(), hostHashes: registryHostHashes, paths }));
}
