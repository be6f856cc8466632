import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type Digest } from "../model/digest.ts";
import { addAuditEvent } from "../store/event-records.ts";
import {
  deleteMirrorEntries,
  findMirrorEntry,
  listMirrorKeys,
  type MirrorEntry,
  putMirrorEntry,
} from "../store/mirror-entry-records.ts";
import { expireMirrorRenderings } from "../store/mirror-rendering-records.ts";
import { type MirrorAnswer, type MirrorWrite } from "./contract.ts";
import { type Publication, type Shelf } from "./format.ts";
import { hasRoom } from "./quota.ts";
import { plain, refused } from "./write-answers.ts";
import { answerRelay } from "./relays.ts";
import { receiveBody, watched } from "./received-body.ts";
import { type Leaf } from "./repositories.ts";
import { pathProblem } from "./request-path.ts";
import { type Site } from "./site.ts";

/** One package, if nobody says less. */
const writeBytesMax = 16 * 1024 * 1024 * 1024;
const documentBytesMax = 256 * 1024 * 1024;
const keysMax = 100_000;

/** Takes what a client publishes, or passes on what it asks by POST. */
export async function takeWrite(site: Site, leaf: Leaf, sent: MirrorWrite): Promise<MirrorAnswer> {
  const problem = pathProblem(sent.path);
  if (problem !== undefined)
    return refused(leaf, sent, { status: 400, message: `Cannot publish to "${leaf.settings.name}": ${problem}` });
  const { format, settings } = leaf;
  const write = { ...sent, body: watched(sent.body, site.bodyIdleMs) };
  const relay = write.method === "POST" ? await format.relay?.(write) : undefined;
  if (relay !== undefined)
    return "refused" in relay ? plain(leaf, write, relay) : await answerRelay(site, leaf, { write, relay });
  if (write.mayPublish === false) {
    const message = `Cannot publish to "${settings.name}" as "${write.actor}": it takes an administrator`;
    return refused(leaf, write, { status: 403, message });
  }
  if (settings.kind !== "hosted" || format.write === undefined) {
    const message = `Cannot publish to "${settings.name}": it is a ${settings.kind} repository`;
    return refused(leaf, write, { status: 405, message });
  }
  await checkQuota(site, settings, 0);
  // All of it is here before others wait for it.
  await using received = await receiveBody(write.body, { blobs: site.store.blobs, limitBytes: writeBytesMax });
  return await inTurn(site, settings.name, async () => await publish(site, leaf, { ...write, body: received.read() }));
}

async function inTurn<T>(site: Site, repository: string, work: () => Promise<T>): Promise<T> {
  const before = site.turns.get(repository) ?? Promise.resolve();
  const turn = before.then(work);
  const settled = turn.then(
    () => undefined,
    () => undefined,
  );
  site.turns.set(repository, settled);
  try {
    return await turn;
  } finally {
    if (site.turns.get(repository) === settled) site.turns.delete(repository);
  }
}

async function publish(site: Site, leaf: Leaf, write: MirrorWrite): Promise<MirrorAnswer> {
  const put: Digest[] = [];
  const result = await leaf.format.write!(write, openShelf(site, leaf, { write, put }));
  if ("refused" in result) return plain(leaf, write, result);
  // What only proves something, as a checksum that comes after its file, changes nothing.
  if (result.files.length + result.documents.length + result.removed.length === 0)
    return plain(leaf, write, result.answer);
  await site.store.blobs.holding(put, async () => await store(site, leaf, { write, publication: result }));
  return plain(leaf, write, result.answer);
}

interface Putting {
  readonly write: MirrorWrite;
  /** Told of everything that was put. */
  readonly put: Digest[];
}

