import { nowMs } from "../../base/clock.ts";
import { type Digest } from "../../model/digest.ts";
import { projectOf } from "../../model/permission.ts";
import { linkBlobRecord } from "../../store/blob-link-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findQuota, isStoredInProject, markQuotaRefused, markQuotaWarned } from "../../store/quota-records.ts";
import { type Store } from "../../store/store.ts";
import { refuse, type Refusal } from "../refusal.ts";

/** Something that is about to be stored in a repository. */
export interface QuotaClaim {
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly table: "blob_links" | "manifests";
  readonly actor: string;
}

/** From this part of a quota on it is warned. */
const quotaWarnedAt = 0.85;

/** Clients try again and again: a refusal is put into the audit trail at most this often for a project. */
const refusedEveryMs = 60_000;

/**
 * Refuses what a project's quota has no room for; what the project has already costs nothing.
 *
 * Call it in the transaction that stores the thing, before it does: transactions come one after the other, so the sum
 * it reads is the true one. It warns, once, when the quota is nearly used up.
 */
export async function refuseOverQuota(db: Store["db"], claim: QuotaClaim): Promise<Refusal | undefined> {
  const { repository, digest, sizeBytes, table, actor } = claim;
  const project = projectOf(repository);
  const quota = await findQuota(db, project);
  if (quota?.quotaBytes === undefined || (await isStoredInProject(db, project, { table, digest }))) return undefined;
  const { usedBytes, quotaBytes } = quota;
  const afterBytes = usedBytes + sizeBytes;
  const facts = { project, usedBytes, quotaBytes, addedBytes: sizeBytes };
  if (afterBytes > quotaBytes) {
    const now = nowMs();
    if (await markQuotaRefused(db, project, { at: now, notSince: now - refusedEveryMs }))
      await addAuditEvent(db, {
        actor,
        action: "quota.exceeded",
        subject: project,
        details: { ...facts, repository, digest },
      });
    return refuse("DENIED", quotaText(facts), { detail: facts });
  }
  const isNearlyUsed = afterBytes >= quotaBytes * quotaWarnedAt;
  if (isNearlyUsed === quota.isWarned) return undefined;
  await markQuotaWarned(db, project, isNearlyUsed ? nowMs() : null);
  if (isNearlyUsed)
    await addAuditEvent(db, { actor, action: "quota.warned", subject: project, details: { ...facts, repository } });
  return undefined;
}

/** A blob that is about to be linked. */
export type BlobClaim = Omit<QuotaClaim, "table">;

/** Links a blob that is stored into a repository, unless the project's quota has no room. Call it in a transaction. */
export async function linkBlobWithin(db: Store["db"], claim: BlobClaim): Promise<Refusal | undefined> {
  const { repository, digest, sizeBytes } = claim;
  const refusal = await refuseBlobOverQuota(db, claim);
  if (refusal === undefined) await linkBlobRecord(db, { repository, digest, sizeBytes });
  return refusal;
}

/** Refuses a blob that a project's quota has no room for; before its bytes are made a blob, it is told early. */
export async function refuseBlobOverQuota(db: Store["db"], claim: BlobClaim): Promise<Refusal | undefined> {
  return await refuseOverQuota(db, { ...claim, table: "blob_links" });
}

interface QuotaFacts {
  readonly project: string;
  readonly usedBytes: number;
  readonly quotaBytes: number;
  readonly addedBytes: number;
}

function quotaText({ project, usedBytes, quotaBytes, addedBytes }: QuotaFacts): string {
  return `Cannot store ${addedBytes} more bytes in the project "${project}": it uses ${usedBytes} of its quota of ${quotaBytes} bytes; delete images and collect, or ask an administrator for more`;
}
