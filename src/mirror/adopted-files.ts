import { Failure } from "../base/errors.ts";
import { findMirrorEntry, type MirrorEntry } from "../store/mirror-entry-records.ts";
import { type Claim, type FileAsk } from "./format.ts";
import { claimText, openClaimCheck } from "./claims.ts";
import { keepEntry } from "./kept-entries.ts";
import { type Leaf } from "./repositories.ts";
import { type Site } from "./site.ts";

/**
 * Takes for a file what its format, or policy, has read of it as a document a moment before: the checksum of an artifact,
 * the record of a module, a POM. Without this each of them is fetched twice.
 *
 * What is claimed of the file is checked here, since nothing is claimed of documents; undefined where it is not here or
 * has another digest, and has to be fetched.
 */
export async function adoptDocument(
  site: Site,
  leaf: Leaf,
  { ask, claim }: { readonly ask: FileAsk; readonly claim: Claim | undefined },
): Promise<MirrorEntry | undefined> {
  const { blobs, db } = site.store;
  const document = await findMirrorEntry(db, { repository: leaf.settings.name, kind: "document", key: ask.key });
  const { digest } = document ?? {};
  if (document === undefined || digest === undefined || (await blobs.stat(digest)) === undefined) return undefined;
  const check = openClaimCheck(claim, leaf.format);
  try {
    if (claim !== undefined) for await (const chunk of await blobs.open(digest)) check.update(chunk as Buffer);
    await check.finish(async () => await blobs.localPath(digest), `"${ask.key}"`);
  } catch (error) {
    if (error instanceof Failure && ["digest_mismatch", "not_found"].includes(error.code)) return undefined;
    throw error;
  }
  const entry: MirrorEntry = {
    ...document,
    kind: "file",
    lifetime: ask.lifetime,
    mediaType: ask.mediaType ?? document.mediaType,
    claim: claim === undefined ? undefined : claimText(claim),
    subject: ask.subject?.name,
    version: ask.subject?.version,
  };
  await blobs.holding([digest], async () => await keepEntry(site, leaf, entry));
  return entry;
}
