// The pods that wait for a node: active ones in order of priority, then of arrival; others until their
// back-off is over, or until something changes that may help them, or five minutes have passed.
// Source: Kubernetes' scheduling queue (active, backoff, unschedulable).
// Plain data that the machine's context holds; the functions change it in place.

import { limits } from '../../cluster/limits.ts';
import { createHeap, peek, pop, push } from '../heap.ts';
import type { Heap } from '../heap.ts';

export interface PodQueue {
  readonly items: Record<string, QueuedPod>;
  readonly active: Heap;
  readonly waiting: Heap;
  unschedulable: number;
}

export interface QueuedPod {
  readonly uid: string;
  readonly priority: number;
  place: 'active' | 'backoff' | 'unschedulable' | 'binding';
  /** The heap entry that counts. */
  entry: number;
  attempts: number;
  /** Not before this, whatever changes. */
  backoffUntilMs: number;
  /** The filters that objected when it was last tried. */
  filters: readonly string[];
  /** Its binding goes alone, because one that shared its command was refused. */
  alone: boolean;
  /**
   * A binding whose fate is not known: it must be repeated as it was until the state shows what came of it.
   */
  undecided: { readonly node: string; readonly resourceVersion: string } | null;
}

export const createPodQueue = (): PodQueue =>
  ({ items: {}, active: createHeap(), waiting: createHeap(), unschedulable: 0 });

/** A pod without a node. One that is queued already stays where it is. */
export function offer(queue: PodQueue, key: string, uid: string, priority: number): void {
  const known = queue.items[key];
  if (known?.uid === uid) return;
  if (known !== undefined) drop(queue, key);
  const item: QueuedPod = {
    uid,
    priority,
    place: 'active',
    entry: 0,
    attempts: 0,
    backoffUntilMs: 0,
    filters: [],
    alone: false,
    undecided: null,
  };
  queue.items[key] = item;
  activate(queue, key, item);
}

export function drop(queue: PodQueue, key: string): void {
  const item = queue.items[key];
  if (item === undefined) return;
  leave(queue, item);
  delete queue.items[key];
}

/** The next pod to place, now counted as binding; null if none is due. */
export function takePod(
  queue: PodQueue,
  nowMs: number,
): { readonly key: string; readonly item: QueuedPod } | null {
  wake(queue, nowMs);
  for (let entry = pop(queue.active); entry !== null; entry = pop(queue.active)) {
    const item = queue.items[entry.key];
    if (item === undefined || item.place !== 'active' || item.entry !== entry.sequence) continue;
    item.place = 'binding';
    return { key: entry.key, item };
  }
  return null;
}

/** It fits nowhere: it waits for a change that concerns what these filters look at. */
export function setAside(queue: PodQueue, key: string, filters: readonly string[], nowMs: number): void {
  const item = queue.items[key];
  if (item === undefined) return;
  leave(queue, item);
  backOff(item, nowMs);
  item.filters = filters;
  item.place = 'unschedulable';
  queue.unschedulable += 1;
  item.entry = push(queue.waiting, nowMs + limits.unschedulableRetryMs, key);
}

/** Again after its back-off, or at once. */
export function retry(queue: PodQueue, key: string, how: 'at once' | 'after back-off', nowMs: number): void {
  const item = queue.items[key];
  if (item === undefined) return;
  leave(queue, item);
  if (how === 'at once') activate(queue, key, item);
  else {
    backOff(item, nowMs);
    waitForBackoff(queue, key, item);
  }
}

/** Something changed that may help the pods that `mayHelp` says, by the filters that objected to them. */
export function moveUp(
  queue: PodQueue,
  nowMs: number,
  mayHelp: (filters: readonly string[]) => boolean,
): void {
  if (queue.unschedulable === 0) return;
  for (const [key, item] of Object.entries(queue.items)) {
    if (item.place === 'unschedulable' && mayHelp(item.filters)) moveOne(queue, key, nowMs);
  }
}

/** One unschedulable pod has a chance again. */
export function moveOne(queue: PodQueue, key: string, nowMs: number): void {
  const item = queue.items[key];
  if (item === undefined || item.place !== 'unschedulable') return;
  leave(queue, item);
  if (item.backoffUntilMs <= nowMs) activate(queue, key, item);
  else waitForBackoff(queue, key, item);
}

export function hasPod(queue: PodQueue, nowMs: number): boolean {
  wake(queue, nowMs);
  for (let first = peek(queue.active); first !== null; first = peek(queue.active)) {
    const item = queue.items[first.key];
    if (item !== undefined && item.place === 'active' && item.entry === first.sequence) return true;
    pop(queue.active);
  }
  return false;
}

export function nextDueMs(queue: PodQueue): number | null {
  for (let first = peek(queue.waiting); first !== null; first = peek(queue.waiting)) {
    const item = queue.items[first.key];
    const waits = item?.place === 'backoff' || item?.place === 'unschedulable';
    if (item !== undefined && waits && item.entry === first.sequence) return first.at;
    pop(queue.waiting);
  }
  return null;
}

function backOff(item: QueuedPod, nowMs: number): void {
  item.attempts += 1;
  const doubled = limits.schedulerBackoffMsMin * 2 ** Math.min(item.attempts - 1, 16);
  item.backoffUntilMs = nowMs + Math.min(limits.schedulerBackoffMsMax, doubled);
}

function leave(queue: PodQueue, item: QueuedPod): void {
  if (item.place === 'unschedulable') queue.unschedulable -= 1;
  item.entry = 0;
}

function activate(queue: PodQueue, key: string, item: QueuedPod): void {
  item.place = 'active';
  item.entry = push(queue.active, -item.priority, key);
}

function waitForBackoff(queue: PodQueue, key: string, item: QueuedPod): void {
  item.place = 'backoff';
  item.entry = push(queue.waiting, item.backoffUntilMs, key);
}

function wake(queue: PodQueue, nowMs: number): void {
  for (let dueMs = nextDueMs(queue); dueMs !== null && dueMs <= nowMs; dueMs = nextDueMs(queue)) {
    const entry = pop(queue.waiting);
    const item = entry === null ? undefined : queue.items[entry.key];
    if (entry === null || item === undefined) continue;
    leave(queue, item);
    activate(queue, entry.key, item);
  }
}
