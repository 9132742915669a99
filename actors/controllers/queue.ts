// The work queue of a controller: keys that may need a look, each at most once, with a back-off of its own.
// Plain data that a machine's context holds; the functions change it in place.
//
// A key is ready, waiting for its time, or busy (its commands are in flight). Adding a busy key marks it, and
// it comes back when it is done. A key that failed, or was just written, does not come back before its floor,
// however often it is added. What always holds: a key is in one of the three places or in none, and one that
// was added is looked at again at some time, unless the queue overflowed, which `overflowed` then says.

import { limits } from '../../cluster/limits.ts';
import { createHeap, peek, pop, push } from '../heap.ts';
import type { Heap } from '../heap.ts';

export interface WorkQueue {
  /** By key; a key always holds a slash, so none is integer-like. */
  readonly items: Record<string, Item>;
  size: number;
  readonly ready: Heap;
  readonly waiting: Heap;
  overflowed: boolean;
}

interface Item {
  place: 'ready' | 'waiting' | 'busy';
  /** The heap entry that counts; older ones of this key are stale. */
  entry: number;
  dueMs: number;
  floorMs: number;
  failures: number;
  again: boolean;
}

export const createQueue = (): WorkQueue =>
  ({ items: {}, size: 0, ready: createHeap(), waiting: createHeap(), overflowed: false });

/** The key may need a look, now. */
export function add(queue: WorkQueue, key: string, nowMs: number): void {
  const item = queue.items[key];
  if (item === undefined) {
    const fresh = newItem(queue, key, nowMs);
    if (fresh !== null) makeReady(queue, key, fresh);
  } else if (item.place === 'busy') item.again = true;
  else if (item.place === 'waiting') waitUntil(queue, key, item, Math.max(nowMs, item.floorMs));
}

/** The next key to look at, now busy; null if none is due. */
export function take(queue: WorkQueue, nowMs: number): string | null {
  wake(queue, nowMs);
  for (let entry = pop(queue.ready); entry !== null; entry = pop(queue.ready)) {
    const item = queue.items[entry.key];
    if (item === undefined || item.place !== 'ready' || item.entry !== entry.sequence) continue;
    item.place = 'busy';
    item.again = false;
    return entry.key;
  }
  return null;
}

export interface Done {
  /** `nothing`: there was nothing to write. */
  readonly result: 'nothing' | 'written' | 'failed';
  readonly requeueAfterMs: number | null;
}

/** A busy key is done; says how many times in a row it has failed. */
export function done(queue: WorkQueue, key: string, { result, requeueAfterMs }: Done, nowMs: number): number {
  const item = queue.items[key];
  if (item === undefined || item.place !== 'busy') return 0;
  item.failures = result === 'failed' ? item.failures + 1 : 0;
  const rest =
    result === 'failed' ? backoffMs(item.failures) : result === 'written' ? limits.controllerSettleMs : 0;
  item.floorMs = nowMs + rest;
  // What was written has changed what the key depends on: one more look, which ends in silence.
  const again = item.again || result !== 'nothing' ? rest : requeueAfterMs;
  if (again === null) {
    delete queue.items[key];
    queue.size -= 1;
  } else if (again <= 0) makeReady(queue, key, item);
  else waitUntil(queue, key, item, nowMs + again);
  return item.failures;
}

/** Whether a key is due now. */
export function hasReady(queue: WorkQueue, nowMs: number): boolean {
  wake(queue, nowMs);
  return queue.ready.entries.length > 0;
}

/** When the next waiting key is due, or null. */
export function nextDueMs(queue: WorkQueue): number | null {
  for (let first = peek(queue.waiting); first !== null; first = peek(queue.waiting)) {
    const item = queue.items[first.key];
    if (item !== undefined && item.place === 'waiting' && item.entry === first.sequence) return first.at;
    pop(queue.waiting);
  }
  return null;
}

function backoffMs(failures: number): number {
  return Math.min(
    limits.controllerBackoffMsMax,
    limits.controllerBackoffMsMin * 2 ** Math.min(failures - 1, 20),
  );
}

function newItem(queue: WorkQueue, key: string, nowMs: number): Item | null {
  if (queue.size >= limits.controllerQueueMax) {
    queue.overflowed = true;
    return null;
  }
  const item: Item = { place: 'waiting', entry: 0, dueMs: nowMs, floorMs: nowMs, failures: 0, again: false };
  queue.items[key] = item;
  queue.size += 1;
  return item;
}

function makeReady(queue: WorkQueue, key: string, item: Item): void {
  item.place = 'ready';
  item.entry = push(queue.ready, 0, key);
}

function waitUntil(queue: WorkQueue, key: string, item: Item, dueMs: number): void {
  if (item.place === 'waiting' && item.entry > 0 && item.dueMs <= dueMs) return;
  item.place = 'waiting';
  item.dueMs = dueMs;
  item.entry = push(queue.waiting, dueMs, key);
}

function wake(queue: WorkQueue, nowMs: number): void {
  for (let dueMs = nextDueMs(queue); dueMs !== null && dueMs <= nowMs; dueMs = nextDueMs(queue)) {
    const entry = pop(queue.waiting);
    const item = entry === null ? undefined : queue.items[entry.key];
    if (entry !== null && item !== undefined) makeReady(queue, entry.key, item);
  }
}
