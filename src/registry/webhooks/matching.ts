import { type Glob, readGlob } from "../../model/glob.ts";
import { isTag } from "../../model/reference.ts";
import type { AuditRecord } from "../../store/event-records.ts";
import type { WebhookRecord } from "../../store/webhook-records.ts";

/** What an event is about, as far as it is about an image. */
export interface EventImage {
  readonly repository: string | undefined;
  readonly digest: string | undefined;
  readonly tags: readonly string[];
}

/** Reads `repository@digest` or `repository:tag`, and the tags in the details. */
export function imageOf({ action, subject, details }: AuditRecord): EventImage {
  const named = /^([a-z0-9][a-z0-9._/-]*)(?:@((?:sha256|sha512):[0-9a-f]+)|:([\w][\w.-]*))?$/.exec(subject);
  const isImage = named !== null && /^(?:image|tag|repository|pull|scan|proxy)\./.test(action);
  if (!isImage) return { repository: undefined, digest: undefined, tags: [] };
  const told = [named[3], details["tag"], ...(Array.isArray(details["tags"]) ? (details["tags"] as unknown[]) : [])];
  const tags = told.filter((tag): tag is string => typeof tag === "string" && isTag(tag));
  return { repository: named[1], digest: named[2], tags: [...new Set(tags)].slice(0, 100) };
}

/** Makes the test whether a webhook is to be told of an event. */
export function matcherOf(webhook: WebhookRecord): (event: AuditRecord) => boolean {
  const actions = new Set(webhook.events);
  const repositories = globs(webhook.repositories);
  const tags = globs(webhook.tags);
  return (event) => {
    if (!actions.has(event.action)) return false;
    if (webhook.project !== undefined && event.project !== webhook.project) return false;
    if (repositories.length === 0 && tags.length === 0) return true;
    const image = imageOf(event);
    const { repository } = image;
    const isRepository =
      repositories.length === 0 || (repository !== undefined && repositories.some((glob) => glob.matches(repository)));
    return isRepository && (tags.length === 0 || image.tags.some((tag) => tags.some((glob) => glob.matches(tag))));
  };
}

/** Patterns are checked when a webhook is made; what is none all the same matches nothing. */
function globs(patterns: readonly string[]): Glob[] {
  return patterns.map((pattern) => {
    const glob = readGlob(pattern);
    return "invalid" in glob ? { pattern, matches: () => false } : glob;
  });
}
