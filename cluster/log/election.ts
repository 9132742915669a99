// Elections: pre-vote, vote, the first moments of a leader, and giving leadership away.
//
// A peer first asks whether it could win (pre-vote), so that one which was cut off doesn't push up the term
// and unseat a leader when it comes back. Its own vote is on disk before it asks for others'. Source: Raft
// (Ongaro & Ousterhout 2014, section 5.2; Ongaro's thesis, 3.10, 6.2, 9.6).
//
// What always holds: a peer votes at most once in a term, for a candidate whose log is at least as long as
// its own; a peer that knows no members (it has yet to join, or was wiped) votes for nobody.

import { term as toTerm } from '../ids.ts';
import type { PeerId, Term } from '../ids.ts';
import { limits } from '../limits.ts';
import { send, sendDurably, tokenOfThisStep } from './durable.ts';
import type { Log } from './log.ts';
import { lastConfig } from './members.ts';
import { appendEntries } from './record.ts';
import { createLeading, isLive, startRound } from './replicate.ts';
import type { Progress } from './replicate.ts';
import { becomeFollower, hearsLeader, isCaughtUp, isVoter, restartElectionTimer } from './role.ts';
import type { LogMessage } from './types.ts';
import { quorum } from './voters.ts';

type VoteRequest = Extract<LogMessage, { readonly lastTerm: Term }>;
type VoteReply = Extract<LogMessage, { readonly granted: boolean }>;

export function onElectionTimer(log: Log): void {
  if (log.leading !== null || log.role === 'learner') return;
  const restMs = log.quietSinceMs + log.electionTimeoutMs - log.nowMs;
  if (restMs > 0) log.out.push({ type: 'arm', timer: 'election', ms: restMs });
  else askFirst(log);
}

/** Pre-vote: would a quorum elect this peer? Nothing changes for anybody by the question. */
function askFirst(log: Log): void {
  log.role = 'pre-candidate';
  log.leader = null;
  log.votes.clear();
  restartElectionTimer(log);
  if (isVoter(log, log.self)) log.votes.set(log.self, true);
  const { lastIndex, lastTerm } = log.entries;
  const term = toTerm(log.term + 1);
  for (const to of others(log)) sendDurably(log, to, { type: 'pre-vote', term, lastIndex, lastTerm });
  count(log);
}

function campaign(log: Log, forced: boolean): void {
  log.role = 'candidate';
  log.leader = null;
  log.term = toTerm(log.term + 1);
  log.vote = log.self;
  log.durable.hardChanged = true;
  log.incoming = null;
  log.voteToken = tokenOfThisStep(log);
  log.votes.clear();
  restartElectionTimer(log);
  const { lastIndex, lastTerm } = log.entries;
  const vote = { type: 'vote', term: log.term, lastIndex, lastTerm, ...(forced ? { forced } : {}) } as const;
  for (const to of others(log)) sendDurably(log, to, vote);
}

/** The own vote counts once it is on disk. */
export function countOwnVote(log: Log): void {
  if (log.role !== 'candidate' || log.durable.persistedToken < log.voteToken) return;
  if (!isVoter(log, log.self) || log.votes.has(log.self)) return;
  log.votes.set(log.self, true);
  count(log);
}

function count(log: Log): void {
  const { voters } = lastConfig(log.configs);
  const needed = quorum(voters.length);
  const granted = voters.filter((id) => log.votes.get(id) === true).length;
  const refused = voters.filter((id) => log.votes.get(id) === false).length;
  if (granted >= needed) {
    if (log.role === 'candidate') becomeLeader(log);
    else campaign(log, false);
  } else if (refused > voters.length - needed) {
    becomeFollower(log, log.term, null);
  }
}

function becomeLeader(log: Log): void {
  log.role = 'leader';
  log.leader = log.self;
  log.votes.clear();
  log.leading = createLeading(log);
  appendEntries(log, [{ index: log.leading.noop, term: log.term, kind: 'noop', data: new Uint8Array(0) }]);
  startRound(log);
  log.out.push({ type: 'disarm', timer: 'election' });
  log.out.push({ type: 'arm', timer: 'heartbeat', ms: limits.heartbeatMs });
}

const others = (log: Log): PeerId[] => lastConfig(log.configs).voters.filter((id) => id !== log.self);

// ── being asked ──────────────────────────────────────────────────────────────────────────────────────────

/** Whether a request for votes is looked at at all; if not, it changes nothing here and gets no answer. */
export function heedsVotes(log: Log, from: PeerId, message: VoteRequest): boolean {
  if (!isCaughtUp(log) || (message.forced !== true && hearsLeader(log))) return false;
  const { members } = lastConfig(log.configs);
  if (members.length === 0) return false;
  // A stranger may be a member that was admitted by entries this peer has yet to get: then its log is longer.
  return members.some((each) => each.id === from) || isNewer(log, message);
}

