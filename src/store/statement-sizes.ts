/**
 * Pads a list for `IN (…)` to a power of two by its last item, so that lists of any length share few statements.
 *
 * Statements are kept prepared; one for each length would push out those that every request needs.
 */
export function padded<T>(items: readonly T[]): readonly T[] {
  const last = items.at(-1);
  if (last === undefined) return items;
  const size = 2 ** Math.ceil(Math.log2(items.length));
  return items.concat(Array.from({ length: size - items.length }, () => last));
}

/** Splits rows into parts of at most `limit`, a power of two, whose sizes are powers of two too. */
export function* evenParts<T>(rows: readonly T[], limit: number): Generator<readonly T[]> {
  let start = 0;
  for (let size = limit; size >= 1; size /= 2)
    for (; rows.length - start >= size; start += size) yield rows.slice(start, start + size);
}
