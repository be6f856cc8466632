import { Failure } from "../base/errors.ts";

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * The seconds that a person means by `90s`, `30m`, `2h`, `7d`, `1w` or `0`.
 *
 * @throws Failure `usage`
 */
export function spanSeconds(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhdw])$/.exec(text === "0" ? "0s" : text) ?? [];
  if (count !== undefined && unit !== undefined) return Number(count) * unitSeconds[unit]!;
  throw new Failure("usage", `Cannot read the span "${text}": it is not a number with a unit`, {
    hint: "Write such as 90s, 30m, 2h, 7d, or 0",
  });
}
