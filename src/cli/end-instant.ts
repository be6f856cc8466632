import { isoSeconds, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * The instant that a person means by `30d`, `12h`, `2w`, `2026-12-31` (its end in UTC) or a full ISO 8601 instant.
 *
 * @throws Failure `usage`
 */
export function endOf(text: string): string {
  const span = /^(\d{1,4})([hdw])$/.exec(text);
  if (span !== null) return isoSeconds(nowMs() + Number(span[1]) * unitMs[span[2]!]!);
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isInstant = /^\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})$/.test(text);
  const ms = isDate ? Date.parse(`${text}T23:59:59Z`) : isInstant ? Date.parse(text) : Number.NaN;
  // Days that their month does not have would be taken for some of the next.
  const hasRolled = isDate && !Number.isNaN(ms) && !isoSeconds(ms).startsWith(text);
  if (Number.isNaN(ms) || hasRolled)
    throw new Failure("usage", `Cannot read the end "${text}": it is neither a span nor a date`, {
      hint: "Write such as 30d, 12h, 2026-12-31",
    });
  return isoSeconds(ms);
}
