// Read index: up to where must a state be applied, so that no write acknowledged before now is missed?
// Only a leader can say, and only while it is sure that no other has been elected.
//
// The lease. A voter that heard the leader grants no vote for `electionTimeoutMsMin` of its own clock after
// it. A quorum that answered a round heard the leader after the round began, so nobody else can be elected
// until `electionTimeoutMsMin` after its beginning. The leader counts on 3/4 of that. The assumption: while
// that time passes, no two clocks run apart by more than a third (a monotonic clock's rate; what they show
// does not matter). Where a process is stopped and started again, the lease is over by its own clock.
// Without a lease, a round that begins after the read came in is answered by a quorum first.
//
// What always holds: the index given is at least the commit index when the read came in, and at least the
// entry that opened the leader's term.

import { index as toIndex } from '../ids.ts';
import type { Index } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Log } from './log.ts';
import { heartbeat, quorumOf, startRound } from './replicate.ts';
import type { Leading } from './replicate.ts';

export interface PendingRead {
  readonly id: number;
  readonly index: Index;
  /** A quorum must have answered this round or a later one. */
  readonly round: number;
}

const leaseMs = Math.floor(limits.electionTimeoutMsMin * 3 / 4);

export function onRead(log: Log, id: number): void {
  const { leading } = log;
  if (leading === null || leading.reads.length >= limits.logReadsMax) {
    const reason = leading === null ? 'not-leader' : 'full';
    log.out.push({ type: 'refused', what: 'read', reason, readId: id });
    return;
  }
  leading.reads.push({ id, index: log.entries.commit, round: leading.round + 1 });
}

/**
 * Answers what can be answered. One extra round at a time is under way: reads that come meanwhile wait for
 * the next, which begins when this one is answered, or with the next heartbeat.
 */
export function serveReads(log: Log, leading: Leading): void {
  if (leading.reads.length === 0 || log.entries.commit < leading.noop) return;
  const answered = quorumOf(log, leading.round, (peer) => peer.round);
  if (holdsLease(log, leading)) {
    answerReads(log, leading, Infinity);
    return;
  }
  answerReads(log, leading, answered);
  if (leading.reads.length === 0 || answered < leading.round) return;
  startRound(log);
  for (const peer of leading.peers) heartbeat(log, leading, peer);
}

/** Answers the reads whose round a quorum has answered. */
function answerReads(log: Log, leading: Leading, answered: number): void {
  const waiting: PendingRead[] = [];
  for (const read of leading.reads) {
    if (read.round > answered) waiting.push(read);
    else log.out.push({ type: 'read-ready', id: read.id, index: max(read.index, leading.noop) });
  }
  leading.reads = waiting;
}

const max = (a: Index, b: Index): Index => toIndex(Math.max(a, b));

export function holdsLease(log: Log, leading: Leading, nowMs = log.nowMs): boolean {
  if (leading.leaseGiven) return false;
  return nowMs - quorumOf(log, nowMs, (peer) => peer.roundMs) <= leaseMs;
}
