// Delta debugging (Zeller and Hildebrandt, 2002): from a list that fails, the smallest sublist that is found
// to fail still. What always holds: the answer is a sublist in the same order, and it failed when it was
// tried; where nothing stopped the search, it passes with any single element taken out.

/** Of the candidates, the first that fails; null if none does, or if the search is to end. */
export type FirstFailing<T> = (candidates: readonly (readonly T[])[]) => Promise<number | null>;

/** `items` as a whole are known to fail. `least`: shorter lists are not tried. */
export async function ddmin<T>(
  items: readonly T[], firstFailing: FirstFailing<T>, least: 0 | 1 = 0,
): Promise<readonly T[]> {
  if (items.length <= least) return items;
  if (least === 0 && await firstFailing([[]]) === 0) return [];
  let current = items, parts = 2;
  while (current.length >= 2) {
    const chunks = split(current, parts);
    // Of two halves, each is what the other leaves.
    const rests = parts === 2 ? [] : chunks.map((_, left) => chunks.filter((__, at) => at !== left).flat());
    const candidates = [...chunks, ...rests];
    const found = await firstFailing(candidates);
    if (found !== null) {
      current = candidates[found] as readonly T[];
      parts = found < chunks.length ? 2 : Math.max(2, parts - 1);
    } else if (parts >= current.length) {
      break;
    }
    parts = Math.min(current.length, found === null ? parts * 2 : parts);
  }
  return current;
}

/** As many parts as asked for, in order, of sizes that differ by one at most. */
function split<T>(items: readonly T[], parts: number): T[][] {
  const start = (part: number): number => Math.floor(items.length * part / parts);
  return Array.from({ length: parts }, (_, part) => items.slice(start(part), start(part + 1)));
}
