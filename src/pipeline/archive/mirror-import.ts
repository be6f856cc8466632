import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { parseDigest, type Digest } from "../../model/digest.ts";
import type { MirrorRepository } from "../../mirror/mirror.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { type CarriedMirrorEntry, takeMirrorEntries } from "../../store/mirror-care-records.ts";
import { expireAllMirrorRenderings } from "../../store/mirror-rendering-records.ts";
import type { Store } from "../../store/store.ts";
import type { LayoutIndex } from "./contents.ts";
import { compareChecksum } from "./import.ts";
import { archiveType, type CarryWatch, listType, type MirrorArchiveSite } from "./mirror-export.ts";
import { readArchive, type ReadArchive } from "./read-archive.ts";

/** An archive to take in. */
export interface MirrorImportRequest {
  /** An absolute path on the server's machine. */
  readonly file: string;
  /** Whether repositories that are made for it ask their upstreams; behind an air gap they cannot. */
  readonly isOnline: boolean;
  readonly actor: string;
}

/** What an import brought. */
export interface MirrorImportReport {
  readonly repositories: readonly { readonly name: string; readonly entryCount: number; readonly isNew: boolean }[];
  readonly blobCount: number;
}

const digestText = z.string().transform((text, context): Digest => {
  const digest = parseDigest(text);
  if (digest !== undefined) return digest;
  context.addIssue({ code: "custom", message: "is not a digest" });
  return z.NEVER;
});
const optionalText = z.string().nullable();
const instant = z.number().int().nonnegative();

const repositoryLine = z.strictObject({
  repository: z
    .object({
      name: z.string(),
      format: z.string(),
      kind: z.enum(["proxy", "hosted", "group"]),
    })
    .loose(),
});

const entryLine = z.strictObject({
  of: z.string(),
  entry: z.strictObject({
    kind: z.enum(["file", "document"]),
    key: z.string().min(1).max(8192),
    digest: digestText,
    sizeBytes: instant,
    mediaType: z.string().max(1000),
    lifetime: z.enum(["immutable", "vouched", "mutable"]),
    url: optionalText,
    etag: optionalText,
    modified: optionalText,
    claim: optionalText,
    subject: optionalText,
    version: optionalText,
    publishedAt: z.number().int().nullable(),
    checkedAt: instant,
  }),
});

/** Entries of one transaction: others wait for it. */
const takeCount = 500;

/**
 * Takes an archive of repositories in: all of it is read, hashed and held against its list before the first entry can be
 * seen. Repositories that are not there are made; done again, it changes nothing.
 *
 * @throws Failure `archive_hostile`, `digest_mismatch`, `verification_failed`, `conflict` where a repository of the same name is of another format
 */
