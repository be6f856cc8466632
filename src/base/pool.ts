/**
 * Runs one task for each item, at most `width` at a time, and returns the results in the items' order.
 *
 * The first failure stops new tasks from starting; it is thrown once the running ones have ended, so that
 * nothing works on in the background afterwards.
 */
export async function mapParallel<Item, Result>(
  items: readonly Item[],
  width: number,
  task: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  async function lane(): Promise<void> {
    while (next < items.length && failure === undefined) {
      const index = next++;
      try {
        results[index] = await task(items[index]!, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  if (failure !== undefined) throw failure.error;
  return results;
}

/**
 * Runs one task for each item of a stream, at most `width` at a time; the items are read only as fast as they are done.
 *
 * The first failure stops new tasks from starting; it is thrown once the running ones have ended.
 */
export async function eachParallel<Item>(
  items: AsyncIterable<Item>,
  width: number,
  task: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let failure: { readonly error: unknown } | undefined;
  async function lane(): Promise<void> {
    while (failure === undefined) {
      try {
        // A generator answers calls in their order, so the lanes may ask at the same time.
        const next = await iterator.next();
        if (next.done === true) return;
        await task(next.value);
      } catch (error) {
        failure ??= { error };
      }
    }
  }
  await Promise.all(Array.from({ length: width }, lane));
  if (failure === undefined) return;
  await iterator.return?.();
  throw failure.error;
}
