import type {
  AddedRule,
  Hold,
  HoldPage,
  LifetimeRules,
  MovedTag,
  NewHold,
  NewHoldRule,
  NewImmutableRule,
  Quota,
  QuotaPage,
  Removal,
  Retention,
  RetentionOutcomePage,
  RetentionRun,
  RetentionRunPage,
  TagHistory,
  TagPage,
  TagRestore,
  TagUndo,
} from "./api-types.ts";
import type { Asking } from "./event-operations.ts";

/** The operations about how long tags and images live. */
export interface LifetimeOperations {
  tags(repository: string, page?: { readonly after?: string; readonly limit?: number }): Promise<TagPage>;
  tagHistory(
    repository: string,
    page: { readonly tag: string; readonly before?: string; readonly limit?: number },
  ): Promise<TagHistory>;
  undoTagMove(wish: TagUndo): Promise<MovedTag>;
  restoreTag(wish: TagRestore): Promise<MovedTag>;
  lifetimeRules(project: string): Promise<LifetimeRules>;
  addImmutableRule(project: string, rule: NewImmutableRule): Promise<AddedRule>;
  removeImmutableRule(project: string, id: string): Promise<Removal>;
  addHoldRule(project: string, rule: NewHoldRule): Promise<AddedRule>;
  removeHoldRule(project: string, id: string, reason: string): Promise<Removal>;
  holds(project: string, page?: { readonly before?: string; readonly limit?: number }): Promise<HoldPage>;
  createHold(hold: NewHold): Promise<Hold>;
  releaseHold(id: string, reason: string): Promise<Removal>;
  retention(project: string): Promise<Retention>;
  /** @param text YAML, or JSON, as the file holds it */
  setRetention(project: string, text: string): Promise<Retention>;
  removeRetention(project: string): Promise<Removal>;
  startRetention(project: string, dryRun: boolean): Promise<RetentionRun>;
  retentionRun(project: string, id: string): Promise<RetentionRun>;
  retentionRuns(
    project: string,
    page?: { readonly before?: string; readonly limit?: number },
  ): Promise<RetentionRunPage>;
  retentionOutcomes(
    project: string,
    id: string,
    page?: { readonly after?: number; readonly limit?: number; readonly decision?: "kept" | "dropped" },
  ): Promise<RetentionOutcomePage>;
  quotas(page?: { readonly after?: string; readonly limit?: number }): Promise<QuotaPage>;
  quota(project: string): Promise<Quota>;
  /** Undefined lifts the quota. */
  setQuota(project: string, quotaBytes: number | undefined): Promise<Quota>;
}

/** The operations about lifetime, over what sends requests. */
export function lifetimeOperations({ json }: Asking): LifetimeOperations {
  const get = <Answer>(path: string): Promise<Answer> => json({ method: "GET", path: `/api/v1${path}` });
  const post = <Answer>(path: string, body: unknown): Promise<Answer> =>
    json({ method: "POST", path: `/api/v1${path}`, body });
  const remove = <Answer>(path: string): Promise<Answer> => json({ method: "DELETE", path: `/api/v1${path}` });
  const project = (name: string): string => `/projects/${encodeURIComponent(name)}`;
  const run = (name: string, id: string): string => `${project(name)}/retention/runs/${encodeURIComponent(id)}`;
  return {
    tags: (repository, page = {}) => get(`/tags?${query({ repository, ...page })}`),
    tagHistory: (repository, page) => get(`/tags/history?${query({ repository, ...page })}`),
    undoTagMove: (wish) => post("/tags/undo", wish),
    restoreTag: (wish) => post("/tags/restore", wish),
    lifetimeRules: (name) => get(`${project(name)}/lifetime-rules`),
    addImmutableRule: (name, rule) => post(`${project(name)}/immutability`, rule),
    removeImmutableRule: (name, id) => remove(`${project(name)}/immutability/${encodeURIComponent(id)}`),
    addHoldRule: (name, rule) => post(`${project(name)}/hold-rules`, rule),
    removeHoldRule: (name, id, reason) =>
      post(`${project(name)}/hold-rules/${encodeURIComponent(id)}/remove`, { reason }),
    holds: (name, page = {}) => get(`${project(name)}/holds?${query(page)}`),
    createHold: (hold) => post("/holds", hold),
    releaseHold: (id, reason) => post(`/holds/${encodeURIComponent(id)}/release`, { reason }),
    retention: (name) => get(`${project(name)}/retention`),
    setRetention: (name, text) => post(`${project(name)}/retention`, { text }),
    removeRetention: (name) => remove(`${project(name)}/retention`),
    startRetention: (name, dryRun) => post(`${project(name)}/retention/runs`, { dryRun }),
    retentionRun: (name, id) => get(run(name, id)),
    retentionRuns: (name, page = {}) => get(`${project(name)}/retention/runs?${query(page)}`),
    retentionOutcomes: (name, id, page = {}) => get(`${run(name, id)}/outcomes?${query(page)}`),
    quotas: (page = {}) => get(`/quotas?${query(page)}`),
    quota: (name) => get(`${project(name)}/quota`),
    setQuota: (name, quotaBytes) => post(`${project(name)}/quota`, quotaBytes === undefined ? {} : { quotaBytes }),
  };
}

function query(given: Readonly<Record<string, string | number | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.toString();
}
