import type { Extent, RangeEvent } from "../store/advisories-records.ts";

/** Compares two versions of one kind of package: negative, 0 or positive. */
export type VersionOrder = (a: string, b: string) => number;

/** Why a version is affected, and from which version on it is not. */
export interface RangeMatch {
  /** Such as `from 1.2 to before 1.4-1`. */
  readonly range: string;
  /** The first version above that is not affected, or undefined where there is none yet. */
  readonly fixedVersion: string | undefined;
}

/**
 * Whether a version lies in an extent: undefined where not, else the range that it lies in.
 *
 * Events may come in any order; `introduced` 0 stands for the first version there ever was. Of several ranges that hold it,
 * the one with the lowest fix is told. Source: OSV schema, "Evaluation".
 */
export function matchExtent(version: string, extent: Extent, compare: VersionOrder): RangeMatch | undefined {
  const matches = extent.ranges.flatMap((events) => matchRange(version, events, compare) ?? []);
  if (matches.length === 0) {
    if (!extent.versions.some((affected) => compare(affected, version) === 0)) return undefined;
    return { range: "in the list of affected versions", fixedVersion: firstFixAbove(version, extent, compare) };
  }
  return matches.reduce((best, match) => {
    if (match.fixedVersion === undefined) return best;
    return best.fixedVersion === undefined || compare(match.fixedVersion, best.fixedVersion) < 0 ? match : best;
  });
}

function matchRange(version: string, events: readonly RangeEvent[], compare: VersionOrder): RangeMatch | undefined {
  // Nearly every range of a distribution: from the first version to a fix that is installed already.
  if (events.length === 2 && events[1]![0] === "fixed" && compare(version, events[1]![1]) >= 0 && events[0]![1] === "0")
    return undefined;
  const sorted = [...events].sort((a, b) => compareEvents(a, b, compare));
  let from: string | undefined;
  let until: RangeEvent | undefined;
  for (const event of sorted) {
    const [kind, at] = event;
    if (isPast(version, event, compare)) from = kind === "introduced" ? (from ?? at) : undefined;
    else if (kind !== "introduced") {
      until = event;
      break;
    }
  }
  if (from === undefined) return undefined;
  const start = from === "0" ? "every version" : `from ${from}`;
  if (until === undefined)
    return { range: from === "0" ? "every version, no fix yet" : `${start} on, no fix yet`, fixedVersion: undefined };
  if (until[0] === "fixed")
    return { range: `${from === "0" ? start : `${start} to`} before ${until[1]}`, fixedVersion: until[1] };
  const fix = sorted.find(([kind, at]) => kind === "fixed" && compare(at, version) > 0);
  return { range: `${start} up to and with ${until[1]}`, fixedVersion: fix?.[1] };
}

/** Whether a version is at or beyond an event; a last affected version is not beyond itself. */
function isPast(version: string, [kind, at]: RangeEvent, compare: VersionOrder): boolean {
  if (kind === "introduced" && at === "0") return true;
  const order = compare(version, at);
  return kind === "last_affected" ? order > 0 : order >= 0;
}

/** At one version, a range ends before the next begins; the last affected version begins before it ends. */
const kindOrder = { fixed: 0, introduced: 1, last_affected: 2 } as const;

function compareEvents(a: RangeEvent, b: RangeEvent, compare: VersionOrder): number {
  const isZero = (event: RangeEvent): boolean => event[0] === "introduced" && event[1] === "0";
  if (isZero(a) || isZero(b)) return Number(isZero(b)) - Number(isZero(a));
  return compare(a[1], b[1]) || kindOrder[a[0]] - kindOrder[b[0]];
}

function firstFixAbove(version: string, extent: Extent, compare: VersionOrder): string | undefined {
  const fixes = extent.ranges.flat().filter(([kind, at]) => kind === "fixed" && compare(at, version) > 0);
  return fixes.map(([, at]) => at).sort(compare)[0];
}
