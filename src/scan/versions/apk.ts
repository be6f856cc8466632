/**
 * Compares two Alpine versions as apk does: negative if `a` sorts first, 0 if equal, positive if `b` does.
 *
 * Numbers, then a letter, then suffixes (`_alpha` below none, `_p` above), then the revision `-r`. A number with a leading
 * zero behind a dot counts as a fraction. Source: apk-tools 2, version.c; its rules decide also over versions that it
 * would refuse.
 */
export function compareApk(a: string, b: string): number {
  if (a === b) return 0;
  const left = new Tokens(a);
  const right = new Tokens(b);
  let order = 0;
  while (left.kind === right.kind && left.kind !== kinds.end && left.kind !== kinds.invalid && order === 0)
    order = compareValues(left.take(), right.take());
  if (order !== 0 || left.kind === right.kind) return order;
  // The one that goes on is the later one, unless it goes on with a suffix that stands for "before".
  if (left.kind === kinds.suffix && left.take() < 0) return -1;
  if (right.kind === kinds.suffix && right.take() < 0) return 1;
  return right.kind - left.kind;
}

/** In the order in which they may follow each other; what ends sooner has the greater kind and is the lesser. */
const kinds = {
  invalid: -1,
  firstDigits: 0,
  digits: 1,
  letter: 2,
  suffix: 3,
  suffixNumber: 4,
  revision: 5,
  end: 6,
} as const;
type Kind = (typeof kinds)[keyof typeof kinds];

const before = ["alpha", "beta", "pre", "rc"];
const behind = ["cvs", "svn", "git", "hg", "p"];

/** Takes a version apart from the left. */
class Tokens {
  kind: Kind = kinds.digits;
  #rest: string;

  constructor(text: string) {
    this.#rest = text.trim();
    if (this.#rest === "") this.kind = kinds.end;
  }

  /** The value of the token that the text stands at; then it stands at the next, whose kind is in `kind`. */
  take(): number | bigint {
    const rest = this.#rest;
    const leading = this.kind === kinds.firstDigits ? /^0+/.exec(rest)?.[0] : undefined;
    if (leading !== undefined) {
      this.#advance(leading.length, kinds.digits);
      return -leading.length;
    }
    if (this.kind === kinds.letter) {
      this.#advance(1);
      return rest.charCodeAt(0);
    }
    if (this.kind === kinds.suffix) return this.#takeSuffix();
    const digits = /^\d+/.exec(rest)?.[0] ?? "";
    this.#advance(digits.length);
    return digits.length < 16 ? Number(digits) : BigInt(digits);
  }

  #takeSuffix(): number {
    const early = before.findIndex((word) => this.#rest.startsWith(word));
    const late = behind.findIndex((word) => this.#rest.startsWith(word));
    const word = before[early] ?? behind[late];
    if (word === undefined) {
      this.kind = kinds.invalid;
      return -1;
    }
    this.#advance(word.length);
    return early >= 0 ? early - before.length : late;
  }

  #advance(length: number, next?: Kind): void {
    this.#rest = this.#rest.slice(length);
    if (this.#rest === "") this.kind = kinds.end;
    else if (next !== undefined) this.kind = next;
    else this.#findNext();
  }

  #findNext(): void {
    const { kind } = this;
    const first = this.#rest[0]!;
    const isDigit = /[0-9]/.test(first);
    let next: Kind = kinds.invalid;
    let skipped = 0;
    if ((kind === kinds.digits || kind === kinds.firstDigits) && /[a-z]/.test(first)) next = kinds.letter;
    else if (kind === kinds.letter && isDigit) next = kinds.digits;
    else if (kind === kinds.suffix && isDigit) next = kinds.suffixNumber;
    else {
      skipped = 1;
      if (first === ".") next = kinds.firstDigits;
      else if (first === "_") next = kinds.suffix;
      else if (this.#rest.startsWith("-r")) {
        next = kinds.revision;
        skipped = 2;
      }
    }
    this.#rest = this.#rest.slice(skipped);
    const mayGoBack =
      (next === kinds.firstDigits && kind === kinds.digits) ||
      (next === kinds.suffix && kind === kinds.suffixNumber) ||
      (next === kinds.digits && kind === kinds.letter);
    this.kind = next < kind && !mayGoBack ? kinds.invalid : next;
  }
}

function compareValues(a: number | bigint, b: number | bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
