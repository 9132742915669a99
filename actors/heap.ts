// A binary heap of keys by (at, sequence): what is due first. Plain data, so that it may live in a machine's
// context. Its owner drops entries that have become stale when they come up; the heap never looks inside.
// What always holds: equal times come out in the order they were put in.

export interface Heap { readonly entries: HeapEntry[]; sequence: number }

export interface HeapEntry { readonly at: number; readonly sequence: number; readonly key: string }

export const createHeap = (): Heap => ({ entries: [], sequence: 0 });

/** Puts `key` in; the sequence number it gets tells this entry from others of the same key. */
export function push(heap: Heap, at: number, key: string): number {
  const { entries } = heap;
  const sequence = (heap.sequence += 1);
  const entry = { at, sequence, key };
  let hole = entries.length;
  entries.push(entry);
  while (hole > 0) {
    const parent = (hole - 1) >> 1;
    const above = entries[parent];
    if (above === undefined || !before(entry, above)) break;
    entries[hole] = above;
    hole = parent;
  }
  entries[hole] = entry;
  return sequence;
}

export const peek = (heap: Heap): HeapEntry | null => heap.entries[0] ?? null;

export function pop(heap: Heap): HeapEntry | null {
  const { entries } = heap;
  const first = entries[0];
  const last = entries.pop();
  if (first === undefined || last === undefined) return null;
  if (entries.length > 0) sink(entries, last);
  return first;
}

function sink(entries: HeapEntry[], entry: HeapEntry): void {
  let hole = 0;
  for (;;) {
    const left = 2 * hole + 1;
    const a = entries[left], b = entries[left + 1];
    if (a === undefined) break;
    const child = b !== undefined && before(b, a) ? left + 1 : left;
    const lesser = child === left ? a : b;
    if (lesser === undefined || !before(lesser, entry)) break;
    entries[hole] = lesser;
    hole = child;
  }
  entries[hole] = entry;
}

const before = (a: HeapEntry, b: HeapEntry): boolean =>
  a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
