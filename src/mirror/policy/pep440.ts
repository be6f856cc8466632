/** The parts of a version in the order in which they are compared. */
interface PythonVersion {
  readonly epoch: number;
  readonly release: readonly number[];
  /** Development releases come before pre-releases, those before the release, posts after it. */
  readonly pre: readonly [rank: number, number: number];
  readonly post: number;
  readonly development: number;
  readonly local: readonly string[];
}

const form =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[._-]?(alpha|a|beta|b|preview|pre|c|rc)[._-]?(\d*))?(?:(?:-(\d+))|(?:[._-]?(?:post|rev|r)[._-]?(\d*)))?([._-]?dev[._-]?(\d*))?(?:\+([a-z0-9]+(?:[._-][a-z0-9]+)*))?$/;

const preRanks: Readonly<Record<string, number>> = { a: 0, alpha: 0, b: 1, beta: 1, c: 2, rc: 2, pre: 2, preview: 2 };

/**
 * Orders Python versions from old to new; what is no version comes before all, by code points.
 *
 * Source: the version specifiers specification (PEP 440), "Summary of permitted suffixes and relative ordering".
 */
export function comparePythonVersions(left: string, right: string): number {
  const [a, b] = [parse(left), parse(right)];
  if (a === undefined || b === undefined) {
    if (a === undefined && b === undefined) return left < right ? -1 : left > right ? 1 : 0;
    return a === undefined ? -1 : 1;
  }
  return (
    a.epoch - b.epoch ||
    compareNumbers(a.release, b.release) ||
    compareNumbers(a.pre, b.pre) ||
    compareNumbers([a.post, a.development], [b.post, b.development]) ||
    compareLocal(a.local, b.local)
  );
}

function parse(text: string): PythonVersion | undefined {
  const match = form.exec(text.trim().toLowerCase());
  if (match === null) return undefined;
  const [, epoch, release, preWord, preNumber, shortPost, postNumber, development, developmentNumber, local] = match;
  const hasPost = shortPost !== undefined || postNumber !== undefined;
  const isDevelopment = development !== undefined;
  return {
    epoch: Number(epoch ?? 0),
    release: release!.split(".").map(Number),
    pre:
      preWord !== undefined
        ? [preRanks[preWord]!, Number(preNumber === "" ? 0 : preNumber)]
        : isDevelopment && !hasPost
          ? [-1, 0]
          : [3, 0],
    post: hasPost ? Number(shortPost ?? (postNumber === "" ? 0 : postNumber)) : -1,
    development: isDevelopment ? Number(developmentNumber === "" ? 0 : developmentNumber) : Infinity,
    local: local?.split(/[._-]/) ?? [],
  };
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [one, other] = [a[index] ?? 0, b[index] ?? 0];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}

/** Numbers come after words, and by value; a longer label after its own beginning. */
function compareLocal(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [one, other] = [a[index], b[index]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    if (one === other) continue;
    const [isNumber, isOther] = [/^\d+$/.test(one), /^\d+$/.test(other)];
    if (isNumber !== isOther) return isNumber ? 1 : -1;
    if (isNumber && Number(one) !== Number(other)) return Number(one) - Number(other);
    if (!isNumber) return one < other ? -1 : 1;
  }
  return 0;
}
