/**
 * Whether a pattern fits the whole of a text.
 *
 * `*` stands for any characters but `/` and `:`, which divide what issuers write into a subject, so that
 * `repo:team/*:ref:refs/heads/main` cannot be met by a branch of another name; `**` stands for any at all.
 * Takes time in proportion to both lengths, whatever they hold.
 */
export function fitsPattern(pattern: string, text: string): boolean {
  const parts = pattern
    .split(/(\*+)/)
    .flatMap((part): (string | symbol)[] => (part.startsWith("*") ? [wildcard(part)] : Array.from(part)));
  let states = withSkips(parts, new Set([0]));
  for (const character of text) {
    const next = new Set<number>();
    for (const state of states) {
      const part = parts[state];
      if (part === everything || (part === withinPart && character !== "/" && character !== ":")) next.add(state);
      else if (part === character) next.add(state + 1);
    }
    if (next.size === 0) return false;
    states = withSkips(parts, next);
  }
  return states.has(parts.length);
}

const everything = Symbol("**");
const withinPart = Symbol("*");

function wildcard(stars: string): symbol {
  return stars.length > 1 ? everything : withinPart;
}

/** A wildcard may also stand for nothing. */
function withSkips(parts: readonly (string | symbol)[], states: Set<number>): Set<number> {
  // A set is walked in order of insertion, what is added on the way too.
  for (const state of states) if (typeof parts[state] === "symbol") states.add(state + 1);
  return states;
}
