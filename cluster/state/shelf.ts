// A sorted list that is cheap to write and cheap to read: a write only notes what changed, and the next read
// merges the notes into a new array. Arrays that were handed out never change, so a reader may keep one.
// What always holds: `sorted` with `pending` laid over it is the content; no two items of it compare equal.

import type { ObjectKey } from '../ids.ts';
import { assert } from '../assert.ts';

export interface Shelf<T> {
  readonly compare: (a: T, b: T) => number;
  sorted: readonly T[];
  /** What was put or taken since `sorted` was made. `item` of one that is gone only says where it was. */
  readonly pending: Map<ObjectKey, { readonly item: T; readonly gone: boolean }>;
  size: number;
}

export function createShelf<T>(compare: (a: T, b: T) => number): Shelf<T> {
  return { compare, sorted: [], pending: new Map(), size: 0 };
}

/** Puts an item in; `known` says that it takes the place of one with the same key. */
export function put<T>(shelf: Shelf<T>, key: ObjectKey, item: T, known: boolean): void {
  shelf.pending.set(key, { item, gone: false });
  if (!known) shelf.size += 1;
}

/** Takes out the item with this key, which must be there. */
export function take<T>(shelf: Shelf<T>, key: ObjectKey, item: T): void {
  shelf.pending.set(key, { item, gone: true });
  shelf.size -= 1;
  assert(shelf.size >= 0, `more was taken from a shelf than it held: ${key}`);
}

/** The content in order: the same array until something changes. */
export function inOrder<T>(shelf: Shelf<T>): readonly T[] {
  if (shelf.pending.size > 0) {
    const { compare, sorted, pending } = shelf;
    const changes = [...pending.values()].sort((a, b) => compare(a.item, b.item));
    shelf.sorted = merged(sorted, changes, compare);
    pending.clear();
    assert(shelf.sorted.length === shelf.size, 'a shelf holds as many items as it counts');
  }
  return shelf.sorted;
}

type Pending<T> = { readonly item: T; readonly gone: boolean };

function merged<T>(
  sorted: readonly T[], changes: readonly Pending<T>[], compare: (a: T, b: T) => number,
): readonly T[] {
  const replaced = replacing(sorted, changes, compare);
  if (replaced !== null) return replaced;
  const result: T[] = [];
  let from = 0;
  for (const { item, gone } of changes) {
    const at = lowerBound(sorted, (other) => compare(other, item), from);
    for (let i = from; i < at; i += 1) result.push(sorted[i] as T);
    from = at < sorted.length && compare(sorted[at] as T, item) === 0 ? at + 1 : at;
    if (!gone) result.push(item);
  }
  for (let i = from; i < sorted.length; i += 1) result.push(sorted[i] as T);
  return result;
}

/** The common case, for which one block copy does: nothing came and nothing went. Else null. */
function replacing<T>(
  sorted: readonly T[], changes: readonly Pending<T>[], compare: (a: T, b: T) => number,
): readonly T[] | null {
  if (changes.length > sorted.length) return null;
  const places: number[] = [];
  for (const { item, gone } of changes) {
    if (gone) return null;
    const at = lowerBound(sorted, (other) => compare(other, item), places.at(-1) ?? 0);
    if (at === sorted.length || compare(sorted[at] as T, item) !== 0) return null;
    places.push(at);
  }
  const result = sorted.slice();
  places.forEach((at, n) => { result[at] = (changes[n] as Pending<T>).item; });
  return result;
}

/** The first position from `low` on for which `compare` (item to what is sought) is not negative. */
export function lowerBound<T>(sorted: readonly T[], compare: (item: T) => number, low = 0): number {
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(sorted[middle] as T) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
