/** A source package with the bytes that its archives take. */
interface SourceSize {
  readonly source: string;
  readonly sizeBytes: number;
}

/**
 * Gives each source package its layer, at most `budget` layers in all.
 *
 * The larger sources get a layer of their own; the small ones share the rest, packed evenly, so that a change
 * of any one package changes one layer and costs few bytes. A source that the previous lock placed stays
 * where it is: sizes drift, layers must not.
 */
export function planLayers(
  sources: readonly SourceSize[],
  budget: number,
  previous: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const bySize = sources.toSorted((a, b) => b.sizeBytes - a.sizeBytes || (a.source < b.source ? -1 : 1));
  const plan = new Map<string, number>();
  const loads = new Array<number>(budget).fill(0);
  for (const { source, sizeBytes } of bySize) {
    const layer = previous.get(source);
    if (layer === undefined || layer >= budget) continue;
    plan.set(source, layer);
    loads[layer]! += sizeBytes;
  }
  for (const { source, sizeBytes } of bySize) {
    if (plan.has(source)) continue;
    const layer = loads.indexOf(Math.min(...loads));
    plan.set(source, layer);
    loads[layer]! += sizeBytes;
  }
  return plan;
}
