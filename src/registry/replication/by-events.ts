import { parseDigest } from "../../model/digest.ts";
import { type AuditRecord } from "../../store/event-records.ts";
import {
  addReplicationExecution,
  endReplicationExecution,
  listReplicationRules,
  newExecutionId,
} from "../../store/replication-records.ts";
import { type Store } from "../../store/store.ts";
import { addTasks } from "./listing.ts";
import { type ReplicationOptions } from "./replication.ts";
import { destinationOf, readSettings, type RuleSettings } from "./rules.ts";
import { partialProjects, selects, tagsAbove, type Wanted } from "./selection.ts";

/** What may make an image travel. */
export const eventActions = ["image.pushed", "image.deleted", "tag.moved", "tag.deleted"] as const;

/** Starts the rules that push by event, for the images that a batch of events is about. */
export async function startByEvents(options: ReplicationOptions, events: readonly AuditRecord[]): Promise<void> {
  const { store } = options;
  const rules = (await listReplicationRules(store.db))
    .filter(({ isEnabled, direction }) => isEnabled && direction === "push")
    .map((rule) => ({ rule, settings: JSON.parse(rule.settings) as RuleSettings }))
    .filter(({ settings }) => settings.trigger.kind === "event");
  if (rules.length === 0) return;
  const changes = (await Promise.all(events.map(async (event) => await changesOf(store, event)))).flat();
  const all = await listReplicationRules(store.db);
  const isPartial = await partialProjects(store.db);
  for (const { rule, settings } of rules) {
    const selection = readSettings(settings);
    const wanted = new Map<string, Wanted>();
    for (const { repository, tag, isGone, actor } of changes) {
      if (!selects(selection, { repository, tag }) || (isGone && !settings.deletion) || isPartial(repository)) continue;
      // What came from the peer does not go back to it.
      if (all.some((other) => actor === `replication:${other.name}` && other.peer === rule.peer)) continue;
      const operation = isGone ? "delete" : "copy";
      wanted.set(`${repository}:${tag}`, {
        operation,
        source: repository,
        destination: destinationOf(settings, repository),
        tag,
      });
    }
    if (wanted.size === 0) continue;
    const id = newExecutionId();
    await store.transaction(
      async (db) =>
        await addReplicationExecution(db, { id, rule: rule.id, trigger: "event", actor: "event", runId: undefined }),
    );
    await addTasks(options, { execution: id, rule: rule.id }, [...wanted.values()]);
    await endReplicationExecution(store.db, id, undefined);
  }
}

interface Change {
  readonly repository: string;
  readonly tag: string;
  readonly isGone: boolean;
  readonly actor: string;
}

/** The images that an event changes: a signature that arrives changes the image that it is about. */
async function changesOf({ db }: Store, { action, subject, details, actor }: AuditRecord): Promise<Change[]> {
  if (action === "tag.moved" || action === "tag.deleted") {
    const colon = subject.lastIndexOf(":");
    const repository = subject.slice(0, colon);
    const tag = subject.slice(colon + 1);
    const to = typeof details["to"] === "string" ? parseDigest(details["to"]) : undefined;
    const isGone = action === "tag.deleted";
    const above = to === undefined ? [] : await tagsAbove(db, repository, to);
    return [
      { repository, tag, isGone, actor },
      ...above.filter((name) => name !== tag).map((name) => ({ repository, tag: name, isGone: false, actor })),
    ];
  }
  const at = subject.indexOf("@");
  const repository = subject.slice(0, at);
  const digest = parseDigest(subject.slice(at + 1));
  if (at < 0 || digest === undefined) return [];
  const named = Array.isArray(details["tags"]) ? details["tags"].filter((tag) => typeof tag === "string") : [];
  if (action === "image.deleted") return named.map((tag) => ({ repository, tag, isGone: true, actor }));
  const tags = new Set([...named, ...(await tagsAbove(db, repository, digest))]);
  return [...tags].map((tag) => ({ repository, tag, isGone: false, actor }));
}
