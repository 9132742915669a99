// Anti-entropy: a member that is behind and makes no progress pulls what it misses from another member, not
// preferably from the leader, so that the leader's cost does not grow with the members. What the other has
// compacted comes as a snapshot, chunk by chunk, each asked for.
//
// What always holds: one pull at a time; the next is sent only when what the last one brought is applied;
// each pull has a deadline, after which another member is asked. What is learned is contiguous to the own
// state and agrees with it in the term at the seam. A server keeps at most one encoded snapshot, for a
// bounded time (`serve.ts`).

import { assert, unreachable } from '../assert.ts';
import { index } from '../ids.ts';
import type { Index, PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import type { SnapshotMeta } from '../log/types.ts';
import type { Random } from '../random.ts';
import { createServed, expireServed, serve } from './serve.ts';
import type { Served } from './serve.ts';
import type { RepairEffect, RepairEvent, RepairMessage, RepairTimer, RepairView } from './types.ts';

type Phase =
  /** Nobody is known to be ahead. */
  | { readonly at: 'idle' }
  /** Somebody is ahead; perhaps the feed brings it. `mark`: what was applied when the wait began. */
  | { readonly at: 'waiting'; readonly mark: Index }
  | { readonly at: 'pulling'; readonly peer: PeerId; readonly id: number; readonly first: Index }
  | { readonly at: 'copying'; readonly peer: PeerId; readonly id: number; readonly copy: Copy }
  /** Entries or a snapshot were handed on, and are not applied yet. */
  | { readonly at: 'settling'; readonly peer: PeerId; readonly upTo: Index };

interface Copy {
  meta: SnapshotMeta;
  total: number;
  received: number;
  chunks: Uint8Array[];
  restarts: number;
}

export interface Repair {
  readonly self: PeerId;
  readonly random: Random;
  phase: Phase;
  lastId: number;
  /** The highest index that the feed showed to be committed, and who showed it. */
  seen: Index;
  seenFrom: PeerId | null;
  /** Who failed to help since the last progress. */
  readonly tried: Set<PeerId>;
  guesses: number;
  readonly served: Served;
}

export function createRepair(self: PeerId, random: Random): Repair {
  return {
    self, random, phase: { at: 'idle' }, lastId: 0, seen: index(0), seenFrom: null, tried: new Set(),
    guesses: 0, served: createServed(),
  };
}

/** Updates `r` in place; `nowMs` is monotonic. */
export function repairStep(r: Repair, event: RepairEvent, view: RepairView, nowMs: number): RepairEffect[] {
  const out: RepairEffect[] = [];
  switch (event.type) {
    case 'timer': fire(r, event.timer, view, nowMs, out); break;
    case 'message': receive(r, event.from, event.message, view, nowMs, out); break;
    case 'seen':
      if (event.index >= r.seen) r.seenFrom = event.from;
      r.seen = index(Math.max(r.seen, event.index));
      break;
    case 'look': break;
    default: unreachable(event);
  }
  look(r, view, out);
  return out;
}

function fire(r: Repair, timer: RepairTimer, view: RepairView, nowMs: number, out: RepairEffect[]): void {
  const { phase } = r;
  switch (timer) {
    case 'repair':
      if (phase.at !== 'waiting') return;
      if (view.applied > phase.mark) wait(r, view, out);
      else pull(r, view, out);
      return;
    case 'repair-timeout':
      if (phase.at === 'pulling' || phase.at === 'copying' || phase.at === 'settling') {
        failed(r, phase.peer, view, out);
      }
      return;
    case 'repair-snapshot': return expireServed(r.served, nowMs, out);
    default: return unreachable(timer);
  }
}

// ── where this peer stands ───────────────────────────────────────────────────────────────────────────────

/** After each event: begins to wait, goes on, or is done. */
function look(r: Repair, view: RepairView, out: RepairEffect[]): void {
  const { phase } = r;
  if (!view.active || !isBehind(r, view)) {
    if (phase.at !== 'idle') rest(r, out);
    return;
  }
  switch (phase.at) {
    case 'idle': return wait(r, view, out);
    case 'waiting': case 'pulling': return;
    case 'copying':
      if (view.applied >= phase.copy.meta.index) proceed(r, view, out);
      return;
    case 'settling':
      if (view.applied >= phase.upTo) proceed(r, view, out);
      return;
    default: return unreachable(phase);
  }
}

function isBehind(r: Repair, view: RepairView): boolean {
  if (r.seen > view.applied) return true;
  return view.live.some((peer) => peer !== r.self && view.appliedOf(peer) > view.applied);
}

function rest(r: Repair, out: RepairEffect[]): void {
  r.phase = { at: 'idle' };
  r.tried.clear();
  r.guesses = 0;
  out.push({ type: 'disarm', timer: 'repair' }, { type: 'disarm', timer: 'repair-timeout' });
}

function wait(r: Repair, view: RepairView, out: RepairEffect[]): void {
  r.phase = { at: 'waiting', mark: view.applied };
  r.tried.clear();
  r.guesses = 0;
  out.push({ type: 'disarm', timer: 'repair-timeout' });
  out.push({ type: 'arm', timer: 'repair', ms: limits.repairAfterMs });
}

/** What was pulled is applied and there is more: no need to wait for the feed. */
function proceed(r: Repair, view: RepairView, out: RepairEffect[]): void {
  r.tried.clear();
  r.guesses = 0;
  pull(r, view, out);
}

function failed(r: Repair, peer: PeerId, view: RepairView, out: RepairEffect[]): void {
  r.tried.add(peer);
  pull(r, view, out);
}

function pull(r: Repair, view: RepairView, out: RepairEffect[]): void {
  const peer = choose(r, view);
  if (peer === null) return wait(r, view, out);
  r.lastId += 1;
  const first = index(view.applied + 1);
  r.phase = { at: 'pulling', peer, id: r.lastId, first };
  out.push({ type: 'send', to: peer, message: { type: 'pull', id: r.lastId, first } });
  out.push({ type: 'arm', timer: 'repair-timeout', ms: limits.repairTimeoutMs });
}

/**
 * A random member of the best kind there is: known to be ahead; perhaps ahead; the leader; whose feed was
 * heard, though gossip says that it is dead: it answers nothing else to one that it has taken out.
 */
function choose(r: Repair, view: RepairView): PeerId | null {
  const others = view.live.filter((peer) => peer !== r.self && !r.tried.has(peer));
  const followers = others.filter((peer) => peer !== view.leader);
  const ahead = followers.filter((peer) => view.appliedOf(peer) > view.applied);
  if (ahead.length > 0) return ahead[r.random.below(ahead.length)] ?? null;
  if (followers.length > 0 && r.guesses < limits.repairGuessesMax) {
    r.guesses += 1;
    return followers[r.random.below(followers.length)] ?? null;
  }
  if (view.leader !== null && others.includes(view.leader)) return view.leader;
  return r.seen > view.applied && r.seenFrom !== null && !r.tried.has(r.seenFrom) ? r.seenFrom : null;
}

// ── what others send ─────────────────────────────────────────────────────────────────────────────────────

function receive(
  r: Repair, from: PeerId, message: RepairMessage, view: RepairView, nowMs: number, out: RepairEffect[],
): void {
  switch (message.type) {
    case 'pull': case 'pull-snapshot':
      return serve(r.served, r.self, from, message, view, nowMs, out);
    case 'range': return onRange(r, from, message, view, out);
    case 'snapshot-chunk': return onChunk(r, from, message, view, out);
    case 'nothing':
      if (r.phase.at === 'pulling' && r.phase.peer === from && r.phase.id === message.id) {
        failed(r, from, view, out);
      }
      return;
    default: return unreachable(message);
  }
}

type Range = Extract<RepairMessage, { type: 'range' }>;
type Chunk = Extract<RepairMessage, { type: 'snapshot-chunk' }>;

function onRange(r: Repair, from: PeerId, message: Range, view: RepairView, out: RepairEffect[]): void {
  const { phase } = r;
  if (phase.at !== 'pulling' || phase.peer !== from || phase.id !== message.id) return;
  const { first, prevTerm, entries } = message.batch;
  const last = entries.at(-1);
  if (first !== phase.first || last === undefined) return failed(r, from, view, out);
  const before = index(first - 1);
  if (view.termAt(before) !== prevTerm) {
    // What was applied here is committed; so is what the other sent. Only one of them can be right.
    out.push({ type: 'diverged', from, index: before });
    return failed(r, from, view, out);
  }
  settle(r, from, last.index, out);
  out.push({ type: 'learned', entries, prevTerm });
}

function onChunk(r: Repair, from: PeerId, chunk: Chunk, view: RepairView, out: RepairEffect[]): void {
  const { phase } = r;
  if (phase.at !== 'pulling' && phase.at !== 'copying') return;
  if (phase.peer !== from || phase.id !== chunk.id) return;
  if (chunk.meta.index <= view.applied || chunk.data.length === 0) return failed(r, from, view, out);
  const copy = phase.at === 'copying' ? phase.copy : null;
  if (copy !== null && isSame(copy, chunk)) {
    if (chunk.offset !== copy.received) return;
    copy.chunks.push(chunk.data);
    copy.received += chunk.data.length;
    return chunkTaken(r, from, chunk.id, copy, out);
  }
  // The first chunk, or the server's snapshot is another by now and the copy begins again.
  if (chunk.offset !== 0) return;
  const restarts = copy === null ? 0 : copy.restarts + 1;
  if (restarts > limits.repairRestartsMax) return failed(r, from, view, out);
  const { meta, total, data } = chunk;
  const begun: Copy = { meta, total, received: data.length, chunks: [data], restarts };
  chunkTaken(r, from, chunk.id, begun, out);
}

function isSame(copy: Copy, { meta, total }: Chunk): boolean {
  return meta.index === copy.meta.index && meta.term === copy.meta.term && total === copy.total;
}

function chunkTaken(r: Repair, from: PeerId, id: number, copy: Copy, out: RepairEffect[]): void {
  if (copy.received >= copy.total) {
    settle(r, from, copy.meta.index, out);
    out.push({ type: 'learned-snapshot', meta: copy.meta, data: joined(copy) });
    return;
  }
  r.phase = { at: 'copying', peer: from, id, copy };
  const message = { type: 'pull-snapshot', id, index: copy.meta.index, offset: copy.received } as const;
  out.push({ type: 'send', to: from, message });
  out.push({ type: 'arm', timer: 'repair-timeout', ms: limits.repairTimeoutMs });
}

function settle(r: Repair, peer: PeerId, upTo: Index, out: RepairEffect[]): void {
  r.phase = { at: 'settling', peer, upTo };
  out.push({ type: 'arm', timer: 'repair-timeout', ms: limits.repairTimeoutMs });
}

/** Only now, with all of it here, is memory taken for the whole. */
function joined(copy: Copy): Uint8Array {
  assert(copy.received === copy.total, 'a snapshot is joined when it is whole');
  const whole = new Uint8Array(copy.total);
  let at = 0;
  for (const chunk of copy.chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
