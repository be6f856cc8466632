import type { AuditRecord } from "../../store/event-records.ts";

/** The first line of the CSV of events. */
export const csvHeader = "sequence,time,actor,address,action,project,subject,details,hash\r\n";

/** One event as a line of CSV. Source: RFC 4180. */
export function csvLine(event: AuditRecord): string {
  const { sequence, at, actor, address = "", action, project = "", subject, details, hash } = event;
  const cells = [
    String(sequence),
    new Date(at).toISOString(),
    actor,
    address,
    action,
    project,
    subject,
    JSON.stringify(details),
    hash,
  ];
  return `${cells.map(cell).join(",")}\r\n`;
}

/** Spreadsheets take what begins like this for a formula, also after they have cut the quotes off. */
const formulaStart = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;

function cell(text: string): string {
  const harmless = formulaStart.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
