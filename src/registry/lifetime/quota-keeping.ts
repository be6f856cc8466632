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
  /**
   * Usage and quota of the projects that somebody sees, by name, after `after` (exclusive), at most `limit`.
   *
   * `next` is the last of them where there are more: it never names a hidden one.
   */
  list(page: QuotaPage, sees?: (project: string) => boolean): Promise<QuotaList>;
  /**
   * Sets the quota of a project in bytes; undefined lifts it. A quota below what is stored takes nothing away.
   *
   * @throws Failure `not_found`, `usage`
   */
  set(project: string, quotaBytes: number | undefined, actor: string): Promise<QuotaState>;
}

interface QuotaPage {
  readonly after: string;
  readonly limit: number;
}

interface QuotaList {
  readonly quotas: QuotaState[];
  readonly next: string | undefined;
}

/** Rows that are read at once for a page. */
const readRows = 1000;

/** Opens the quotas of a store. */
export function openQuotaKeeping(store: Store): QuotaKeeping {
  const find = async (db: Store["db"], project: string): Promise<QuotaState> => {
    await requireProject(db, project);
    const quota = await findQuota(db, project);
    return quota ?? { project, usedBytes: await findUsage(db, project), quotaBytes: undefined, isWarned: false };
  };
  return {
    find: async (project) => await find(store.db, project),
    list: async (page, sees = () => true) => await listSeen(store.db, page, sees),
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

/** Hidden projects are read over, so that a page is full, and the next one begins behind something that was shown. */
async function listSeen(db: Store["db"], page: QuotaPage, sees: (project: string) => boolean): Promise<QuotaList> {
  const found: QuotaState[] = [];
  let { after } = page;
  while (found.length <= page.limit) {
    const rows = await listQuotas(db, { after, limit: readRows });
    found.push(...rows.filter(({ project }) => sees(project)));
    if (rows.length < readRows) break;
    after = rows.at(-1)!.project;
  }
  const quotas = found.slice(0, page.limit);
  return { quotas, next: found.length > page.limit ? quotas.at(-1)!.project : undefined };
}
