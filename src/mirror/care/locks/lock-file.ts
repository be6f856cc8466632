import { Failure } from "../../../base/errors.ts";
import { type ContainerfileLock, containerfileLockSchema } from "../../../model/containerfile-lock.ts";
import { type Lock, lockSchema } from "../../../model/lock.ts";
import { indexPath } from "../../cargo/names.ts";
import { parseToml, tablesIn, textIn } from "../../detect/toml.ts";
import { escapeModule } from "../../go/module-path.ts";
import { readXml, textAt } from "../../xml.ts";
import { readNpmLock } from "./npm-lock.ts";
import { readRequirements } from "./python-lock.ts";
import type { LockWishes, Skipped, Wish } from "./wish.ts";

/**
 * Reads a lock file of any kind that is known here, by its content and its name.
 *
 * @throws Failure `lock_invalid` where it is none
 */
export function readLockFile(name: string, text: string): LockWishes {
  const found =
    readOwnLock(text) ??
    readNpmLock(text) ??
    (name.endsWith("Cargo.lock") ? readCargoLock(text) : undefined) ??
    (name.endsWith("go.sum") ? readGoSum(text) : undefined) ??
    (/\.txt$|\.in$/.test(name) && !looksLikeMaven(text) ? readRequirements(text) : undefined) ??
    (looksLikeMaven(text) ? readMavenList(text) : undefined);
  if (found !== undefined && found.wishes.length + found.skipped.length > 0) return found;
  throw new Failure("lock_invalid", `Cannot prefetch from "${name}": it is no lock file that is known here`, {
    hint: "Known are package-lock.json (2, 3), requirements.txt, go.sum, Cargo.lock, the output of mvn dependency:list, and our own locks",
  });
}

/** Reads a Cargo.lock of any version. Source: Cargo's own file; git and path packages have no checksum. */
function readCargoLock(text: string): LockWishes {
  const wishes: Wish[] = [];
  const skipped: Skipped[] = [];
  for (const entry of tablesIn(parseToml(text), "package")) {
    const [name, version] = [textIn(entry, "name"), textIn(entry, "version")];
    const source = textIn(entry, "source");
    if (name === undefined || version === undefined || source === undefined) continue;
    const title = `${name} ${version}`;
    if (!/^(?:registry|sparse)\+/.test(source)) {
      skipped.push({ title, reason: "comes from no registry" });
      continue;
    }
    const sha256 = textIn(entry, "checksum");
    wishes.push({
      format: "cargo",
      title,
      paths: [`api/v1/crates/${name}/${version.replaceAll("+", "%2B")}/download`, indexPath(name)],
      ...(sha256 === undefined ? {} : { sha256 }),
    });
  }
  return { kind: "Cargo.lock", wishes, skipped };
}

/** Reads a go.sum: modules whose zip it vouches for, and those of which only the go.mod counts. */
function readGoSum(text: string): LockWishes {
  const wishes = new Map<string, Wish>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^(\S+) (v\S+?)(\/go\.mod)? h1:\S+$/.exec(line.trim());
    if (match === null) continue;
    const [, module = "", version = "", isModOnly] = match;
    const base = `${escapeModule(module)}/@v/${escapeModule(version)}`;
    const title = `${module} ${version}`;
    const known = wishes.get(title)?.paths ?? [];
    const paths = isModOnly === undefined ? [`${base}.zip`, `${base}.info`, `${base}.mod`] : [`${base}.mod`];
    wishes.set(title, { format: "go", title, paths: [...new Set([...known, ...paths])] });
  }
  return { kind: "go.sum", wishes: [...wishes.values()], skipped: [] };
}

const mavenScopes = new Set(["compile", "runtime", "test", "provided", "system", "import"]);

interface MavenArtifact {
  readonly group: string;
  readonly artifact: string;
  readonly type: string;
  readonly classifier: string | undefined;
  readonly version: string;
}

