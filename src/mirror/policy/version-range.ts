/** Compares two versions: negative, 0 or positive. */
export type VersionOrder = (a: string, b: string) => number;

type Operator = "<" | "<=" | "=" | ">=" | ">" | "!=";

interface Condition {
  readonly operator: Operator;
  readonly version: string;
}

/** A range of versions; any of the alternatives holds where all of its conditions do. */
export interface VersionRange {
  readonly alternatives: readonly (readonly Condition[])[];
}

/** Why a text is no range; fits after a colon. */
interface InvalidRange {
  readonly invalid: string;
}

/**
 * Reads a range of versions in one form for every ecosystem: conditions such as `>=1.2` and `<1.4` with spaces or commas
 * between them, `||` between alternatives, `*` for all. A version alone stands for itself.
 */
export function readRange(text: string): VersionRange | InvalidRange {
  const alternatives: Condition[][] = [];
  for (const part of text.split("||")) {
    const words = part
      .replaceAll(/([<>=!])\s+/g, "$1")
      .split(/[\s,]+/)
      .filter((word) => word !== "");
    if (words.length === 0) return { invalid: "it has an empty alternative" };
    const conditions: Condition[] = [];
    for (const word of words) {
      if (word === "*") continue;
      const match = /^(<=|>=|!=|==?|<|>)?([^<>=!*^~]+)$/.exec(word);
      if (match === null) return { invalid: `"${word}" is no condition` };
      const operator = match[1] === undefined || match[1] === "==" ? "=" : (match[1] as Operator);
      conditions.push({ operator, version: match[2]! });
    }
    alternatives.push(conditions);
  }
  return { alternatives };
}

/** Whether a version lies in a range. */
export function isInRange(version: string, range: VersionRange, compare: VersionOrder): boolean {
  return range.alternatives.some((conditions) =>
    conditions.every(({ operator, version: limit }) => holds(operator, compare(version, limit))),
  );
}

function holds(operator: Operator, order: number): boolean {
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">":
      return order > 0;
    case "!=":
      return order !== 0;
  }
}
