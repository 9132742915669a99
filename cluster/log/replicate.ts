// The leader's side of replication: what each voter has, what is on its way to it, what is committed.
//
// A follower is probed with one message at a time until it answers where its log agrees; then appends are
// sent without waiting for answers (`replicate`), up to a bound; one whose next entry is forgotten here gets
// a snapshot (`snapshot.ts`). The leader's own disk works beside the network: its own entries count once
// they are durable, like anyone's. Learners cost the leader nothing: they follow the commit feed.
//
// What always holds: only an entry of the leader's own term is committed by counting, all before it with it
// (Raft, section 5.4.2); a follower's `match` never falls.

import { index as toIndex, term as toTerm } from '../ids.ts';
import type { Index, PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import { send } from './durable.ts';
import type { Log } from './log.ts';
import { lastConfig } from './members.ts';
import type { PendingRead } from './read.ts';
import { commitTo } from './record.ts';
import { becomeFollower } from './role.ts';
import { askForSnapshot } from './snapshot.ts';
import type { Transfer } from './snapshot.ts';
import type { Entry, LogMessage } from './types.ts';
import { reachedByQuorum } from './voters.ts';

export interface Leading {
  /** The entry that opened this term. Once it is committed, so is all before it: the leader is ready. */
  readonly noop: Index;
  /** The other voters, sorted by id. */
  peers: Progress[];
  round: number;
  /** When the latest rounds began; consecutive, older ones than a lease could rest on are dropped. */
  rounds: { readonly round: number; readonly startMs: number }[];
  reads: PendingRead[];
  uncommittedBytes: number;
  transfer: { readonly to: PeerId; readonly sinceMs: number; asked: boolean } | null;
  /** A successor was asked for an election that no lease keeps back: no lease for the rest of the term. */
  leaseGiven: boolean;
  /** Some follower is to hear of a commit soon. */
  noticeArmed: boolean;
  /** Followers usually need the same entries: the batch that was cut last, while the log ended at `last`. */
  batch: { readonly entries: readonly Entry[]; readonly last: number };
}

export interface Progress {
  readonly id: PeerId;
  /** Durable there and equal to this log up to here. */
  match: Index;
  /** The next entry to send. */
  next: Index;
  state: 'probe' | 'replicate' | 'snapshot';
  /** Probing: asked, not answered. A heartbeat asks again. */
  asked: boolean;
  /** The last index of each append under way, oldest first. */
  inFlight: Index[];
  /** The commit index that was last sent. */
  commit: Index;
  /** It waits for the commit of what is up to here. */
  hurried: Index;
  /** When it was last heard in this term; a new voter counts as heard when it comes. */
  heardMs: number;
  /** The latest round it answered, and when that round began. */
  round: number;
  roundMs: number;
  transfer: Transfer | null;
}

export function createLeading(log: Log): Leading {
  return {
    noop: toIndex(log.entries.lastIndex + 1), peers: [], round: 0, rounds: [], reads: [], uncommittedBytes: 0,
    transfer: null, leaseGiven: false, noticeArmed: false, batch: { entries: [], last: 0 },
  };
}

/** The membership may have changed: every other voter is followed, nobody else. */
export function syncPeers(log: Log, leading: Leading): void {
  const { voters } = lastConfig(log.configs);
  const old = new Map(leading.peers.map((peer) => [peer.id, peer]));
  const others = voters.filter((id) => id !== log.self);
  leading.peers = others.map((id) => old.get(id) ?? createProgress(log, id));
}

/** It probably has all but the entry that made it a voter, or this peer a leader. */
function createProgress(log: Log, id: PeerId): Progress {
  return {
    id, match: toIndex(0), next: toIndex(Math.max(log.entries.lastIndex, log.entries.base + 1)),
    state: 'probe', asked: false, inFlight: [], commit: toIndex(0), hurried: toIndex(0),
    heardMs: log.nowMs, round: 0, roundMs: -Infinity, transfer: null,
  };
}

// ── rounds ───────────────────────────────────────────────────────────────────────────────────────────────

/** Answers to messages sent from now on prove that this leader was followed at a time after now. */
export function startRound(log: Log): number {
  const leading = log.leading as Leading;
  leading.round += 1;
  leading.rounds.push({ round: leading.round, startMs: log.nowMs });
  const oldestMs = log.nowMs - limits.electionTimeoutMsMin;
  let stale = 0;
  while ((leading.rounds[stale]?.startMs ?? Infinity) < oldestMs) stale += 1;
  if (stale > 0) leading.rounds.splice(0, stale);
  return leading.round;
}

/** Whoever answers is alive; a round that is too old to matter is not looked up. */
export function noteAnswer(log: Log, peer: Progress, round: number): void {
  const leading = log.leading as Leading;
  peer.heardMs = log.nowMs;
  const start = leading.rounds[round - (leading.rounds[0]?.round ?? 0)];
  if (start === undefined || round <= peer.round) return;
  peer.round = round;
  peer.roundMs = start.startMs;
}

/** The greatest x such that a quorum of voters has at least x; this leader itself counts with `own`. */
export function quorumOf(log: Log, own: number, value: (peer: Progress) => number): number {
  const { voters } = lastConfig(log.configs);
  const leading = log.leading as Leading;
  const values = leading.peers.map(value);
  if (voters.includes(log.self)) values.push(own);
  return reachedByQuorum(values);
}

export function isLive(log: Log, peer: Progress): boolean {
  return peer.round > 0 && log.nowMs - peer.heardMs <= limits.electionTimeoutMsMin;
}

/** The heartbeat: check-quorum, a new round, one message to each voter. */
export function onHeartbeatTimer(log: Log): void {
  const { leading } = log;
  if (leading === null) return;
  const heardMs = quorumOf(log, log.nowMs, (peer) => peer.heardMs);
  if (log.nowMs - heardMs > limits.electionTimeoutMsMin) {
    becomeFollower(log, log.term, null);
    return;
  }
  log.out.push({ type: 'arm', timer: 'heartbeat', ms: limits.heartbeatMs });
  startRound(log);
  for (const peer of leading.peers) heartbeat(log, leading, peer);
}

/**
 * An append without entries that claims everything sent so far to be there: its refusal shows at once what
 * was lost on the way. To one who waits for a snapshot it claims nothing.
 */
export function heartbeat(log: Log, leading: Leading, peer: Progress): void {
  const known = peer.state !== 'snapshot' && log.entries.termAt(peer.next - 1) !== null;
  if (peer.state === 'probe') peer.asked = true;
  sendAppend(log, peer, known ? peer.next - 1 : 0, [], leading.round);
}

// ── sending ──────────────────────────────────────────────────────────────────────────────────────────────

/** Sends what this follower can take now. */
export function pump(log: Log, peer: Progress): void {
  const leading = log.leading as Leading;
  const { entries } = log;
  switch (peer.state) {
    case 'snapshot': return;
    case 'probe':
      if (peer.asked || entries.termAt(peer.next - 1) === null) return;
      peer.asked = true;
      return sendAppend(log, peer, peer.next - 1, batchFrom(log, leading, peer.next), leading.round);
    case 'replicate':
      if (entries.termAt(peer.next - 1) === null) return fallBehind(log, peer);
      while (peer.next <= entries.lastIndex && peer.inFlight.length < limits.appendsInFlightMax) {
        const batch = batchFrom(log, leading, peer.next);
        sendAppend(log, peer, peer.next - 1, batch, leading.round);
        peer.next = toIndex(peer.next + batch.length);
        peer.inFlight.push(toIndex(peer.next - 1));
      }
      tellCommit(log, leading, peer);
  }
}

/**
 * What was sent to it may be committed by now. Mostly the next append says so; where none comes soon, and
 * where it is waited for, a message of its own.
 */
function tellCommit(log: Log, leading: Leading, peer: Progress): void {
  if (!isUninformed(log, peer)) return;
  if (log.bounds.commitNoticeMs === 0 || peer.commit < peer.hurried) {
    return sendAppend(log, peer, peer.next - 1, [], 0);
  }
  if (leading.noticeArmed) return;
  leading.noticeArmed = true;
  log.out.push({ type: 'arm', timer: 'notice', ms: log.bounds.commitNoticeMs });
}

function isUninformed({ entries }: Log, { state, commit, next }: Progress): boolean {
  if (state !== 'replicate' || entries.termAt(next - 1) === null) return false;
  return commit < Math.min(entries.commit, next - 1);
}

export function onNoticeTimer(log: Log): void {
  const { leading } = log;
  if (leading === null) return;
  leading.noticeArmed = false;
  for (const peer of leading.peers) if (isUninformed(log, peer)) sendAppend(log, peer, peer.next - 1, [], 0);
}

export function onHurry(log: Log, id: PeerId): void {
  const peer = log.leading?.peers.find((each) => each.id === id);
  if (peer !== undefined) peer.hurried = log.entries.lastIndex;
}

/** What it needs next was forgotten while it was slow. If it isn't even heard, its next answer tells. */
function fallBehind(log: Log, peer: Progress): void {
  peer.state = 'probe';
  peer.asked = true;
  peer.inFlight = [];
  askForSnapshot(log, peer);
}

function batchFrom(log: Log, leading: Leading, from: number): readonly Entry[] {
  const { entries } = log;
  if (from > entries.lastIndex) return [];
  const { batch } = leading;
  if (batch.entries[0]?.index === from && batch.last === entries.lastIndex) return batch.entries;
  const cut = entries.batch(from, entries.lastIndex, log.bounds.appendBytesMax);
  leading.batch = { entries: cut, last: entries.lastIndex };
  return cut;
}

function sendAppend(log: Log, peer: Progress, prev: number, entries: readonly Entry[], round: number): void {
  const prevIndex = toIndex(prev), prevTerm = toTerm(prev === 0 ? 0 : log.entries.termAt(prev) ?? 0);
  const commit = toIndex(Math.min(log.entries.commit, prev + entries.length));
  if (commit > peer.commit) peer.commit = commit;
  const { term } = log;
  send(log, peer.id, { type: 'append', term, prevIndex, prevTerm, commit, entries, round });
}

// ── answers ──────────────────────────────────────────────────────────────────────────────────────────────

export function onAppendReply(
  log: Log, from: PeerId, reply: Extract<LogMessage, { readonly type: 'append-reply' }>,
): void {
  const peer = log.leading?.peers.find((each) => each.id === from);
  if (peer === undefined) return;
  noteAnswer(log, peer, reply.round);
  if (!reply.ok) return onRefused(log, peer, reply.index, reply.hintTerm, reply.rejected ?? 0);
  if (reply.index > log.entries.lastIndex) return;
  if (reply.index > peer.match) peer.match = reply.index;
  while (peer.inFlight.length > 0 && (peer.inFlight[0] ?? 0) <= reply.index) peer.inFlight.shift();
  if (peer.next <= peer.match) peer.next = toIndex(peer.match + 1);
  if (peer.state !== 'replicate') resume(log, peer);
}

/** A follower that answered where it stands is sent what follows, or a snapshot if that is forgotten here. */
export function resume(log: Log, peer: Progress): void {
  if (log.entries.termAt(peer.match) !== null) {
    peer.state = 'replicate';
    peer.transfer = null;
    peer.next = toIndex(peer.match + 1);
    peer.inFlight = [];
  } else if (peer.state === 'probe') {
    askForSnapshot(log, peer);
  }
}

/** Its log does not agree at `rejected`: go back as far as its hint and this log's terms allow, and probe. */
function onRefused(log: Log, peer: Progress, hint: number, hintTerm: number, rejected: number): void {
  const stale = peer.state === 'probe' ? rejected !== peer.next - 1 : rejected <= peer.match;
  if (peer.state === 'snapshot' || stale) return;
  const agree = hintTerm > 0 ? log.entries.lastOfTerm(hint, hintTerm) : hint;
  peer.next = toIndex(Math.max(Math.min(rejected, agree + 1), peer.match + 1));
  peer.state = 'probe';
  peer.asked = false;
  peer.inFlight = [];
  if (log.entries.termAt(peer.next - 1) === null) askForSnapshot(log, peer);
}

/** Commits what a quorum has on disk, if it is of this term. */
export function commitByCount(log: Log): void {
  const reached = toIndex(quorumOf(log, log.durable.index, (peer) => peer.match));
  if (reached > log.entries.commit && log.entries.termAt(reached) === log.term) commitTo(log, reached);
}