/** Four parts are without a classifier; a scope may follow the version. */
function mavenArtifact(line: string): MavenArtifact | undefined {
  const match = /^(?:\[INFO\])?\s*((?:[\w.-]+:){3,5}[\w.-]+)(?:\s.*)?$/.exec(line.trimEnd());
  const parts = match?.[1]?.split(":") ?? [];
  if (parts.length > 4 && mavenScopes.has(parts.at(-1)!)) parts.pop();
  const [group, artifact, type, classifierOrVersion, version] = parts;
  if (group === undefined || artifact === undefined || type === undefined || classifierOrVersion === undefined)
    return undefined;
  return version === undefined
    ? { group, artifact, type, classifier: undefined, version: classifierOrVersion }
    : { group, artifact, type, classifier: classifierOrVersion, version };
}

function looksLikeMaven(text: string): boolean {
  return text.split("\n", 2000).some((line) => mavenArtifact(line) !== undefined);
}

/** Reads what `mvn dependency:list` prints: `group:artifact:type[:classifier]:version[:scope]`. */
function readMavenList(text: string): LockWishes {
  const wishes = new Map<string, Wish>();
  for (const line of text.split(/\r?\n/)) {
    const found = mavenArtifact(line);
    if (found === undefined) continue;
    const { group, artifact, type, classifier, version } = found;
    const folder = `${group.replaceAll(".", "/")}/${artifact}/${version}`;
    const end = { "test-jar": "jar", bundle: "jar", "maven-plugin": "jar" }[type] ?? type;
    const file = `${folder}/${artifact}-${version}${classifier === undefined ? "" : `-${classifier}`}.${end}`;
    const title = `${group}:${artifact} ${version}`;
    wishes.set(file, { format: "maven", title, paths: [file] });
    wishes.set(folder, pomWish({ group, artifact, version }, 0));
  }
  return { kind: "a list of Maven's dependencies", wishes: [...wishes.values()], skipped: [] };
}

const parentsMax = 20;

/** A POM needs its parent, and that one its own. */
function pomWish(
  of: { readonly group: string; readonly artifact: string; readonly version: string },
  depth: number,
): Wish {
  const { group, artifact, version } = of;
  const path = `${group.replaceAll(".", "/")}/${artifact}/${version}/${artifact}-${version}.pom`;
  return {
    format: "maven",
    title: `${group}:${artifact} ${version} (POM)`,
    paths: [path],
    follow(body) {
      const root = readXml(body);
      if ("invalid" in root || depth >= parentsMax) return [];
      const parent = {
        group: textAt(root, "parent", "groupId") ?? "",
        artifact: textAt(root, "parent", "artifactId") ?? "",
        version: textAt(root, "parent", "version") ?? "",
      };
      const isWhole = Object.values(parent).every((part) => /^[\w.-]+$/.test(part));
      return isWhole ? [pomWish(parent, depth + 1)] : [];
    },
  };
}

function readOwnLock(text: string): LockWishes | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const sealed = containerfileLockSchema.safeParse(value);
  if (sealed.success) return sealedWishes(sealed.data);
  const packages = lockSchema.safeParse(value);
  return packages.success ? packageWishes(packages.data) : undefined;
}

function sealedWishes(lock: ContainerfileLock): LockWishes {
  const wishes = lock.requests.flatMap(({ address, accept, sha256, status, method }): Wish[] => {
    const at = address.indexOf("/");
    const repository = address.slice(0, at);
    const title = address;
    if (status !== 200 || method !== "GET" || at <= 0) return [];
    return [
      {
        // Which format it is only the repository knows; it is named.
        format: "raw",
        title,
        repository,
        paths: [address.slice(at + 1)],
        ...(accept === undefined ? {} : { accept }),
        ...(sha256 === undefined ? {} : { sha256 }),
      },
    ];
  });
  return { kind: "a lock of a Containerfile", wishes, skipped: [] };
}

function packageWishes({ packages }: Lock): LockWishes {
  return {
    kind: "a lock of a package recipe",
    wishes: packages.map(({ name, version, path, sha256 }) => ({
      format: "apt",
      title: `${name} ${version}`,
      paths: [path],
      sha256,
    })),
    skipped: [],
  };
}
