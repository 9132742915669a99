// The commit feed: the leader publishes what is committed, in batches; members take it in order. It spares
// the leader a message per member and entry, and promises nothing: batches may be lost, repeated, overtaken.
//
// What always holds: a receiver hands on contiguous committed entries only, each after the one that its own
// state or the feed gave it before, and only if the terms at the seam agree; what comes too early is held, at
// most `feedBatchesHeldMax` batches of it, the farthest ahead given up first.

import { assert, unreachable } from '../assert.ts';
import { index } from '../ids.ts';
import type { Index, PeerId, Term } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Entry } from '../log/types.ts';
import type {
  FeedBatch, LogView, PublisherEffect, PublisherEvent, ReceiverEffect, ReceiverEvent,
} from './types.ts';

// ── the leader's side ────────────────────────────────────────────────────────────────────────────────────

export interface Publisher {
  readonly self: PeerId;
  /** The term that this peer leads in; null: it doesn't lead. */
  term: Term | null;
  /** The first index of the next batch, and the term of the entry before it. */
  first: Index;
  prevTerm: Term;
  pending: Entry[];
  pendingBytes: number;
}

export function createPublisher(self: PeerId): Publisher {
  return { self, term: null, first: index(1), prevTerm: 0 as Term, pending: [], pendingBytes: 0 };
}

/** Updates `p` in place. */
export function publisherStep(p: Publisher, event: PublisherEvent): PublisherEffect[] {
  const out: PublisherEffect[] = [];
  switch (event.type) {
    case 'lead':
      p.term = event.term;
      p.first = index(event.last + 1);
      p.prevTerm = event.lastTerm;
      p.pending = [];
      p.pendingBytes = 0;
      publish(p, event.term, out);
      break;
    case 'committed':
      if (p.term !== null) collect(p, p.term, event.entries, out);
      break;
    case 'stop':
      if (p.term !== null) out.push({ type: 'disarm', timer: 'feed' });
      p.term = null;
      p.pending = [];
      p.pendingBytes = 0;
      break;
    case 'timer':
      if (p.term !== null) publish(p, p.term, out);
      break;
    default: unreachable(event);
  }
  return out;
}

function collect(p: Publisher, term: Term, entries: readonly Entry[], out: PublisherEffect[]): void {
  for (const entry of entries) {
    const next = p.first + p.pending.length;
    if (entry.index < next) continue;
    assert(entry.index === next, `feed: entry ${entry.index} after ${next - 1}`);
    const full = p.pendingBytes + entry.data.length > limits.feedBatchBytesMax
      || p.pending.length >= limits.uncommittedEntriesMax;
    if (full && p.pending.length > 0) publish(p, term, out);
    if (p.pending.length === 0) out.push({ type: 'arm', timer: 'feed', ms: limits.feedBatchMs });
    p.pending.push(entry);
    p.pendingBytes += entry.data.length;
  }
}

/** Publishes what is pending, if only the news that nothing is. */
function publish(p: Publisher, term: Term, out: PublisherEffect[]): void {
  const batch: FeedBatch = { from: p.self, term, first: p.first, prevTerm: p.prevTerm, entries: p.pending };
  out.push({ type: 'publish', batch });
  out.push({ type: 'arm', timer: 'feed', ms: limits.feedAnnounceMs });
  p.prevTerm = p.pending.at(-1)?.term ?? p.prevTerm;
  p.first = index(p.first + p.pending.length);
  p.pending = [];
  p.pendingBytes = 0;
}

// ── the others' side ─────────────────────────────────────────────────────────────────────────────────────

export interface Receiver {
  /** Batches that came too early, by first index. */
  readonly held: Map<Index, FeedBatch>;
  /** The last entry handed on; the log may still be writing it. */
  handed: { readonly index: Index; readonly term: Term; readonly atMs: number } | null;
  /** The highest term of a batch so far: an older leader's claim is not passed on. */
  term: Term;
}

export function createReceiver(): Receiver {
  return { held: new Map(), handed: null, term: 0 as Term };
}

/** Updates `r` in place; `nowMs` is monotonic. */
export function receiverStep(
  r: Receiver, event: ReceiverEvent, view: LogView, nowMs: number,
): ReceiverEffect[] {
  const out: ReceiverEffect[] = [];
  switch (event.type) {
    case 'batch': take(r, event.batch, view, nowMs, out); break;
    case 'progress': break;
    default: unreachable(event);
  }
  drain(r, view, nowMs, out);
  return out;
}

function take(r: Receiver, batch: FeedBatch, view: LogView, nowMs: number, out: ReceiverEffect[]): void {
  if (batch.term >= r.term) {
    r.term = batch.term;
    out.push({ type: 'leader-known', leader: batch.from, term: batch.term });
  }
  const last = lastOf(batch);
  const base = baseOf(r, view, nowMs);
  if (last <= base.index) return;
  out.push({ type: 'seen', from: batch.from, index: last });
  if (batch.entries.length === 0) return;
  const same = r.held.get(batch.first);
  if (same === undefined || lastOf(same) < last) r.held.set(batch.first, batch);
}

/** Hands on what fits, until nothing does; then gives up what is held beyond the bound. */
function drain(r: Receiver, view: LogView, nowMs: number, out: ReceiverEffect[]): void {
  if (r.held.size === 0) return;
  const order = [...r.held.values()].sort((a, b) => a.first - b.first);
  for (const batch of order) {
    const base = baseOf(r, view, nowMs);
    if (batch.first > base.index + 1) break;
    r.held.delete(batch.first);
    if (lastOf(batch) > base.index) hand(r, batch, base, nowMs, out);
  }
  for (const batch of order.reverse()) {
    if (r.held.size <= limits.feedBatchesHeldMax) break;
    r.held.delete(batch.first);
  }
}

interface Base { readonly index: Index; readonly term: Term | null }

function hand(r: Receiver, batch: FeedBatch, base: Base, nowMs: number, out: ReceiverEffect[]): void {
  const known = base.index - batch.first + 1;
  const theirs = known === 0 ? batch.prevTerm : batch.entries[known - 1]?.term;
  if (base.term === null || theirs !== base.term) {
    out.push({ type: 'diverged', from: batch.from, index: base.index });
    return;
  }
  const entries = batch.entries.slice(known);
  const last = entries.at(-1);
  assert(last !== undefined, 'a batch that reaches beyond the base has entries beyond it');
  out.push({ type: 'learned', entries, prevTerm: base.term });
  r.handed = { index: last.index, term: last.term, atMs: nowMs };
}

/**
 * Up to where entries are here: applied, or handed on so lately that the log may still be at it. If the log
 * did not take them, the hand-over is forgotten and repair takes care.
 */
function baseOf(r: Receiver, view: LogView, nowMs: number): Base {
  const { handed } = r;
  const fresh = handed !== null && nowMs - handed.atMs < limits.repairAfterMs;
  if (fresh && handed.index > view.applied) return handed;
  return { index: view.applied, term: view.termAt(view.applied) };
}

function lastOf(batch: FeedBatch): Index {
  return index(batch.first + batch.entries.length - 1);
}