export async function importMirror(
  site: MirrorArchiveSite,
  request: MirrorImportRequest,
  { signal, onBytes }: CarryWatch,
): Promise<MirrorImportReport> {
  const { store } = site;
  await compareChecksum(request.file, signal);
  const folder = await mkdtemp(join(tmpdir(), "mintmark-mirror-import-"));
  try {
    return await store.blobs.holding("everything", async () => {
      const archive = await readArchive(request.file, { blobs: store.blobs, folder, signal, onBytes });
      const list = await listOf(store, archive);
      const report = await verifyList(site, archive, list);
      return await takeList(site, { request, archive, list, report });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function listOf({ blobs }: Store, archive: ReadArchive): Promise<Digest> {
  const index: LayoutIndex["manifests"][number] | undefined = archive.index.manifests[0];
  if (index === undefined || !archive.blobs.has(index.digest)) throw strange("it names no manifest that it holds");
  const manifest: unknown = JSON.parse((await blobs.read(index.digest, 1024 * 1024)).toString("utf8"));
  const known = z
    .object({
      artifactType: z.literal(archiveType),
      layers: z.array(z.object({ mediaType: z.literal(listType), digest: digestText })).length(1),
    })
    .safeParse(manifest);
  const digest = known.data?.layers[0]?.digest;
  if (digest === undefined || !archive.blobs.has(digest)) throw strange("it is no archive of a package mirror");
  return digest;
}

type ListLine = z.output<typeof repositoryLine> | z.output<typeof entryLine>;

async function* linesOf({ blobs }: Store, list: Digest): AsyncGenerator<ListLine> {
  const lines = createInterface({ input: await blobs.open(list), crlfDelay: Infinity });
  for await (const text of lines) {
    if (text === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw strange("its list has a line that is not JSON");
    }
    const parsed = z.union([repositoryLine, entryLine]).safeParse(value);
    if (!parsed.success) throw strange(`its list has a line that is none: ${text.slice(0, 100)}`);
    yield parsed.data;
  }
}

interface Planned {
  readonly settings: MirrorRepository;
  entryCount: number;
  readonly isNew: boolean;
}

async function verifyList(
  { store, mirror }: MirrorArchiveSite,
  archive: ReadArchive,
  list: Digest,
): Promise<Map<string, Planned>> {
  const planned = new Map<string, Planned>();
  for await (const found of linesOf(store, list)) {
    if ("repository" in found) {
      const settings = found.repository as unknown as MirrorRepository;
      const before = await mirror.get(settings.name);
      if (before !== undefined && (before.format !== settings.format || before.kind !== settings.kind))
        throw new Failure(
          "conflict",
          `Cannot import into "${settings.name}": it is a ${before.kind} of the format "${before.format}" here, and a ${settings.kind} of "${settings.format}" in the archive`,
        );
      planned.set(settings.name, { settings, entryCount: 0, isNew: before === undefined });
      continue;
    }
    const repository = planned.get(found.of);
    if (repository === undefined) throw strange(`its list has an entry of "${found.of}", which it does not describe`);
    if (archive.blobs.get(found.entry.digest) !== found.entry.sizeBytes)
      throw new Failure(
        "verification_failed",
        `Cannot import the archive: it lacks "${found.entry.digest}", which is "${found.entry.key}" of "${found.of}"`,
      );
    repository.entryCount += 1;
  }
  return planned;
}

interface Taking {
  readonly request: MirrorImportRequest;
  readonly archive: ReadArchive;
  readonly list: Digest;
  readonly report: ReadonlyMap<string, Planned>;
}

async function takeList(
  site: MirrorArchiveSite,
  { request, archive, list, report }: Taking,
): Promise<MirrorImportReport> {
  const { store, mirror } = site;
  const at = nowMs();
  for (const { settings, isNew } of report.values())
    if (isNew)
      await mirror.create(
        { ...settings, isOffline: settings.isOffline || (settings.kind === "proxy" && !request.isOnline) },
        request.actor,
      );
  let pending: CarriedMirrorEntry[] = [];
  let place = "";
  const flush = async (): Promise<void> => {
    const entries = pending;
    pending = [];
    if (entries.length > 0) await store.transaction(async (db) => await takeMirrorEntries(db, place, { entries, at }));
  };
  for await (const found of linesOf(store, list)) {
    if ("repository" in found) continue;
    if (found.of !== place || pending.length >= takeCount) await flush();
    place = found.of;
    pending.push(found.entry);
  }
  await flush();
  const repositories = [...report.values()].map(({ settings: { name }, entryCount, isNew }) => ({
    name,
    entryCount,
    isNew,
  }));
  await store.transaction(async (db) => {
    await expireAllMirrorRenderings(
      db,
      (await mirror.list()).map(({ name }) => name),
    );
    await addAuditEvent(db, {
      actor: request.actor,
      action: "mirror.imported",
      subject: request.file,
      details: { repositories },
    });
  });
  return { repositories, blobCount: archive.blobs.size };
}

function strange(state: string): Failure {
  return new Failure("archive_hostile", `Cannot import the archive: ${state}`, {
    hint: "`mintmark mirror export` writes such archives; `mintmark import` takes those of images",
  });
}
