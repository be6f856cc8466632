/**
 * Compares two versions by SemVer's precedence, with any count of numbers before the hyphen; build metadata does not count.
 *
 * Source: Semantic Versioning 2.0.0, section 11.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  const byNumbers = compareNumbers(left.numbers, right.numbers);
  if (byNumbers !== 0) return byNumbers;
  if (left.labels.length === 0 || right.labels.length === 0) return Math.sign(right.labels.length - left.labels.length);
  for (let index = 0; index < Math.max(left.labels.length, right.labels.length); index++) {
    const [one, other] = [left.labels[index], right.labels[index]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    const order = compareLabels(one, other);
    if (order !== 0) return order;
  }
  return 0;
}

function split(version: string): { numbers: readonly string[]; labels: readonly string[] } {
  const precise = version.split("+", 1)[0]!;
  const hyphen = precise.indexOf("-");
  const numbers = (hyphen === -1 ? precise : precise.slice(0, hyphen)).split(".");
  return { numbers, labels: hyphen === -1 ? [] : precise.slice(hyphen + 1).split(".") };
}

function compareNumbers(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const order = compareLabels(a[index] ?? "0", b[index] ?? "0");
    if (order !== 0) return order;
  }
  return 0;
}

/** Numbers by their value however long they are, and before words; words by code points. */
function compareLabels(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  const [one, other] = isNumber ? [a.replace(/^0+(?=\d)/, ""), b.replace(/^0+(?=\d)/, "")] : [a, b];
  if (isNumber && one.length !== other.length) return Math.sign(one.length - other.length);
  return one < other ? -1 : one > other ? 1 : 0;
}
