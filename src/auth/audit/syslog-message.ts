import type { AuditRecord } from "../../store/event-records.ts";

/** How messages are formed. */
export interface SyslogForm {
  /** RFC 5424 table 1. */
  readonly facility: number;
  readonly hostName: string;
  /** A longer message is cut at its end, the structured data stays whole. */
  readonly limitBytes: number;
}

/**
 * One event as a syslog message. Source: RFC 5424 section 6.
 *
 * Its facts are structured data of the element `event@32473` (the number that RFC 5612 keeps for examples), its
 * sequence number is also the `sequenceId` of the element `meta`; the text after them is for people.
 */
export function syslogMessage(event: AuditRecord, { facility, hostName, limitBytes }: SyslogForm): Buffer {
  const { sequence, id, at, actor, address, action, project, subject, details, hash } = event;
  const priority = facility * 8 + severityOf(action);
  const header = `<${priority}>1 ${new Date(at).toISOString()} ${printable(hostName, 64)} mintmark - ${printable(action, 32)}`;
  const facts = { sequence: String(sequence), id, actor, address, action, project, subject, hash };
  const parameters = Object.entries(facts).map(([name, value]) =>
    value === undefined ? "" : ` ${name}="${parameter(value, limitBytes / (name === "subject" ? 4 : 16))}"`,
  );
  const elements = `[meta sequenceId="${((sequence - 1) % 2_147_483_647) + 1}"][event@32473${parameters.join("")}]`;
  const text = harmless(`${actor} ${action} ${subject} ${JSON.stringify(details)}`);
  // What is not ASCII must say that it is UTF-8, by its first character.
  const message = /^[\x20-\x7e]*$/.test(text) ? text : `\uFEFF${text}`;
  return Buffer.from(cutBytes(`${header} ${elements} ${message}`, limitBytes));
}

const warnings = /(?:\.failed|\.denied|\.refused|\.exceeded|\.expiring)$/;

/** Severities of RFC 5424 table 2: warning for what was refused, informational for pulls, else notice. */
function severityOf(action: string): number {
  if (warnings.test(action)) return 4;
  return action === "image.pulled" ? 6 : 5;
}

/** PRINTUSASCII, the only characters of the header. */
function printable(text: string, lengthMax: number): string {
  return text.replaceAll(/[^\x21-\x7e]/g, "?").slice(0, lengthMax) || "-";
}

/** A value inside quotes; half an escape at its end is left out. Source: RFC 5424 section 6.3.3. */
function parameter(value: string, limit: number): string {
  const escaped = harmless(value).replaceAll(/["\\\]]/g, String.raw`\$&`);
  return cutBytes(escaped, limit).replace(/(?<!\\)((?:\\\\)*)\\$/, "$1");
}

/** Line ends and other control characters would begin a line of their own in the receiver's file. */
function harmless(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The longest beginning of whole characters that has so many bytes. */
function cutBytes(text: string, limitBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limitBytes) return text;
  let end = limitBytes;
  // Bytes 10xxxxxx go on with a character.
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString("utf8");
}
