// Raft as a step function: event in, effects out. This file holds the state's shape and the way of an event
// through the parts: `election.ts`, `replicate.ts` and `follow.ts`, `snapshot.ts`, `read.ts`; `voters.ts`
// decides who should vote, `durable.ts` what waits for the disk, `record.ts` changes the log itself.
//
// Handlers record facts; then one `evaluate` decides what follows from them: roles, commits, messages, the
// write to disk. What always holds: term, vote and entries are on disk before a message that depends on them
// leaves; a committed entry is handed out once per run, in order; the state is changed in place and belongs
// to `step` alone. Source: Ongaro & Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014);
// Ongaro's thesis (2014). The states of a follower's progress are those of etcd-io/raft.

import { unreachable } from '../assert.ts';
import { index as toIndex, term as toTerm } from '../ids.ts';
import type { Index, PeerId, Term } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Random } from '../random.ts';
import { encodeMembers } from '../wire.ts';
import { createDurable, flush, onPersisted, send, sendDurably } from './durable.ts';
import type { Durable } from './durable.ts';
import {
  countOwnVote, departIfRemoved, heedsVotes, onElectionTimer, onPreVote, onPreVoteReply, onTimeoutNow,
  onTransfer, onVote, onVoteReply, pursueTransfer, yieldToFasterDisk,
} from './election.ts';
import { Entries } from './entries.ts';
import { onAppend, onLeaderKnown, onLearned } from './follow.ts';
import { changesBetween, createConfig, lastConfig, sortMembers } from './members.ts';
import type { Config } from './members.ts';
import { holdsLease, onRead, serveReads } from './read.ts';
import { appendEntries, configOf, metaAt, onCompacted } from './record.ts';
import {
  commitByCount, onAppendReply, onHeartbeatTimer, onHurry, onNoticeTimer, pump, syncPeers,
} from './replicate.ts';
import type { Leading } from './replicate.ts';
import { onRecover } from './recover.ts';
import { becomeFollower, refreshRole } from './role.ts';
import {
  onLearnedSnapshot, onSnapshot, onSnapshotReady, onSnapshotReply, onSnapshotRetry,
} from './snapshot.ts';
import type { Incoming } from './snapshot.ts';
import type {
  Entry, LogEffect, LogEvent, LogMember, LogMessage, LogRecovery, LogRole, LogTimer,
} from './types.ts';

export { metaAt };

export interface LogConfig {
  readonly self: PeerId;
  /** Smaller bounds than those of `limits.ts`, so that a test meets them sooner. */
  readonly bounds?: Partial<LogBounds>;
}

export interface LogBounds {
  readonly appendBytesMax: number;
  readonly logEntriesKept: number;
  readonly snapshotChunkBytes: number;
  /** 0: at once. */
  readonly commitNoticeMs: number;
}

export interface Log {
  readonly self: PeerId;
  readonly random: Random;
  readonly bounds: LogBounds;
  /** Monotonic; as of the event being handled. */
  nowMs: number;
  started: boolean;
  term: Term;
  vote: PeerId | null;
  role: LogRole;
  leader: PeerId | null;
  /** When a leader was last heard, or this run began. */
  heardMs: number;
  /** The election timer runs from here, this long. */
  quietSinceMs: number;
  electionTimeoutMs: number;
  /** It joined when the log was committed up to here; before it has come that far, it does not vote. */
  votesFrom: Index;
  /** Candidates and pre-candidates: the answers so far. */
  readonly votes: Map<PeerId, boolean>;
  /** A candidate's own vote counts once this token is persisted. */
  voteToken: number;
  entries: Entries;
  /** The memberships of the entries held, oldest first; the last is in force. */
  configs: Config[];
  readonly durable: Durable;
  leading: Leading | null;
  incoming: Incoming | null;
  /** The effects of the event being handled. */
  out: LogEffect[];
  /** What the owner was last told. */
  told: {
    role: LogRole; term: Term; leader: PeerId | null; ready: boolean;
    config: Config | null; committed: boolean;
  };
}

