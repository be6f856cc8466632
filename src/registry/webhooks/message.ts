import type { AuditRecord } from "../../store/event-records.ts";
import { imageOf } from "./matching.ts";

/** What messages look like. */
export type MessageFormat = "cloudevents" | "slack";

/** The media type of a body. */
export const contentTypes: Readonly<Record<MessageFormat, string>> = {
  cloudevents: "application/cloudevents+json; charset=utf-8",
  slack: "application/json; charset=utf-8",
};

/** The body that tells of an event. @param source a URI that names this registry */
export function messageBody(format: MessageFormat, event: AuditRecord, source: string): string {
  return JSON.stringify(format === "slack" ? slackMessage(event) : cloudEvent(event, source));
}

/** Source: CloudEvents 1.0.2 section 3 and its JSON format section 3.1; `sequence` is a documented extension. */
function cloudEvent(event: AuditRecord, source: string): unknown {
  const { id, at, action, subject, sequence, actor, project, details } = event;
  const { repository, digest, tags } = imageOf(event);
  return {
    specversion: "1.0",
    id,
    source,
    type: `mintmark.${action}`,
    subject,
    time: new Date(at).toISOString(),
    datacontenttype: "application/json",
    sequence: String(sequence).padStart(16, "0"),
    data: { action, actor, project, repository, digest, tags, details },
  };
}

/** Characters of one line of a Slack message. */
const lineChars = 600;

/** Source: Slack's incoming webhooks: `text` for notifications, `blocks` for the message itself. */
function slackMessage({ action, actor, subject, project, at, details }: AuditRecord): unknown {
  const line = `${action}: ${subject} by ${actor}`;
  const facts = Object.entries(details)
    .filter(([, value]) => typeof value === "string" || typeof value === "number")
    .slice(0, 8)
    .map(([name, value]) => `${name} ${String(value)}`);
  const context = [new Date(at).toISOString(), ...(project === undefined ? [] : [`project ${project}`]), ...facts];
  return {
    text: plain(line),
    mrkdwn: false,
    blocks: [
      { type: "section", text: { type: "plain_text", emoji: false, text: plain(line) } },
      {
        type: "context",
        elements: [{ type: "plain_text", emoji: false, text: plain(context.join(" · ")) }],
      },
    ],
  };
}

/**
 * One line of text in which Slack finds no `<!channel>`, link or other control sequence.
 *
 * Source: Slack's "Formatting text", "Escaping text"; nothing else is formatted in `plain_text` and without `mrkdwn`.
 */
function plain(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ").slice(0, lineChars);
  return line.toWellFormed().replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
