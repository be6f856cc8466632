import { sql } from "kysely";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** A blob that the package mirror names. */
interface MirroredBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Those of some blobs that a file, a document, a rendering or something derived of a mirror repository is. */
export async function mirroredBlobs(db: Database, digests: readonly Digest[]): Promise<readonly MirroredBlob[]> {
  const some = sql.join([...digests]);
  const { rows } = await sql<MirroredBlob>`
    select digest, size_bytes as "sizeBytes" from mirror_entries where digest in (${some})
    union all select digest, size_bytes from mirror_renderings where digest in (${some})
    union all select gzip_digest, gzip_bytes from mirror_renderings where gzip_digest in (${some})
    union all select digest, size_bytes from mirror_derived where digest in (${some})`.execute(db);
  return rows;
}

/** The repositories whose files, documents or renderings are a blob, at most `limit`. */
export async function listMirroring(db: Database, digest: Digest, limit: number): Promise<string[]> {
  const { rows } = await sql<{ repository: string }>`
    select repository from mirror_entries where digest = ${digest}
    union select repository from mirror_renderings where digest = ${digest} or gzip_digest = ${digest}
    union select repository from mirror_derived where digest = ${digest} order by 1 limit ${limit}`.execute(db);
  return rows.map(({ repository }) => repository);
}
