/**
 * How long tags and images live: what pins, holds, keeps and drops them, how often they are used, and how much a
 * project may store.
 *
 * Three facts are kept apart, so that they cannot contradict each other: a pinned tag cannot move and cannot be
 * removed by hand; a held image cannot be deleted until an instant, by anybody; and retention drops whole images when
 * its policy says so, pinned or not, but never held ones, and it never moves a tag. Rules and quotas are enforced in
 * the transactions of pushes and deletions themselves; docs/explanation/tag-lifetime.md has the table.
 */
import { type Log } from "../../base/log.ts";
import { openPullCounts, type PullCounts } from "./pull-counts.ts";
import { openQuotaKeeping, type QuotaKeeping } from "./quota-keeping.ts";
import { openRetentionKeeping, type RetentionKeeping, type RetentionOptions } from "./retention-keeping.ts";
import { openRuleKeeping, type RuleKeeping } from "./rule-keeping.ts";
import { openTagKeeping, type TagKeeping } from "./tag-keeping.ts";

/** Everything about the lifetime of tags and images. */
export interface Lifetime {
  readonly tags: TagKeeping;
  readonly rules: RuleKeeping;
  readonly retention: RetentionKeeping;
  readonly quotas: QuotaKeeping;
  readonly pulls: PullCounts;
  /** Writes down the last pulls. */
  close(): Promise<void>;
}

/** Opens the lifetime of a store. */
export async function openLifetime(
  options: Omit<RetentionOptions, "pulls"> & { readonly log: Log },
): Promise<Lifetime> {
  const { store, log } = options;
  const pulls = openPullCounts({ store, log });
  return {
    tags: openTagKeeping(store),
    rules: openRuleKeeping(store),
    quotas: openQuotaKeeping(store),
    retention: await openRetentionKeeping({ ...options, pulls }),
    pulls,
    close: async () => await pulls.close(),
  };
}
