import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Failure } from "../../base/errors.ts";
import { sha256Digest, type Digest } from "../../model/digest.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { Mirror, MirrorRepository } from "../../mirror/mirror.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { type CarriedMirrorEntry, listCarriedMirrorEntries } from "../../store/mirror-care-records.ts";
import type { Store } from "../../store/store.ts";
import { archivePaths, blobPath } from "./contents.ts";
import { type ArchiveFile, writeArchive, type WrittenArchive } from "./write-archive.ts";

/** Repositories of the mirror that go into an archive. */
export interface MirrorExportRequest {
  /** Empty for all. */
  readonly repositories: readonly string[];
  /** An absolute path on the server's machine. */
  readonly file: string;
  readonly isCompressed: boolean;
  readonly isReplacing: boolean;
  readonly actor: string;
}

/** What an export wrote. */
export interface MirrorExportReport extends WrittenArchive {
  readonly file: string;
  readonly repositories: readonly { readonly name: string; readonly entryCount: number }[];
  readonly blobCount: number;
}

/** What carrying a mirror stands on. */
export interface MirrorArchiveSite {
  readonly store: Store;
  readonly mirror: Mirror;
}

/** How carrying is followed and stopped. */
export interface CarryWatch {
  readonly signal: AbortSignal;
  readonly onBytes: (done: number, total: number) => void;
}

/** What the manifest of such an archive says that it is. */
export const archiveType = "application/vnd.mintmark.mirror.v1+json";
/** The media type of the list of what is in it: a repository or an entry a line. */
export const listType = "application/vnd.mintmark.mirror.entries.v1+jsonl";
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const emptyType = "application/vnd.oci.empty.v1+json";
const emptyConfig = Buffer.from("{}");
const pageCount = 500;

/**
 * Writes what repositories hold as one OCI layout in a tar archive: files and upstream documents as blobs, and a list of
 * them, a line each. Credentials of upstreams stay here. The same content gives the same bytes.
 *
 * @throws Failure `not_found` for a repository that is not there, `conflict` where the file is, `digest_mismatch`
 */
export async function exportMirror(
  { store, mirror }: MirrorArchiveSite,
  request: MirrorExportRequest,
  { signal, onBytes }: CarryWatch,
): Promise<MirrorExportReport> {
  const { file } = request;
  if (!request.isReplacing && (await stat(file).catch(() => undefined)) !== undefined)
    throw new Failure("conflict", `Cannot export to "${file}": it exists`, {
      hint: "Name another file, or add --replace",
    });
  if ((await stat(dirname(file)).catch(() => undefined))?.isDirectory() !== true)
    throw new Failure("not_found", `Cannot export to "${file}": its folder is not there`);
  const repositories = await chosen(mirror, request.repositories);
  // Nothing that is being read is collected meanwhile.
  return await store.blobs.holding("everything", async () => {
    const sizes = new Map<Digest, number>();
    const counts = new Map<string, number>(repositories.map(({ name }) => [name, 0]));
    const list = await store.blobs.put(
      (async function* () {
        for (const repository of repositories) {
          yield line({ repository });
          for await (const entry of entriesOf(store, repository.name)) {
            signal.throwIfAborted();
            sizes.set(entry.digest, entry.sizeBytes);
            counts.set(repository.name, counts.get(repository.name)! + 1);
            yield line({ of: repository.name, entry });
          }
        }
      })(),
    );
    const files = layoutFiles(store, list, sizes);
    const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let done = 0;
    const written = await writeArchive(file, files, {
      isCompressed: request.isCompressed,
      signal,
      onBytes: (count) => onBytes((done += count), total),
    });
    const report = repositories.map(({ name }) => ({ name, entryCount: counts.get(name)! }));
    await addAuditEvent(store.db, {
      actor: request.actor,
      action: "mirror.exported",
      subject: file,
      details: { repositories: report, sha256: written.sha256 },
    });
    return { ...written, file, repositories: report, blobCount: sizes.size };
  });
}

/** Members come before the groups that name them, so that they can be made in this order. */
async function chosen(mirror: Mirror, names: readonly string[]): Promise<MirrorRepository[]> {
  const all = await mirror.list();
  const wanted = new Set(names.length === 0 ? all.map(({ name }) => name) : names);
  // The set grows while it is walked: a group is nothing without its members.
  for (const name of wanted) {
    const found = all.find((one) => one.name === name);
    if (found === undefined) throw new Failure("not_found", `Cannot find the repository "${name}" of the mirror`);
    for (const member of found.members ?? []) wanted.add(member);
  }
  const ordered: MirrorRepository[] = [];
  const visit = (name: string): void => {
    const one = all.find((repository) => repository.name === name);
    if (one === undefined || ordered.includes(one)) return;
    for (const member of one.members ?? []) visit(member);
    ordered.push(one);
  };
  for (const name of [...wanted].toSorted()) visit(name);
  return ordered;
}

async function* entriesOf({ db }: Store, repository: string): AsyncGenerator<CarriedMirrorEntry> {
  let after: readonly [string, string] = ["", ""];
  for (;;) {
    const page = await listCarriedMirrorEntries(db, { repository, after, limit: pageCount });
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = [last.kind, last.key];
  }
}

function line(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

function layoutFiles(
  { blobs }: Store,
  list: { readonly digest: Digest; readonly sizeBytes: number },
  sizes: ReadonlyMap<Digest, number>,
): ArchiveFile[] {
  const config = { mediaType: emptyType, digest: sha256Digest(sha256Hex(emptyConfig)), size: emptyConfig.length };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      artifactType: archiveType,
      config,
      layers: [{ mediaType: listType, digest: list.digest, size: list.sizeBytes }],
    }),
  );
  const manifestDigest = sha256Digest(sha256Hex(manifest));
  const index = {
    schemaVersion: 2,
    manifests: [{ mediaType: manifestType, artifactType: archiveType, digest: manifestDigest, size: manifest.length }],
  };
  const all = new Map([...sizes, [list.digest, list.sizeBytes] as const]);
  return [
    small(archivePaths.layout, Buffer.from(JSON.stringify({ imageLayoutVersion: "1.0.0" }))),
    small(archivePaths.index, Buffer.from(JSON.stringify(index))),
    small(blobPath(manifestDigest), manifest),
    ...(all.has(config.digest) ? [] : [small(blobPath(config.digest), emptyConfig)]),
    ...[...all]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([digest, sizeBytes]) => ({
        path: blobPath(digest),
        digest,
        sizeBytes,
        open: async () => await blobs.open(digest),
      })),
  ];
}

function small(path: string, bytes: Buffer): ArchiveFile {
  const open = async (): Promise<AsyncIterable<Uint8Array>> =>
    (async function* () {
      yield bytes;
    })();
  return { path, sizeBytes: bytes.length, digest: sha256Digest(sha256Hex(bytes)), open };
}
