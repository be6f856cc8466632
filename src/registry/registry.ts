/**
 * The registry keeps images by repository, tag and digest, and serves them by the OCI distribution protocol.
 *
 * It owns the tables of repositories, blob links, manifests, tags and uploads, and every path under `/v2`. It
 * promises that a manifest comes back byte for byte, that a blob can be read only through a repository that it was
 * pushed, mounted or linked to, that each move of a tag is written down, and that an image is deleted together with
 * what is attached to it. Who asks and what they may is handed in: accounts belong to another room.
 */
import { type FastifyInstance } from "fastify";
import { Failure } from "../base/errors.ts";
import { type Digest } from "../model/digest.ts";
import { type Descriptor } from "../model/oci.ts";
import { isRepository } from "../model/reference.ts";
import { linkBlobRecord } from "../store/blob-link-records.ts";
import { listReferrers, readManifestBytes } from "../store/manifest-records.ts";
import { type Store } from "../store/store.ts";
import { listTags } from "../store/tag-records.ts";
import { addDistribution, type DistributionOptions } from "./distribution.ts";
import { type ManifestInput, storeManifest } from "./manifest-writer.ts";
import { resolveManifest } from "./manifests.ts";
import { isRefusal, type Refusal } from "./refusal.ts";

export type { AccessControl } from "./access.ts";

/** The registry in process: the same rules as over HTTP, without accounts. */
export interface Registry {
  /**
   * Makes a blob that is in the store readable through a repository: publishing is a link, never a copy.
   *
   * @throws Failure `not_found` where the store does not have the blob, `usage` for a bad name
   */
  linkBlob(repository: string, digest: Digest): Promise<void>;
  /**
   * Stores a manifest byte for byte, once all that it consists of is in the repository, and moves the tag if one is
   * given. Idempotent.
   *
   * @throws Failure `usage`, `too_large`, `digest_mismatch`, `not_found` where parts are missing
   */
  putManifest(input: ManifestInput): Promise<{ readonly digest: Digest }>;
  /** A manifest by tag or digest. */
  getManifest(repository: string, reference: string): Promise<ReadManifest | undefined>;
  /** What is attached to a manifest, ordered by digest. */
  referrers(repository: string, subject: Digest, artifactType?: string): Promise<Descriptor[]>;
  /** All tags in ASCII order. */
  tags(repository: string): Promise<string[]>;
}

/** A manifest with its bytes. */
interface ReadManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** Entries of one look into the database. */
const pageCount = 1000;

/** Opens the registry of a store. */
export function openRegistry(store: Store): Registry {
  const { db, blobs } = store;
  return {
    async linkBlob(repository, digest) {
      if (!isRepository(repository))
        throw new Failure("usage", `Cannot link into "${repository}": it is not a repository name`);
      const blob = await blobs.stat(digest);
      if (blob === undefined)
        throw new Failure("not_found", `Cannot link the blob "${digest}": the store does not have it`);
      await store.transaction(
        async (inner) => await linkBlobRecord(inner, { repository, digest, sizeBytes: blob.sizeBytes }),
      );
    },
    async putManifest(input) {
      const stored = await storeManifest(store, input);
      if (isRefusal(stored)) throw failureOf(stored);
      return { digest: stored.digest };
    },
    async getManifest(repository, reference) {
      const found = await resolveManifest(db, repository, reference);
      const bytes = isRefusal(found) ? undefined : await readManifestBytes(db, found.digest);
      return isRefusal(found) || bytes === undefined
        ? undefined
        : { digest: found.digest, mediaType: found.mediaType, bytes };
    },
    async referrers(repository, subject, artifactType) {
      const all: Descriptor[] = [];
      for (;;) {
        const after = all.at(-1)?.digest ?? "";
        const page = await listReferrers(db, {
          repository,
          subject,
          artifactType,
          after,
          limit: pageCount,
          limitBytes: Infinity,
        });
        all.push(...page.descriptors);
        if (!page.hasMore) return all;
      }
    },
    async tags(repository) {
      const all: string[] = [];
      for (;;) {
        const page = await listTags(db, repository, { after: all.at(-1) ?? "", limit: pageCount });
        all.push(...page);
        if (page.length < pageCount) return all;
      }
    },
  };
}

/** Serves the distribution protocol under `/v2` of a Fastify instance. Source: OCI distribution spec 1.1. */
export function registerDistribution(app: FastifyInstance, options: DistributionOptions): void {
  addDistribution(app, options);
}

const failureCodes = {
  MANIFEST_BLOB_UNKNOWN: "not_found",
  DIGEST_INVALID: "digest_mismatch",
  SIZE_INVALID: "too_large",
} as const;

function failureOf({ refusal, message, detail }: Refusal): Failure {
  const code = refusal in failureCodes ? failureCodes[refusal as keyof typeof failureCodes] : "usage";
  return new Failure(code, message, { details: { refusal, detail } });
}
