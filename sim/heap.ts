// The simulator's agenda: a binary heap of (time, sequence). What is due first runs first; of what is due at
// the same time, what was scheduled first. Nothing in a simulated world happens but by an event of this heap.
// What always holds: time never goes back; a cancelled event never runs.

import { assert } from '../cluster/assert.ts';

/** What a simulated port may do with time. */
export interface SimScheduler {
  /** Milliseconds since the world began; fractions are microseconds. */
  nowMs(): number;
  /** Runs `run` at that time, or right after what is due now if it has passed. */
  at(timeMs: number, run: () => void): SimTask;
  /** Cancelling what has run, or twice, does nothing. */
  cancel(task: SimTask): void;
}

/** One scheduled event: a handle for `cancel`. */
export interface SimTask { readonly timeMs: number; readonly sequence: number }

export interface SimHeap extends SimScheduler {
  /** Runs the next event. False if there is none, or none up to `untilMs`; then the time is `untilMs`. */
  step(untilMs?: number): boolean;
  /** Events scheduled and not cancelled. */
  size(): number;
}

interface Node extends SimTask { timeMs: number; sequence: number; run: (() => void) | null }

/** Cancelled events stay until their time; beyond half of a heap this large they are swept out. */
const sweepFrom = 1_024;

export function createHeap(): SimHeap {
  let nodes: Node[] = [];
  let now = 0, sequence = 0, cancelled = 0;

  function push(node: Node): void {
    let at = nodes.length;
    nodes.push(node);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = nodes[parentAt];
      if (parent === undefined || !isBefore(node, parent)) break;
      nodes[at] = parent;
      at = parentAt;
    }
    nodes[at] = node;
  }
  function pop(): Node | undefined {
    const first = nodes[0];
    const last = nodes.pop();
    if (first === undefined || last === undefined || first === last) return first;
    sink(last, 0);
    return first;
  }
  function sink(node: Node, from: number): void {
    let at = from;
    for (;;) {
      let childAt = 2 * at + 1;
      let child = nodes[childAt];
      if (child === undefined) break;
      const right = nodes[childAt + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childAt += 1;
      }
      if (!isBefore(child, node)) break;
      nodes[at] = child;
      at = childAt;
    }
    nodes[at] = node;
  }
  function sweep(): void {
    if (nodes.length < sweepFrom || cancelled * 2 < nodes.length) return;
    nodes = nodes.filter((node) => node.run !== null);
    cancelled = 0;
    for (let at = (nodes.length >> 1) - 1; at >= 0; at -= 1) {
      const node = nodes[at];
      if (node !== undefined) sink(node, at);
    }
  }
  return {
    nowMs: () => now,
    at(timeMs, run) {
      assert(Number.isFinite(timeMs), `an event at ${timeMs}`);
      const node: Node = { timeMs: timeMs < now ? now : timeMs, sequence: (sequence += 1), run };
      push(node);
      return node;
    },
    cancel(task) {
      const node = task as Node;
      if (node.run === null) return;
      node.run = null;
      cancelled += 1;
      sweep();
    },
    step(untilMs = Infinity) {
      for (let next = nodes[0]; next !== undefined && next.timeMs <= untilMs; next = nodes[0]) {
        pop();
        const { run } = next;
        if (run === null) {
          cancelled -= 1;
          continue;
        }
        next.run = null;
        now = next.timeMs;
        run();
        return true;
      }
      if (untilMs !== Infinity && untilMs > now) now = untilMs;
      return false;
    },
    size: () => nodes.length - cancelled,
  };
}

const isBefore = (a: Node, b: Node): boolean =>
  a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.sequence < b.sequence);