const defaultBounds: LogBounds = {
  appendBytesMax: limits.appendBytesMax, logEntriesKept: limits.logEntriesKept,
  snapshotChunkBytes: limits.snapshotChunkBytes, commitNoticeMs: limits.commitNoticeMs,
};

/** A log as the disk gave it back. Its first event must be `start`. */
export function createLog(config: LogConfig, recovery: LogRecovery, random: Random): Log {
  const { hard, snapshot, entries: kept } = recovery;
  const entries = new Entries(snapshot, kept);
  const unsaved = recovery.unsaved === true;
  // A write torn between entries and term: no vote of the entries' term can have left before it was whole.
  const torn = entries.lastTerm > hard.term;
  const log: Log = {
    self: config.self, random, bounds: { ...defaultBounds, ...config.bounds }, nowMs: 0, started: false,
    term: torn ? entries.lastTerm : hard.term, vote: torn ? null : hard.vote, role: 'learner', leader: null,
    heardMs: -Infinity, quietSinceMs: 0, electionTimeoutMs: 0,
    votesFrom: toIndex(0), votes: new Map(), voteToken: 0, entries,
    configs: [createConfig(snapshot.index, snapshot.members)],
    durable: createDurable(unsaved ? snapshot.index : entries.lastIndex),
    leading: null, incoming: null, out: [],
    told: { role: 'learner', term: toTerm(0), leader: null, ready: false, config: null, committed: false },
  };
  for (const entry of kept) if (entry.kind === 'config') log.configs.push(configOf(entry));
  log.durable.hardChanged = unsaved || torn;
  if (unsaved) log.durable.unsaved = kept;
  return log;
}

/** The founding peer's log: itself the only member and voter, by an entry like any later membership. */
export function bootstrapRecovery(founder: LogMember, others: readonly LogMember[] = []): LogRecovery {
  const term = toTerm(1);
  const data = encodeMembers([{ ...founder, voter: true }, ...others]);
  return {
    ...emptyRecovery(), hard: { term, vote: null }, unsaved: true,
    entries: [{ index: toIndex(1), term, kind: 'config', data }],
  };
}

/** The log of a peer that has yet to join: a learner of no members, which asks nobody for anything. */
export function emptyRecovery(): LogRecovery {
  const snapshot = { index: toIndex(0), term: toTerm(0), members: [] };
  return { hard: { term: toTerm(0), vote: null }, snapshot, entries: [] };
}

/** Handles one event and says what is to be done, in this order. `nowMs` is monotonic. */
export function step(log: Log, event: LogEvent, nowMs: number): LogEffect[] {
  log.nowMs = Math.max(log.nowMs, nowMs);
  if (!log.started) start(log);
  handle(log, event);
  evaluate(log);
  const { out } = log;
  log.out = [];
  return out;
}

export interface LogDescription {
  readonly role: LogRole;
  readonly term: Term;
  readonly leader: PeerId | null;
  readonly ready: boolean;
  readonly commit: Index;
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  readonly members: readonly LogMember[];
  readonly voters: readonly PeerId[];
  /** A leader that may answer reads by itself: nobody else can have been elected. */
  readonly lease: boolean;
}

/** The log as `shoal status` shows it. `nowMs`: monotonic; the last event's without it. */
export function describe(log: Log, nowMs = log.nowMs): LogDescription {
  const { role, term, leader } = log;
  const { commit, lastIndex, lastTerm } = log.entries;
  const { members, voters } = lastConfig(log.configs);
  const ready = isReady(log), lease = ready && log.leading !== null && holdsLease(log, log.leading, nowMs);
  return { role, term, leader, ready, commit, lastIndex, lastTerm, members, voters, lease };
}

// ── events ───────────────────────────────────────────────────────────────────────────────────────────────

