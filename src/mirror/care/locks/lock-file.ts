import { Failure } from "../../../base/errors.ts";
import { type ContainerfileLock, containerfileLockSchema } from "../../../model/containerfile-lock.ts";
import { type Lock, lockSchema } from "../../../model/lock.ts";
import { indexPath } from "../../cargo/names.ts";
import { parseToml, tablesIn, textIn } from "../../detect/toml.ts";
import { escapeModule } from "../../go/module-path.ts";
import { readNpmLock } from "./npm-lock.ts";
import { looksLikeMaven, readGradleLock, readMavenList, readPom } from "./maven-lock.ts";
import { readPythonLock, readRequirements } from "./python-lock.ts";
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
    (/^(?:poetry|uv|pdm)\.lock$|^pylock(?:\.[\w-]+)?\.toml$/.test(name) ? readPythonLock(name, text) : undefined) ??
    (name.endsWith(".lockfile") ? readGradleLock(text) : undefined) ??
    (/\.pom$|^pom\.xml$/.test(name) ? readPom(text) : undefined) ??
    (name.endsWith("go.sum") ? readGoSum(text) : undefined) ??
    (/\.txt$|\.in$/.test(name) && !looksLikeMaven(text) ? readRequirements(text) : undefined) ??
    (looksLikeMaven(text) ? readMavenList(text) : undefined);
  if (found !== undefined && found.wishes.length + found.skipped.length > 0) return found;
  throw new Failure("lock_invalid", `Cannot prefetch from "${name}": it is no lock file that is known here`, {
    hint: "Known are package-lock.json (2, 3), requirements.txt, poetry.lock, uv.lock, pdm.lock, pylock.toml, go.sum, Cargo.lock, gradle.lockfile, pom.xml, the output of mvn dependency:list, and our own locks",
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

/** Packages come after the indexes that name their digests; bases are images, which no repository of packages has. */
function sealedWishes({ requests, bases }: ContainerfileLock): LockWishes {
  const wanted = requests.filter(
    ({ address, status, method }) => status === 200 && method === "GET" && address.indexOf("/") > 0,
  );
  return {
    kind: "a lock of a Containerfile",
    first: wanted.filter(({ purl }) => purl === undefined).map(sealedWish),
    wishes: wanted.filter(({ purl }) => purl !== undefined).map(sealedWish),
    skipped: bases.map(({ reference, digest }) => ({
      title: `base ${reference}@${digest}`,
      reason: "an image: pull it through this registry, build it here or import it",
    })),
  };
}

function sealedWish({ address, accept, sha256 }: ContainerfileLock["requests"][number]): Wish {
  const at = address.indexOf("/");
  return {
    // Which format it is only the repository knows; it is named.
    format: "raw",
    title: address,
    repository: address.slice(0, at),
    paths: [address.slice(at + 1)],
    isKept: true,
    ...(accept === undefined ? {} : { accept }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
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
