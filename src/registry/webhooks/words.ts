/** Actions that a webhook can be told of. */
const webhookEvents = [
  "image.pushed",
  "image.pulled",
  "image.deleted",
  "image.exported",
  "image.imported",
  "tag.moved",
  "tag.deleted",
  "repository.deleted",
  "pull.refused",
  "scan.requested",
  "scan.completed",
  "scan.failed",
  "quota.exceeded",
  "quota.warned",
  "retention.ran",
  "immutability.changed",
  "replication.ran",
  "proxy.stored",
  "collection.ran",
  "scrub.ran",
  "backup.made",
  "backup.restored",
  "exception.created",
  "exception.ended",
  "project.created",
  "project.changed",
  "project.deleted",
  "member.added",
  "member.changed",
  "member.removed",
  "account.created",
  "account.changed",
  "account.deleted",
  "robot.created",
  "robot.changed",
  "robot.rotated",
  "robot.deleted",
  "robot.expiring",
  "token.created",
  "token.deleted",
  "sign-in.succeeded",
  "sign-in.failed",
  "sign-in.ended",
  "registry.denied",
  "webhook.changed",
] as const;

/** What Harbor calls the events that can be chosen there, in our words. */
const harborEvents: Readonly<Record<string, readonly string[]>> = {
  PUSH_ARTIFACT: ["image.pushed"],
  PULL_ARTIFACT: ["image.pulled"],
  DELETE_ARTIFACT: ["image.deleted"],
  QUOTA_EXCEED: ["quota.exceeded"],
  QUOTA_WARNING: ["quota.warned"],
  SCANNING_COMPLETED: ["scan.completed"],
  SCANNING_FAILED: ["scan.failed"],
  // A scan is not stopped here without failing.
  SCANNING_STOPPED: ["scan.failed"],
  REPLICATION: ["replication.ran"],
  TAG_RETENTION: ["retention.ran"],
};

/** Actions from ours or Harbor's names, each once; the first name that is neither is `unknown`. */
export function readEventNames(
  names: readonly string[],
): { readonly events: readonly string[] } | { readonly unknown: string } {
  const events = new Set<string>();
  const known: ReadonlySet<string> = new Set(webhookEvents);
  for (const name of names) {
    const actions = Object.hasOwn(harborEvents, name) ? harborEvents[name]! : [name];
    if (actions.some((action) => !known.has(action))) return { unknown: name };
    for (const action of actions) events.add(action);
  }
  return { events: [...events] };
}
