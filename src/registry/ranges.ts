/** First and last byte, both inclusive, counted from 0. */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a `Range` header against a size.
 *
 * @returns undefined where the whole is to be served: no header, another unit, several ranges, or nonsense, as
 *   RFC 9110 section 14.2 allows; `unsatisfiable` where the answer is 416
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | "unsatisfiable" | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  if (first === "") {
    const count = Math.min(Number(last), sizeBytes);
    return count === 0 ? "unsatisfiable" : { start: sizeBytes - count, end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  return start < sizeBytes && start <= end ? { start, end } : "unsatisfiable";
}

/**
 * Reads the `Content-Range` of a chunk, `first-last`, both inclusive.
 *
 * Source: OCI distribution spec, "Pushing a blob in chunks"; the unit of RFC 9110 is let be.
 */
export function parseContentRange(header: string): ByteRange | undefined {
  const [, first, last] = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/[\d*]+)?$/.exec(header.trim()) ?? [];
  if (first === undefined || Number(first) > Number(last)) return undefined;
  return { start: Number(first), end: Number(last) };
}