function start(log: Log): void {
  log.started = true;
  // It may have promised silence to a leader just before it stopped; see `role.ts`.
  if (log.term > 0) log.heardMs = log.nowMs;
  becomeFollower(log, log.term, null);
  const { voters } = lastConfig(log.configs);
  if (log.role !== 'follower' || voters.length !== 1 || voters[0] !== log.self) return;
  // Nobody else can lead: there is nothing to wait for.
  log.heardMs = -Infinity;
  log.electionTimeoutMs = 0;
  log.out.push({ type: 'arm', timer: 'election', ms: 0 });
}

function handle(log: Log, event: LogEvent): void {
  switch (event.type) {
    case 'start': return;
    case 'joined':
      if (event.term > log.term) becomeFollower(log, event.term, null);
      log.votesFrom = toIndex(Math.max(log.votesFrom, event.index));
      return;
    case 'timer': return onTimer(log, event.timer);
    case 'message': return onMessage(log, event.from, event.message);
    case 'propose': return onPropose(log, event.data);
    case 'propose-config': return onProposeConfig(log, event.members);
    case 'persisted':
      onPersisted(log, event.token);
      return countOwnVote(log);
    case 'compacted': return onCompacted(log, event.index);
    case 'snapshot-ready': return onSnapshotReady(log, event.to, event.meta, event.data);
    case 'learned': return onLearned(log, event.entries, event.prevTerm ?? null);
    case 'learned-snapshot': return onLearnedSnapshot(log, event.meta, event.data);
    case 'leader-known': return onLeaderKnown(log, event.leader, event.term);
    case 'read': return onRead(log, event.id);
    case 'hurry': return onHurry(log, event.peer);
    case 'transfer': return onTransfer(log);
    case 'recover': return onRecover(log, event.members);
    default: return unreachable(event);
  }
}

function onTimer(log: Log, timer: LogTimer): void {
  switch (timer) {
    case 'election': return onElectionTimer(log);
    case 'heartbeat':
      onHeartbeatTimer(log);
      return yieldToFasterDisk(log);
    case 'notice': return onNoticeTimer(log);
    case 'snapshot-retry': return onSnapshotRetry(log);
    default: return unreachable(timer);
  }
}

/** Terms above this are no terms: counting up to them would take longer than the hardware lasts. */
const termMax = 2 ** 48;

function onMessage(log: Log, from: PeerId, message: LogMessage): void {
  const { term } = message;
  if (from === log.self || !Number.isSafeInteger(term) || term < 0 || term > termMax) return;
  if (term < log.term) return onStaleMessage(log, from, message);
  if ((message.type === 'vote' || message.type === 'pre-vote') && !heedsVotes(log, from, message)) return;
  if (term > log.term && carriesTerm(message)) becomeFollower(log, term, null);
  switch (message.type) {
    case 'pre-vote': return onPreVote(log, from, message);
    case 'vote': return onVote(log, from, message);
    case 'pre-vote-reply': return onPreVoteReply(log, from, message);
    case 'vote-reply': return onVoteReply(log, from, message);
    case 'append': return onAppend(log, from, message);
    case 'append-reply': return onAppendReply(log, from, message);
    case 'snapshot': return onSnapshot(log, from, message);
    case 'snapshot-reply': return onSnapshotReply(log, from, message);
    case 'timeout-now': return onTimeoutNow(log, from, term);
    default: return unreachable(message);
  }
}

/** The term of a pre-vote, and of its granted answer, is one that nobody has entered yet. */
function carriesTerm(message: LogMessage): boolean {
  return message.type !== 'pre-vote' && !(message.type === 'pre-vote-reply' && message.granted);
}

/** Whoever still acts in an older term is told of the newer one. */
function onStaleMessage(log: Log, from: PeerId, message: LogMessage): void {
  const { term } = log;
  switch (message.type) {
    case 'append':
    case 'snapshot': {
      const { round } = message, index = toIndex(0), hintTerm = toTerm(0);
      return sendDurably(log, from, { type: 'append-reply', term, ok: false, round, index, hintTerm });
    }
    case 'pre-vote': return send(log, from, { type: 'pre-vote-reply', term, granted: false });
    case 'vote': return sendDurably(log, from, { type: 'vote-reply', term, granted: false });
    case 'pre-vote-reply': case 'vote-reply': case 'append-reply': case 'snapshot-reply': return;
    case 'timeout-now': return;
    default: return unreachable(message);
  }
}

