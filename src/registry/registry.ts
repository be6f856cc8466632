/**
 * The registry keeps images by repository, tag and digest, and serves them by the OCI distribution protocol.
 *
 * It owns the tables of repositories, blob links, manifests, tags and uploads, and every path under `/v2`. It
 * promises that a manifest comes back byte for byte, that a blob can be read only through a repository that it was
 * pushed, mounted or linked to, that each move of a tag is written down, and that an image is deleted together with
 * what is attached to it. Who asks and what they may is handed in: accounts belong to another room. It also speaks to
 * other registries, the peers: replication rules and proxy caches move images as whole units, and verify what arrives.
 */
import { type FastifyInstance } from "fastify";
import { Failure } from "../base/errors.ts";
import { type Digest } from "../model/digest.ts";
import { type Descriptor } from "../model/oci.ts";
import { isRepository } from "../model/reference.ts";
import { listReferrers, readManifestBytes } from "../store/manifest-records.ts";
import { type Store } from "../store/store.ts";
import { listTags } from "../store/tag-records.ts";
import { addDistribution, type DistributionOptions } from "./distribution.ts";
import { linkBlobWithin } from "./lifetime/quota.ts";
import { type ManifestInput, storeManifest } from "./manifest-writer.ts";
import { removeReference, resolveManifest } from "./manifests.ts";
import { failureOf } from "./refusal-failure.ts";
import { isRefusal } from "./refusal.ts";

export type { AccessControl } from "./access.ts";
export type { RecordPull } from "./exchange.ts";
export { type Collection, openCollection } from "./collection/collection.ts";
export { type Lifetime, openLifetime } from "./lifetime/lifetime.ts";
export { openProxies, type Proxies, type ProxyProject } from "./proxy/proxies.ts";
export type { PullCheck } from "./pull-check.ts";
export { openPeers, type Peer, peerKinds, type Peers } from "./remote/peers.ts";
export {
  openReplication,
  type Replication,
  type ReplicationExecution,
  type ReplicationRule,
} from "./replication/replication.ts";
export { localSource } from "./replication/sources.ts";
export { findUnit, type SourceManifest, type TravellingUnit, type UnitSource } from "./replication/unit.ts";
export { openWebhooks, type Webhooks } from "./webhooks/webhooks.ts";

/** The registry in process: the same rules as over HTTP, without accounts. */
export interface Registry {
  /**
   * Makes a blob that is in the store readable through a repository: publishing is a link, never a copy.
   *
   * @throws Failure `not_found` where the store does not have the blob, `usage` for a bad name, `forbidden` where the
   *   project's quota has no room
   */
  linkBlob(repository: string, digest: Digest): Promise<void>;
  /**
   * Stores a manifest byte for byte, once all that it consists of is in the repository, and moves the tag if one is
   * given. Idempotent.
   *
   * @throws Failure `usage`, `too_large`, `digest_mismatch`, `not_found` where parts are missing, `forbidden` where a
   *   tag cannot move or the quota has no room
   */
  putManifest(input: ManifestInput): Promise<{ readonly digest: Digest }>;
  /** A manifest by tag or digest. */
  getManifest(repository: string, reference: string): Promise<ReadManifest | undefined>;
  /**
   * Removes a tag, or an image with all that is attached to it, by its digest; false where there is none.
   *
   * @throws Failure `forbidden` where a rule, a hold or an index keeps it
   */
  remove(input: { readonly repository: string; readonly reference: string; readonly actor: string }): Promise<boolean>;
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
      await blobs.holding([digest], async () => {
        const blob = await blobs.stat(digest);
        if (blob === undefined)
          throw new Failure("not_found", `Cannot link the blob "${digest}": the store does not have it`);
        const claim = { repository, digest, sizeBytes: blob.sizeBytes, actor: "pipeline" };
        const refusal = await store.transaction(async (inner) => await linkBlobWithin(inner, claim));
        if (refusal !== undefined) throw failureOf(refusal);
      });
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
    async remove(input) {
      const removed = await removeReference(store, input);
      if (!isRefusal(removed)) return removed;
      if (removed.refusal === "MANIFEST_UNKNOWN") return false;
      throw failureOf(removed);
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
