// Snapshots on their way to a follower whose next entry is forgotten here, and their arrival.
//
// The owner encodes its state when asked (`need-snapshot`), the leader sends it in chunks, a few at a time,
// and what is not acknowledged is sent again. One transfer per follower; it ends when the follower has the
// snapshot on disk, catches up by other means, or falls silent. The receiver takes chunks in order only and
// installs nothing that does not carry it forward.

import { index as toIndex } from '../ids.ts';
import type { Index, PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import { noteTruncated, send, sendDurably } from './durable.ts';
import { accepts } from './follow.ts';
import type { Log } from './log.ts';
import { createConfig } from './members.ts';
import { Entries } from './entries.ts';
import { commitTo } from './record.ts';
import { isLive, noteAnswer, resume } from './replicate.ts';
import type { Progress } from './replicate.ts';
import { becomeFollower, hear } from './role.ts';
import type { LogMessage, SnapshotMeta } from './types.ts';

/** A snapshot under way to one follower; `meta` null: the owner has not encoded it yet. */
export interface Transfer {
  meta: SnapshotMeta | null;
  data: Uint8Array;
  acknowledged: number;
  sent: number;
  /** What the follower said last that it has: less than `acknowledged` if it had to start again. */
  reported: number;
  movedMs: number;
}

/** One that is being received. */
export interface Incoming {
  readonly from: PeerId;
  readonly meta: SnapshotMeta;
  readonly total: number;
  readonly chunks: Uint8Array[];
  received: number;
}

type SnapshotMessage = Extract<LogMessage, { readonly type: 'snapshot' }>;
type SnapshotReply = Extract<LogMessage, { readonly type: 'snapshot-reply' }>;

// ── sending ──────────────────────────────────────────────────────────────────────────────────────────────

export function askForSnapshot(log: Log, peer: Progress): void {
  if (!isLive(log, peer)) return;
  peer.state = 'snapshot';
  peer.transfer = {
    meta: null, data: new Uint8Array(0), acknowledged: 0, sent: 0, reported: 0, movedMs: log.nowMs,
  };
  log.out.push({ type: 'need-snapshot', to: peer.id });
  log.out.push({ type: 'arm', timer: 'snapshot-retry', ms: limits.snapshotRetryMs });
}

export function onSnapshotReady(log: Log, to: PeerId, meta: SnapshotMeta, data: Uint8Array): void {
  const peer = log.leading?.peers.find((each) => each.id === to);
  const transfer = peer?.transfer ?? null;
  if (peer === undefined || transfer === null || transfer.meta !== null) return;
  if (meta.index <= peer.match || meta.index > log.entries.commit) return;
  if (data.length > limits.snapshotBytesMax) return;
  transfer.meta = meta;
  transfer.data = data;
  transfer.movedMs = log.nowMs;
  sendChunks(log, peer, transfer);
}

function sendChunks(log: Log, peer: Progress, transfer: Transfer): void {
  const { meta, data } = transfer;
  if (meta === null || log.leading === null) return;
  const total = data.length, aheadMax = limits.snapshotChunksInFlightMax * log.bounds.snapshotChunkBytes;
  do {
    const offset = transfer.sent;
    const chunk = data.subarray(offset, offset + log.bounds.snapshotChunkBytes);
    transfer.sent += chunk.length;
    const { round } = log.leading;
    send(log, peer.id, { type: 'snapshot', term: log.term, meta, offset, total, data: chunk, round });
  } while (transfer.sent < total && transfer.sent - transfer.acknowledged < aheadMax);
}

export function onSnapshotReply(log: Log, from: PeerId, reply: SnapshotReply): void {
  const peer = log.leading?.peers.find((each) => each.id === from);
  if (peer === undefined) return;
  noteAnswer(log, peer, reply.round);
  if (reply.done) {
    if (reply.index > log.entries.lastIndex || reply.index <= peer.match) return;
    peer.match = reply.index;
    if (peer.state === 'snapshot') finish(log, peer);
    return;
  }
  const { transfer } = peer;
  if (transfer?.meta?.index !== reply.index) return;
  transfer.reported = Math.min(reply.received, transfer.data.length);
  if (transfer.reported <= transfer.acknowledged) return;
  transfer.acknowledged = transfer.reported;
  transfer.movedMs = log.nowMs;
  transfer.sent = Math.max(transfer.sent, transfer.acknowledged);
  if (transfer.sent < transfer.data.length) sendChunks(log, peer, transfer);
}

/** Back to appends; or once more from the start, if what follows this snapshot is forgotten by now. */
function finish(log: Log, peer: Progress): void {
  peer.state = 'probe';
  peer.transfer = null;
  peer.next = toIndex(peer.match + 1);
  resume(log, peer);
}

export function onSnapshotRetry(log: Log): void {
  if (log.leading === null) return;
  let waiting = false;
  for (const peer of log.leading.peers) {
    const { transfer } = peer;
    if (transfer === null) continue;
    if (!isLive(log, peer)) {
      peer.state = 'probe';
      peer.asked = true;
      peer.transfer = null;
      continue;
    }
    waiting = true;
    if (log.nowMs - transfer.movedMs >= limits.snapshotRetryMs) sendAgain(log, peer, transfer);
  }
  if (waiting) log.out.push({ type: 'arm', timer: 'snapshot-retry', ms: limits.snapshotRetryMs });
}

function sendAgain(log: Log, peer: Progress, transfer: Transfer): void {
  transfer.movedMs = log.nowMs;
  if (transfer.meta === null) {
    log.out.push({ type: 'need-snapshot', to: peer.id });
    return;
  }
  transfer.acknowledged = transfer.reported;
  transfer.sent = transfer.reported;
  sendChunks(log, peer, transfer);
}

// ── receiving ────────────────────────────────────────────────────────────────────────────────────────────

/** A chunk from the leader of this term. */
export function onSnapshot(log: Log, from: PeerId, message: SnapshotMessage): void {
  if (!accepts(log, from) || !plausible(message)) return;
  hear(log, from);
  const { meta, total, round } = message;
  const reply = { type: 'snapshot-reply', term: log.term, round } as const;
  if (meta.index <= log.entries.commit) {
    log.incoming = null;
    sendDurably(log, from, { ...reply, index: log.entries.commit, received: total, done: true });
    return;
  }
  const incoming = receive(log, from, message);
  if (incoming.received < total || incoming.chunks.length === 0) {
    send(log, from, { ...reply, index: meta.index, received: incoming.received, done: false });
    return;
  }
  log.incoming = null;
  restore(log, meta, join(incoming));
  sendDurably(log, from, { ...reply, index: meta.index, received: total, done: true });
}

function plausible({ offset, total, data, meta, term }: SnapshotMessage): boolean {
  return Number.isSafeInteger(offset) && Number.isSafeInteger(total) && Number.isSafeInteger(meta.index)
    && offset >= 0 && total <= limits.snapshotBytesMax && data.length <= limits.snapshotChunkBytes
    && offset + data.length <= total && (data.length > 0 || total === 0) && meta.term <= term;
}

/** Takes the chunk if it is the next one. */
function receive(log: Log, from: PeerId, { meta, offset, total, data }: SnapshotMessage): Incoming {
  const old = log.incoming;
  const same = old !== null && old.from === from && old.meta.index === meta.index && old.total === total;
  const incoming = same ? old : { from, meta, total, chunks: [], received: 0 };
  log.incoming = incoming;
  if (offset === incoming.received) {
    incoming.chunks.push(data);
    incoming.received += data.length;
  }
  return incoming;
}

function join({ chunks, total }: Incoming): Uint8Array {
  const whole = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** A committed snapshot that came from another member than the leader. */
export function onLearnedSnapshot(log: Log, meta: SnapshotMeta, data: Uint8Array): void {
  if (meta.index <= log.entries.commit || data.length > limits.snapshotBytesMax) return;
  if (meta.term > log.term) becomeFollower(log, meta.term, null);
  if (log.leading === null) restore(log, meta, data);
}

/** If this log holds the snapshot's last entry, it holds all of it, now known to be committed. */
function restore(log: Log, meta: SnapshotMeta, data: Uint8Array): void {
  if (log.entries.termAt(meta.index) === meta.term) {
    commitTo(log, meta.index);
    return;
  }
  const after: Index = log.entries.lastIndex >= meta.index ? toIndex(meta.index - 1) : log.entries.lastIndex;
  if (after < log.entries.lastIndex) noteTruncated(log, after);
  log.durable.unsaved = [];
  log.durable.snapshot = { meta, data };
  log.entries = new Entries(meta, []);
  log.configs = [createConfig(meta.index, meta.members)];
  log.out.push({ type: 'install', meta, data });
}