function onPropose(log: Log, data: readonly Uint8Array[]): void {
  const { leading } = log;
  const refuse = (reason: 'not-leader' | 'not-ready' | 'full'): void => {
    log.out.push({ type: 'refused', what: 'propose', reason });
  };
  if (leading === null) return refuse('not-leader');
  if (leading.transfer !== null) return refuse('not-ready');
  if (data.length === 0) return;
  const first = log.entries.lastIndex + 1;
  let bytes = 0;
  for (const each of data) {
    if (each.length > limits.entryBytesMax) return refuse('full');
    bytes += each.length;
  }
  const uncommitted = log.entries.lastIndex - log.entries.commit + data.length;
  if (uncommitted > limits.uncommittedEntriesMax) return refuse('full');
  if (leading.uncommittedBytes + bytes > limits.uncommittedBytesMax) return refuse('full');
  const { term } = log;
  const entry = (each: Uint8Array, i: number): Entry => (
    { index: toIndex(first + i), term, kind: 'command', data: each });
  lead(log, leading, data.map(entry));
}

function onProposeConfig(log: Log, members: readonly LogMember[]): void {
  const { leading } = log;
  const refuse = (reason: 'not-leader' | 'not-ready' | 'change-in-flight' | 'unsafe'): void => {
    log.out.push({ type: 'refused', what: 'propose-config', reason });
  };
  if (leading === null) return refuse('not-leader');
  if (leading.transfer !== null || !isReady(log)) return refuse('not-ready');
  const current = lastConfig(log.configs);
  if (current.index > log.entries.commit) return refuse('change-in-flight');
  const unique = new Set(members.map((each) => each.id)).size === members.length;
  const voters = members.filter((each) => each.voter).length;
  if (!unique || voters === 0 || changesBetween(current.members, members) > 1) return refuse('unsafe');
  if (members.length > limits.membersMax && members.length > current.members.length) return refuse('unsafe');
  const { term } = log;
  const index = toIndex(log.entries.lastIndex + 1);
  lead(log, leading, [{ index, term, kind: 'config', data: encodeMembers(sortMembers(members)) }]);
}

/** Appends as leader. */
function lead(log: Log, leading: Leading, entries: readonly Entry[]): void {
  const first = entries[0];
  if (first === undefined) return;
  for (const { data } of entries) leading.uncommittedBytes += data.length;
  appendEntries(log, entries);
  log.out.push({ type: 'proposed', first: first.index, count: entries.length, term: log.term });
}

// ── what follows ─────────────────────────────────────────────────────────────────────────────────────────

function evaluate(log: Log): void {
  refreshRole(log);
  if (log.leading !== null) evaluateLeading(log, log.leading);
  refreshRole(log);
  flush(log);
  tell(log);
}

function evaluateLeading(log: Log, leading: Leading): void {
  syncPeers(log, leading);
  commitByCount(log);
  serveReads(log, leading);
  for (const peer of leading.peers) pump(log, peer);
  pursueTransfer(log);
  departIfRemoved(log);
}

/** A leader is ready once its no-op is committed: then it knows all that was committed before it. */
const isReady = ({ leading, entries }: Log): boolean => leading !== null && entries.commit >= leading.noop;

/** Tells the owner of a new membership or role, if there is one. */
function tell(log: Log): void {
  const { role, term, leader, told } = log;
  const config = lastConfig(log.configs);
  const committed = config.index <= log.entries.commit;
  if (config !== told.config || committed !== told.committed) {
    told.config = config;
    told.committed = committed;
    log.out.push({ type: 'members', members: config.members, committed });
  }
  const ready = isReady(log);
  if (role === told.role && term === told.term && leader === told.leader && ready === told.ready) return;
  log.told = { ...told, role, term, leader, ready };
  log.out.push({ type: 'role', role, term, leader, ready });
}
