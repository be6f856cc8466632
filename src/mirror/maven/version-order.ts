/** A version as it is compared: numbers, words and the lists that hyphens open. */
type Item = bigint | string | readonly Item[];

/** Qualifiers in their order; the empty one is the release itself. */
const qualifiers = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
const aliases: Readonly<Record<string, string>> = { ga: "", final: "", release: "", cr: "rc" };
const shortForms: Readonly<Record<string, string>> = { a: "alpha", b: "beta", m: "milestone" };

/**
 * Orders versions from old to new as Maven does.
 *
 * Source: Maven's "Version Order Specification" in the POM reference, and its ComparableVersion.
 */
export function compareMavenVersions(left: string, right: string): number {
  return compareLists(parse(left), parse(right));
}

function parse(version: string): readonly Item[] {
  const root: Item[] = [];
  let list = root;
  // Beyond this no version is meant, and each hyphen goes one list deeper.
  const text = version.toLowerCase().slice(0, 256);
  const tokens = text.match(/\d+|[^\d.-]+|[.-]/g) ?? [];
  const open: Item[][] = [root];
  const deepen = (): void => {
    const inner: Item[] = [];
    list.push(inner);
    open.push(inner);
    list = inner;
  };
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1];
    const isSeparator = token === "." || token === "-";
    if (isSeparator) {
      if (before === undefined || before === "." || before === "-") list.push(0n);
      if (token === "-") deepen();
      continue;
    }
    const isNumber = /^\d/.test(token);
    const next = tokens[index + 1];
    const wasOther = before !== undefined && before !== "." && before !== "-";
    // A word stands as if a hyphen were before it: `1.0.RC1` is `1.0-RC1`.
    const opens = !isNumber && list.length > 0 && next !== "." && next !== "-";
    if (wasOther || opens) deepen();
    list.push(isNumber ? BigInt(token) : qualifierOf(token, /^\d/.test(next ?? "")));
  }
  for (const items of open.toReversed()) trimEnd(items);
  return root;
}

function qualifierOf(word: string, isBeforeNumber: boolean): string {
  const whole = isBeforeNumber ? (shortForms[word] ?? word) : word;
  return aliases[whole] ?? whole;
}

/** `1.0`, `1` and `1-ga` are one version: what says nothing is left out from the end to the first that says something. */
function trimEnd(items: Item[]): void {
  for (let index = items.length - 1; index >= 0; index -= 1) {
    const item = items[index]!;
    if (item === 0n || item === "" || (typeof item === "object" && item.length === 0)) items.splice(index, 1);
    else if (typeof item !== "object") break;
  }
}

function compareLists(left: readonly Item[], right: readonly Item[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const [a, b] = [left[index], right[index]];
    const order =
      a === undefined ? -compareWithNothing(b!) : b === undefined ? compareWithNothing(a) : compareItems(a, b);
    if (order !== 0) return order;
  }
  return 0;
}

/** Numbers are newer than lists, lists than words. */
function compareItems(left: Item, right: Item): number {
  const rank = (item: Item): number => (typeof item === "string" ? 0 : typeof item === "object" ? 1 : 2);
  if (rank(left) !== rank(right)) return rank(left) - rank(right);
  if (typeof left === "bigint") return left < (right as bigint) ? -1 : left > (right as bigint) ? 1 : 0;
  if (typeof left === "string") return compareWords(left, right as string);
  return compareLists(left, right as readonly Item[]);
}

function compareWithNothing(item: Item): number {
  if (typeof item === "bigint") return item === 0n ? 0 : 1;
  if (typeof item === "string") return compareWords(item, "");
  for (const inner of item) {
    const order = compareWithNothing(inner);
    if (order !== 0) return order;
  }
  return 0;
}

/** Words that are no qualifier come after all that are, by their letters. */
function compareWords(left: string, right: string): number {
  const [a, b] = [left, right].map((word) =>
    qualifiers.includes(word) ? qualifiers.indexOf(word) : qualifiers.length,
  );
  if (a !== b) return a! - b!;
  return left < right ? -1 : left > right ? 1 : 0;
}