export function onPreVote(log: Log, from: PeerId, message: VoteRequest): void {
  const granted = message.term > log.term && isUpToDate(log, message);
  const term = granted ? message.term : log.term;
  send(log, from, { type: 'pre-vote-reply', term, granted });
}

export function onVote(log: Log, from: PeerId, message: VoteRequest): void {
  const free = log.vote === from || (log.vote === null && log.leader === null);
  const granted = message.term === log.term && free && isUpToDate(log, message);
  if (granted) {
    if (log.vote !== from) log.durable.hardChanged = true;
    log.vote = from;
    if (log.role !== 'learner') restartElectionTimer(log);
  }
  sendDurably(log, from, { type: 'vote-reply', term: log.term, granted });
}

type LastEntry = Pick<VoteRequest, 'lastIndex' | 'lastTerm'>;

function isUpToDate({ entries }: Log, { lastTerm, lastIndex }: LastEntry): boolean {
  return lastTerm > entries.lastTerm || (lastTerm === entries.lastTerm && lastIndex >= entries.lastIndex);
}

function isNewer({ entries }: Log, { lastTerm, lastIndex }: LastEntry): boolean {
  return lastTerm > entries.lastTerm || (lastTerm === entries.lastTerm && lastIndex > entries.lastIndex);
}

export function onPreVoteReply(log: Log, from: PeerId, message: VoteReply): void {
  if (log.role !== 'pre-candidate') return;
  if (message.granted && message.term !== log.term + 1) return;
  log.votes.set(from, message.granted);
  count(log);
}

export function onVoteReply(log: Log, from: PeerId, message: VoteReply): void {
  if (log.role !== 'candidate') return;
  log.votes.set(from, message.granted);
  count(log);
}

// ── giving leadership away ───────────────────────────────────────────────────────────────────────────────

export function onTransfer(log: Log): void {
  const { leading } = log;
  if (leading === null) {
    log.out.push({ type: 'refused', what: 'transfer', reason: 'not-leader' });
    return;
  }
  const to = bestSuccessor(log);
  if (to === null) log.out.push({ type: 'refused', what: 'transfer', reason: 'unsafe' });
  else leading.transfer = { to: to.id, sinceMs: log.nowMs, asked: false };
}

/** The most caught-up live voter; among equals the first by id. */
function bestSuccessor(log: Log): Progress | null {
  let best: Progress | null = null;
  for (const peer of log.leading?.peers ?? []) {
    if (isLive(log, peer) && (best === null || peer.match > best.match)) best = peer;
  }
  return best;
}

/**
 * A leader whose own disk is slow commits by the others', and what waits for its disk grows. Somebody whose
 * disk has what this one still owes is to lead; where none has, the leader's disk is as good as any.
 */
export function yieldToFasterDisk(log: Log): void {
  const { leading } = log, oldest = log.durable.writes[0];
  if (leading === null || leading.transfer !== null || oldest === undefined) return;
  if (log.nowMs - oldest.sinceMs <= limits.slowDiskMs) return;
  const to = bestSuccessor(log);
  if (to === null || to.match < oldest.index) return;
  leading.transfer = { to: to.id, sinceMs: log.nowMs, asked: false };
}

/** Once the successor has everything, it is asked to start its election. Until then nothing is appended. */
export function pursueTransfer(log: Log): void {
  const transfer = log.leading?.transfer ?? null;
  if (log.leading === null || transfer === null) return;
  const peer = log.leading.peers.find((each) => each.id === transfer.to);
  if (peer === undefined || log.nowMs - transfer.sinceMs > limits.electionTimeoutMsMin) {
    log.leading.transfer = null;
  } else if (!transfer.asked && peer.match === log.entries.lastIndex) {
    transfer.asked = true;
    log.leading.leaseGiven = true;
    send(log, peer.id, { type: 'timeout-now', term: log.term });
  }
}

/** A leader whose own removal is committed asks the best voter to follow it, and goes. */
export function departIfRemoved(log: Log): void {
  const config = lastConfig(log.configs);
  if (log.leading === null || config.index > log.entries.commit || config.voters.includes(log.self)) return;
  const to = bestSuccessor(log);
  if (to !== null) send(log, to.id, { type: 'timeout-now', term: log.term });
  becomeFollower(log, log.term, null);
}

export function onTimeoutNow(log: Log, from: PeerId, term: Term): void {
  if (log.role !== 'follower' || term !== log.term || !isVoter(log, log.self)) return;
  if (log.leader !== null && log.leader !== from) return;
  campaign(log, true);
}
