import { lstat, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { newId } from "../../base/clock.ts";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { fetchToFile } from "../../base/http.ts";
import { limits } from "../../base/limits.ts";
import { readZip, type ZipLimits } from "../../base/zip.ts";

/** One feed's worth of records, ready to be read once. */
export interface OsvSource {
  /** `Debian` … the folder or address part that names the ecosystem. */
  readonly label: string;
  /** Where it comes from, for people. */
  readonly location: string;
  /** Whether it is the whole feed, so that what it lacks is gone. */
  readonly isComplete: boolean;
  records(): AsyncIterable<{ readonly name: string; readonly bytes: Buffer }>;
}

interface SourceOptions {
  /** Where a download is kept while it is read. */
  readonly temporaryFolder: string;
  readonly allowPrivate: boolean;
  readonly signal: AbortSignal | undefined;
}

/** An export of all ecosystems together is under 2 GiB packed. */
const downloadBytes = 4 * 1024 ** 3;

const archiveBounds: ZipLimits = {
  directoryBytes: 256 * 1024 * 1024,
  entryBytes: limits.advisoryBytes,
  totalBytes: 8 * 1024 ** 3,
};

/**
 * Finds what a place holds: a record, an archive, a folder of records, a folder of such folders, or an address of one.
 *
 * Downloads into a temporary file first, so that a slow server holds nothing up, and removes it after `work`.
 *
 * @throws Failure `not_found`, `usage` where it is nothing of these, and those of the download
 */
export async function withOsvSources<T>(
  place: string,
  options: SourceOptions,
  work: (sources: OsvSource[]) => Promise<T>,
): Promise<T> {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) return await work(await localSources(place));
  const path = join(options.temporaryFolder, `advisories-${newId()}.tmp`);
  try {
    const { allowPrivate, signal } = options;
    await fetchToFile(place, path, {
      limitBytes: downloadBytes,
      allowPrivate,
      ...(signal === undefined ? {} : { signal }),
    });
    const { protocol, host, pathname } = new URL(place);
    return await work([
      await fileSource(path, { label: labelOf(decodeURI(pathname)), location: `${protocol}//${host}${pathname}` }),
    ]);
  } finally {
    await rm(path, { force: true });
  }
}

async function localSources(place: string): Promise<OsvSource[]> {
  const found = await stat(place).catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT")
      throw new Failure("not_found", `Cannot find advisories at "${place}": nothing is there`);
    throw error;
  });
  if (found.isFile()) return [await fileSource(place, { label: labelOf(place), location: place })];
  const sources: OsvSource[] = [];
  const own = await folderSource(place);
  if (own !== undefined) sources.push(own);
  for (const entry of (await readdir(place, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = entry.isDirectory() ? await folderSource(join(place, entry.name)) : undefined;
    if (inner !== undefined) sources.push(inner);
  }
  if (sources.length > 0) return sources;
  throw new Failure("usage", `Cannot import advisories from "${place}": it holds neither all.zip nor OSV records`, {
    hint: "Name a folder, an all.zip or a .json of the OSV export, or an http(s) address of one",
  });
}

/** `Debian` of `…/Debian/all.zip`, else the name of the file without its ending. */
function labelOf(path: string): string {
  const name = basename(path);
  return (
    (name === "all.zip" ? basename(dirname(path)) : name.replace(/\.(?:zip|json)$/, "")).replace(
      /[^A-Za-z0-9._-]+/g,
      "-",
    ) || "osv"
  );
}

async function folderSource(folder: string): Promise<OsvSource | undefined> {
  const names = (await readdir(folder)).sort();
  if (names.includes("all.zip"))
    return await fileSource(join(folder, "all.zip"), { label: labelOf(join(folder, "all.zip")), location: folder });
  const records = names.filter((name) => name.endsWith(".json") && /^[A-Za-z]+-.*\d/.test(name));
  if (records.length === 0) return undefined;
  return {
    label: labelOf(folder),
    location: folder,
    isComplete: true,
    async *records() {
      for (const name of records) {
        // A link could lead out of the folder, a pipe could block for ever.
        const entry = await lstat(join(folder, name));
        if (entry.isFile())
          yield { name, bytes: entry.size > limits.advisoryBytes ? oversized : await readFile(join(folder, name)) };
      }
    },
  };
}

/** Stands for a record that is too large to be read: it is no JSON, so it is counted and reported like one. */
const oversized = Buffer.from("larger than the limit");

async function fileSource(path: string, about: { label: string; location: string }): Promise<OsvSource> {
  if (await isZip(path))
    return {
      ...about,
      isComplete: true,
      async *records() {
        for await (const entry of readZip(path, archiveBounds)) if (entry.name.endsWith(".json")) yield entry;
      },
    };
  if ((await stat(path)).size > limits.advisoryBytes)
    throw new Failure(
      "too_large",
      `Cannot read the advisory "${about.location}": it is larger than ${limits.advisoryBytes} bytes`,
    );
  return {
    ...about,
    isComplete: false,
    async *records() {
      yield { name: basename(about.location), bytes: await readFile(path) };
    },
  };
}

async function isZip(path: string): Promise<boolean> {
  const handle = await open(path, "r");
  try {
    const start = Buffer.alloc(2);
    await handle.read(start, 0, 2, 0);
    return start.toString("latin1") === "PK";
  } finally {
    await handle.close();
  }
}
