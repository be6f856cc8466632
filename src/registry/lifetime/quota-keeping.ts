import { Failure } from "../../base/errors.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { saveQuota } from "../../store/lifetime-records.ts";
import { findQuota, findUsage, listQuotas, type QuotaState } from "../../store/quota-records.ts";
import { type Store } from "../../store/store.ts";
import { requireProject } from "./rule-keeping.ts";

/** How much projects may store, and how much they do. */
export interface QuotaKeeping {
  /** @throws Failure `not_found` */
  find(project: string): Promise<QuotaState>;
  /** Usage and quota of projects by name, after `after` (exclusive), at most `limit`. */
  list(page: { readonly after: string; readonly limit: number }): Promise<QuotaState[]>;
  /**
   * Sets the quota of a project in bytes; undefined lifts it. A quota below what is stored takes nothing away.
   *
   * @throws Failure `not_found`, `usage`
   */
  set(project: string, quotaBytes: number | undefined, actor: string): Promise<QuotaState>;
}

/** Opens the quotas of a store. */
export function openQuotaKeeping(store: Store): QuotaKeeping {
  const find = async (db: Store["db"], project: string): Promise<QuotaState> => {
    await requireProject(db, project);
    const quota = await findQuota(db, project);
    return quota ?? { project, usedBytes: await findUsage(db, project), quotaBytes: undefined, isWarned: false };
  };
  return {
    find: async (project) => await find(store.db, project),
    list: async (page) => await listQuotas(store.db, page),
    async set(project, quotaBytes, actor) {
      if (quotaBytes !== undefined && !(Number.isSafeInteger(quotaBytes) && quotaBytes >= 0))
        throw new Failure("usage", `Cannot set the quota of "${project}": ${quotaBytes} is not a number of bytes`);
      return await store.transaction(async (db) => {
        const before = await find(db, project);
        await saveQuota(db, project, quotaBytes);
        const details = { quotaBytes: { from: before.quotaBytes ?? null, to: quotaBytes ?? null } };
        await addAuditEvent(db, { actor, action: "project.changed", subject: project, details });
        return await find(db, project);
      });
    },
  };
}