function openShelf(site: Site, { settings }: Leaf, { write, put }: Putting): Shelf {
  const { db, blobs } = site.store;
  const repository = settings.name;
  return {
    base: write.base,
    async read(source) {
      const entry = await findMirrorEntry(db, { repository, kind: "document", key: source });
      return entry?.digest === undefined ? undefined : await blobs.read(entry.digest, documentBytesMax);
    },
    fileDigest: async (key) => (await findMirrorEntry(db, { repository, kind: "file", key }))?.digest,
    async put(bytes, limitBytes = writeBytesMax) {
      const knownBytes = bytes instanceof Uint8Array ? bytes.length : undefined;
      await checkQuota(site, settings, knownBytes ?? 0);
      const stored = await blobs.put(bytes, { limitBytes });
      if (knownBytes === undefined) await checkQuota(site, settings, stored.sizeBytes);
      put.push(stored.digest);
      return { ...stored, path: await blobs.localPath(stored.digest) };
    },
    list: async (prefix) => await listMirrorKeys(db, { repository, prefix, limit: keysMax }),
  };
}

/** @throws Failure `too_large` */
async function checkQuota(site: Site, settings: Leaf["settings"], addedBytes: number): Promise<void> {
  const { quotaBytes, name } = settings;
  if (!(await hasRoom(site, settings, addedBytes)))
    throw new Failure(
      "too_large",
      `Cannot publish to "${name}": it may have ${quotaBytes} bytes, and they are used up`,
    );
}

interface Storing {
  readonly write: MirrorWrite;
  readonly publication: Publication;
}

/** All of a publication, or nothing; renderings around it are looked at anew from the same instant on. */
async function store(site: Site, leaf: Leaf, { write, publication }: Storing): Promise<void> {
  const { subject, files, documents, removed } = publication;
  const { blobs } = site.store;
  const repository = leaf.settings.name;
  const stored = await Promise.all(
    documents.map(async ({ source, bytes, mediaType }) => ({ source, mediaType, ...(await blobs.put(bytes)) })),
  );
  const around = site.repositories.around(repository);
  await blobs.holding(
    stored.map(({ digest }) => digest),
    async () => {
      // What was begun for another repository of the name must not show up in this one.
      if (!site.repositories.isCurrent(leaf))
        throw new Failure("conflict", `Cannot publish to "${repository}": it was removed meanwhile`);
      await site.store.transaction(async (db) => {
        await deleteMirrorEntries(db, repository, removed);
        for (const { key, digest, sizeBytes, mediaType, subject: whose } of files)
          await putMirrorEntry(
            db,
            hosted({
              repository,
              kind: "file",
              key,
              digest,
              sizeBytes,
              mediaType,
              subject: whose.name,
              version: whose.version,
            }),
          );
        for (const { source, digest, sizeBytes, mediaType } of stored)
          await putMirrorEntry(
            db,
            hosted({
              repository,
              kind: "document",
              key: source,
              digest,
              sizeBytes,
              mediaType,
              subject: subject.name,
              version: undefined,
            }),
          );
        const sources = [...stored.map(({ source }) => source), ...removed];
        await expireMirrorRenderings(db, around, { sources, subject: subject.name });
        await addAuditEvent(db, {
          actor: write.actor,
          action: files.length + documents.length > 0 ? "mirror.published" : "mirror.unpublished",
          subject: `${repository} ${subject.name}${subject.version === undefined ? "" : ` ${subject.version}`}`,
          details: { files: files.map(({ key, digest }) => ({ key, digest })), removed },
        });
      });
      for (const one of around) site.epochs.set(one, (site.epochs.get(one) ?? 0) + 1);
    },
  );
}

type HostedParts = Pick<
  MirrorEntry,
  "repository" | "kind" | "key" | "digest" | "sizeBytes" | "mediaType" | "subject" | "version"
>;

function hosted(parts: HostedParts): MirrorEntry {
  const at = nowMs();
  return {
    ...parts,
    lifetime: "immutable",
    url: undefined,
    etag: undefined,
    modified: undefined,
    claim: undefined,
    publishedAt: at,
    fetchedAt: at,
    checkedAt: at,
  };
}
