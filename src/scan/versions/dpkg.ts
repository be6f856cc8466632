/**
 * Compares two Debian versions as dpkg does: negative if `a` sorts first, 0 if equal, positive if `b` does.
 *
 * Epoch, upstream version, revision, each in runs of non-digits and numbers; `~` sorts before the end, letters before
 * other signs. A total order over all strings, also over those that dpkg would warn about.
 * Source: deb-version(7), Debian Policy 5.6.12; `dpkg --compare-versions` is the oracle of the tests.
 */
export function compareDpkg(a: string, b: string): number {
  if (a === b) return 0;
  const left = splitVersion(a);
  const right = splitVersion(b);
  return (
    compareNumbers(left.epoch, right.epoch) ||
    comparePart(left.upstream, right.upstream) ||
    comparePart(left.revision, right.revision)
  );
}

interface VersionParts {
  readonly epoch: string;
  readonly upstream: string;
  readonly revision: string;
}

function splitVersion(text: string): VersionParts {
  const version = text.trim();
  const colon = version.indexOf(":");
  const hasEpoch = colon > 0 && allDigits.test(version.slice(0, colon));
  const rest = hasEpoch ? version.slice(colon + 1) : version;
  const dash = rest.lastIndexOf("-");
  return {
    epoch: hasEpoch ? version.slice(0, colon) : "0",
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? "" : rest.slice(dash + 1),
  };
}

const allDigits = /^\d+$/;

/** One pass over both texts: signs by rank until both stand at a number, then the numbers, and so on. */
function comparePart(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = rankAt(a, i) - rankAt(b, j);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
    const startA = i;
    const startB = j;
    while (isDigit(a, i)) i++;
    while (isDigit(b, j)) j++;
    const difference = compareNumbers(a.slice(startA, i), b.slice(startB, j));
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `~` below the end (and below a number, which counts as the end), letters by code, other signs above all letters. */
function rankAt(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (code === 0x7e) return -1;
  const isLetter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return isLetter ? code : code + 256;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** Compares digits of any length as numbers; no digits are zero. */
function compareNumbers(a: string, b: string): number {
  const left = withoutZeros(a);
  const right = withoutZeros(b);
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

function withoutZeros(digits: string): string {
  let start = 0;
  while (start < digits.length && digits.charCodeAt(start) === 0x30) start++;
  return start === 0 ? digits : digits.slice(start);
}
