// A cluster of logs for tests: each with a disk that syncs when told to, timers on a clock of its own rate,
// and one bag of messages on their way. Every effect is carried out as a peer would, and checked:
// election safety, log matching, leader completeness, agreement of what is applied, durability of what is
// committed, reads that see every acknowledged write. A violation throws.

import { assert, unreachable } from '../../cluster/assert.ts';
import { index as toIndex, peerId, term as toTerm } from '../../cluster/ids.ts';
import type { Index, PeerId } from '../../cluster/ids.ts';
import { bootstrapRecovery, createLog, emptyRecovery, metaAt, step } from '../../cluster/log/log.ts';
import type { Log, LogBounds } from '../../cluster/log/log.ts';
import { lastConfig } from '../../cluster/log/members.ts';
import {
  compactStored, emptyStoredLog, recoverStored, replaceStored, storeEntry, truncateStored,
} from '../../cluster/log/stored.ts';
import type { StoredLog } from '../../cluster/log/stored.ts';
import type {
  Entry, LogEffect, LogEvent, LogMember, LogMessage, LogRecovery, LogTimer, SnapshotMeta,
} from '../../cluster/log/types.ts';
import { quorum } from '../../cluster/log/voters.ts';
import { createRandom, hash32, hashText } from '../../cluster/random.ts';

type OtherEffect = Exclude<LogEffect, { readonly type: 'need-snapshot' }>;
type Persist = Extract<LogEffect, { readonly type: 'persist' }>;
interface SaveSnapshot {
  readonly type: 'save';
  readonly meta: SnapshotMeta;
  readonly data: Uint8Array;
  readonly keepFrom: Index;
}

export interface TestPeer {
  readonly id: PeerId;
  log: Log;
  up: boolean;
  runs: number;
  /** Clock rate in percent; all start at 0. */
  rate: number;
  timers: Map<LogTimer, number>;
  /** What is synced, and what would be lost. */
  stored: StoredLog;
  storedData: Uint8Array;
  unsynced: (Persist | SaveSnapshot)[];
  /** The state: a digest of all that was applied. */
  applied: number;
  digest: number;
  reads: Map<number, number>;
}

export interface Envelope { readonly from: PeerId; readonly to: PeerId; readonly message: LogMessage }

export interface Cluster {
  readonly peers: Map<PeerId, TestPeer>;
  nowMs: number;
  bag: Envelope[];
  /** Links that lose everything, as `from>to`. */
  readonly cut: Set<string>;
  /** By term: who led it. */
  readonly leaders: Map<number, PeerId>;
  /** By index: what was committed there first, and the digest of the state at it. */
  readonly committed: Map<number, { readonly term: number; readonly digest: number }>;
  committedMax: number;
  /** By `index/term`: data and the term before, for log matching. */
  readonly written: Map<string, string>;
  readonly seed: number;
  bounds: Partial<LogBounds>;
  readsAnswered: number;
  installs: number;
  lastRead: number;
  /** Whose disk takes nothing by itself. */
  readonly hung: Set<PeerId>;
  /** What happened, in words; null: nobody reads it. */
  lines: string[] | null;
}

export function createCluster(seed: number, bounds: Partial<LogBounds>): Cluster {
  return {
    peers: new Map(), nowMs: 0, bag: [], cut: new Set(), leaders: new Map(), committed: new Map(),
    committedMax: 0, written: new Map(), seed, bounds, readsAnswered: 0,
    installs: 0, lastRead: 0, hung: new Set(),
    lines: null,
  };
}

export const member = (name: string, voter: boolean): LogMember => (
  { id: peerId(name), name: `node-${name}`, addresses: [], voter });

/** `founder`: a bootstrap; else the members of a cluster that begins with them all, or none for a joiner. */
export function addPeer(
  cluster: Cluster, name: string, begin: 'founder' | readonly LogMember[], rate = 100,
): TestPeer {
  const id = peerId(name);
  const stored = emptyStoredLog();
  let recovery: LogRecovery = emptyRecovery();
  if (begin === 'founder') {
    recovery = bootstrapRecovery(member(name, true));
  } else if (begin.length > 0) {
    stored.snapshot = { index: toIndex(1), term: toTerm(1), members: begin };
    stored.hard = { term: toTerm(1), vote: null };
    recovery = recoveryOf(stored);
    cluster.committed.set(1, { term: 1, digest: 0 });
  }
  const peer: TestPeer = {
    id, log: undefined as unknown as Log, up: false, runs: 0, rate, timers: new Map(), stored,
    storedData: encodeDigest(1, 0), unsynced: [], applied: 0, digest: 0, reads: new Map(),
  };
  cluster.peers.set(id, peer);
  boot(cluster, peer, recovery);
  return peer;
}

function recoveryOf(stored: StoredLog): LogRecovery {
  const recovery = recoverStored({ ...stored, entries: [...stored.entries] });
  assert(!('gapBefore' in recovery), 'a gap on disk');
  return recovery;
}

function boot(cluster: Cluster, peer: TestPeer, recovery: LogRecovery): void {
  peer.runs += 1;
  peer.up = true;
  peer.timers.clear();
  peer.reads.clear();
  peer.applied = recovery.snapshot.index;
  peer.digest = recovery.snapshot.index === 0 ? 0 : decodeDigest(peer.storedData).digest;
  const random = createRandom(hash32(cluster.seed, hashText(peer.id), peer.runs));
  peer.log = createLog({ self: peer.id, bounds: cluster.bounds }, recovery, random);
  feed(cluster, peer, { type: 'start' });
}

/**
 * Stops the peer: of what is not synced, the first `kept` writes happen to be on disk all the same, and of
 * the next one all but the tail after `torn` entries.
 */
export function crash(peer: TestPeer, kept: number, torn = 0): void {
  for (const write of peer.unsynced.slice(0, kept)) store(peer, write);
  const next = peer.unsynced[kept];
  if (next?.type === 'persist' && torn > 0) {
    const { snapshot: _lost, ...rest } = next;
    store(peer, { ...rest, entries: next.entries.slice(0, torn - 1) });
  }
  peer.unsynced = [];
  peer.up = false;
}

export const restart = (cluster: Cluster, peer: TestPeer): void =>
  boot(cluster, peer, recoveryOf(peer.stored));

export const clockOf = (cluster: Cluster, peer: TestPeer): number =>
  Math.floor(cluster.nowMs * peer.rate / 100);

/** Hands the peer an event, and what its effects lead to at once, one after the other. */
export function feed(cluster: Cluster, peer: TestPeer, event: LogEvent): void {
  if (!peer.up) return;
  const inbox = [event];
  for (let next = inbox.shift(); next !== undefined; next = inbox.shift()) {
    const before = peer.log.entries.commit;
    const effects = step(peer.log, next, clockOf(cluster, peer));
    for (const effect of effects) {
      if (effect.type === 'need-snapshot') inbox.push(snapshotFor(cluster, peer, effect.to));
      else execute(cluster, peer, effect);
    }
    checkLeader(cluster, peer, before);
  }
}

function snapshotFor(cluster: Cluster, peer: TestPeer, to: PeerId): LogEvent {
  const meta = metaAt(peer.log, toIndex(peer.applied));
  assert(meta !== null, 'no meta at the applied index');
  say(cluster, peer, `need-snapshot ${to}`);
  return { type: 'snapshot-ready', to, meta, data: stateOf(peer) };
}

function say(cluster: Cluster, peer: TestPeer, text: string): void {
  cluster.lines?.push(`${peer.id}: ${text}`);
}

function execute(cluster: Cluster, peer: TestPeer, effect: OtherEffect): void {
  switch (effect.type) {
    case 'send':
      if (!cluster.cut.has(`${peer.id}>${effect.to}`)) {
        cluster.bag.push({ from: peer.id, to: effect.to, message: effect.message });
      }
      return;
    case 'persist':
      checkWritten(cluster, peer, effect);
      if (cluster.lines !== null) say(cluster, peer, describePersist(effect));
      peer.unsynced.push(effect);
      return;
    case 'commit': return effect.entries.forEach((entry) => apply(cluster, peer, entry));
    case 'install': return install(cluster, peer, effect.meta, effect.data);
    case 'arm':
      peer.timers.set(effect.timer, clockOf(cluster, peer) + effect.ms);
      return;
    case 'disarm':
      peer.timers.delete(effect.timer);
      return;
    case 'read-ready': {
      const floor = peer.reads.get(effect.id);
      assert(floor !== undefined, `read ${effect.id} was answered twice or never asked`);
      assert(effect.index >= floor, `read ${effect.id} at ${effect.index}, but ${floor} was committed`);
      peer.reads.delete(effect.id);
      cluster.readsAnswered += 1;
      return say(cluster, peer, `read-ready ${effect.id} at ${effect.index}`);
    }
    case 'refused':
      if (effect.readId !== undefined) assert(peer.reads.delete(effect.readId), 'a read nobody asked');
      return say(cluster, peer, `refused ${effect.what}: ${effect.reason}`);
    case 'role': {
      const { role, term, leader, ready } = effect;
      const more = ready ? ' ready' : '';
      return say(cluster, peer, `role ${role} term ${term} leader ${leader ?? 'nobody'}${more}`);
    }
    case 'members': {
      const names = effect.members.map((each) => (each.voter ? each.id : `(${each.id})`)).join(' ');
      return say(cluster, peer, `members ${names}${effect.committed ? '' : ' uncommitted'}`);
    }
    case 'proposed':
      return say(cluster, peer, `proposed ${effect.first}${effect.count > 1 ? `+${effect.count}` : ''}`);
    default: return unreachable(effect);
  }
}

// ── state ────────────────────────────────────────────────────────────────────────────────────────────────

function apply(cluster: Cluster, peer: TestPeer, entry: Entry): void {
  assert(entry.index === peer.applied + 1, `${peer.id} applies ${entry.index} after ${peer.applied}`);
  peer.applied = entry.index;
  peer.digest = hash32(peer.digest, entry.index, entry.term, hashText(`${entry.kind} ${entry.data.join()}`));
  const known = cluster.committed.get(entry.index);
  if (known === undefined) cluster.committed.set(entry.index, { term: entry.term, digest: peer.digest });
  else assert(known.digest === peer.digest, `${peer.id} applied another entry ${entry.index} than others`);
  cluster.committedMax = Math.max(cluster.committedMax, entry.index);
  const text = entry.kind === 'command' ? ` ${new TextDecoder().decode(entry.data)}` : '';
  say(cluster, peer, `apply ${entry.index}/${entry.term} ${entry.kind}${text}`);
}

function install(cluster: Cluster, peer: TestPeer, meta: SnapshotMeta, data: Uint8Array): void {
  const state = decodeDigest(data);
  assert(state.index === meta.index && meta.index > peer.applied, 'a stale or wrong snapshot was installed');
  assert(cluster.committed.get(meta.index)?.digest === state.digest, 'a snapshot of another state');
  peer.applied = state.index;
  peer.digest = state.digest;
  cluster.installs += 1;
  say(cluster, peer, `install ${meta.index}/${meta.term}`);
}

/** The state as a snapshot; longer than it needs to be, so that it takes several chunks. */
export const stateOf = (peer: TestPeer): Uint8Array => encodeDigest(peer.applied, peer.digest);

function encodeDigest(index: number, digest: number): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ index, digest, filler: 'x'.repeat(40) }));
}

const decodeDigest = (data: Uint8Array): { index: number; digest: number } =>
  JSON.parse(new TextDecoder().decode(data)) as { index: number; digest: number };

// ── disk ─────────────────────────────────────────────────────────────────────────────────────────────────

function describePersist({ token, hard, truncateAfter, entries, snapshot }: Persist): string {
  const parts = [`persist #${token}`];
  if (hard !== undefined) parts.push(`term ${hard.term} vote ${hard.vote ?? 'nobody'}`);
  if (truncateAfter !== undefined) parts.push(`truncate after ${truncateAfter}`);
  if (entries.length > 0) parts.push(`entries ${describeEntries(entries)}`);
  if (snapshot !== undefined) parts.push(`snapshot ${snapshot.meta.index}/${snapshot.meta.term}`);
  return parts.join(', ');
}

export const describeEntries = (entries: readonly Entry[]): string =>
  entries.map((entry) => `${entry.index}/${entry.term}`).join(' ');

/** Syncs the first `count` writes and acknowledges them. */
export function sync(cluster: Cluster, peer: TestPeer, count: number): void {
  for (const write of peer.unsynced.splice(0, count)) {
    store(peer, write);
    if (write.type === 'persist') feed(cluster, peer, { type: 'persisted', token: write.token });
    else feed(cluster, peer, { type: 'compacted', index: write.meta.index });
  }
}

function store(peer: TestPeer, write: Persist | SaveSnapshot): void {
  const { stored } = peer;
  if (write.type === 'save') {
    if (write.meta.index <= stored.snapshot.index) return;
    stored.snapshot = write.meta;
    peer.storedData = write.data;
    return compactStored(stored, write.keepFrom);
  }
  if (write.hard !== undefined) stored.hard = write.hard;
  if (write.truncateAfter !== undefined) truncateStored(stored, write.truncateAfter);
  for (const entry of write.entries) assert(storeEntry(stored, entry), `a gap before ${entry.index} on disk`);
  if (write.snapshot === undefined) return;
  replaceStored(stored, write.snapshot.meta.index, write.snapshot.meta.term);
  stored.snapshot = write.snapshot.meta;
  peer.storedData = write.snapshot.data;
}

/** The owner saves a snapshot of the state as it is. */
export function saveSnapshot(cluster: Cluster, peer: TestPeer): void {
  const meta = metaAt(peer.log, toIndex(peer.applied));
  assert(meta !== null, 'no meta at the applied index');
  const keepFrom = toIndex(Math.max(0, meta.index - (cluster.bounds.logEntriesKept ?? 0)));
  peer.unsynced.push({ type: 'save', meta, data: stateOf(peer), keepFrom });
}

/** Whether the entry is on this peer's synced disk. */
export function holdsDurably(peer: TestPeer, index: number, term: number): boolean {
  const { snapshot, entries } = peer.stored;
  if (index <= snapshot.index) return true;
  const first = entries[0];
  return first !== undefined && entries[index - first.index]?.term === term;
}

// ── checks ───────────────────────────────────────────────────────────────────────────────────────────────

function checkWritten(cluster: Cluster, peer: TestPeer, write: Persist): void {
  let before = write.entries[0] === undefined ? null : peer.log.entries.termAt(write.entries[0].index - 1);
  for (const entry of write.entries) {
    const key = `${entry.index}/${entry.term}`, text = `${before} ${entry.kind} ${entry.data.join()}`;
    const known = cluster.written.get(key);
    assert(known === undefined || known === text, `log matching: two entries ${key}`);
    cluster.written.set(key, text);
    before = entry.term;
  }
}

function checkLeader(cluster: Cluster, peer: TestPeer, commitBefore: number): void {
  const { log } = peer;
  assert(log.entries.commit >= commitBefore, `the commit index of ${peer.id} fell`);
  if (log.role !== 'leader') return;
  const known = cluster.leaders.get(log.term);
  assert(known === undefined || known === peer.id, `two leaders in term ${log.term}: ${known}, ${peer.id}`);
  if (known === undefined) {
    cluster.leaders.set(log.term, peer.id);
    for (const [index, { term }] of cluster.committed) {
      const here = log.entries.termAt(index);
      assert(index < log.entries.base || here === term, `leader ${peer.id} lacks committed entry ${index}`);
    }
  }
  if (log.entries.commit > commitBefore) checkDurable(cluster, peer);
}

/** What a leader commits is on the disks of a quorum of its voters. */
function checkDurable(cluster: Cluster, leader: TestPeer): void {
  const { commit } = leader.log.entries;
  const term = leader.log.entries.termAt(commit) ?? 0;
  const { voters } = lastConfig(leader.log.configs);
  const holders = voters.filter((id) => {
    const peer = cluster.peers.get(id);
    return peer !== undefined && holdsDurably(peer, commit, term);
  });
  const enough = holders.length >= quorum(voters.length);
  assert(enough, `entry ${commit} is committed, but durable only at ${holders.join()}`);
}

// ── driving ──────────────────────────────────────────────────────────────────────────────────────────────

export function deliver(cluster: Cluster, envelope: Envelope): void {
  const { from, to, message } = envelope;
  const peer = cluster.peers.get(to);
  if (peer === undefined || cluster.cut.has(`${from}>${to}`)) return;
  feed(cluster, peer, { type: 'message', from, message });
}

/** Time passes; timers that come due fire, peer by peer, earliest first. */
export function advance(cluster: Cluster, ms: number): void {
  cluster.nowMs += ms;
  for (const peer of cluster.peers.values()) {
    if (!peer.up) continue;
    const now = clockOf(cluster, peer);
    const due = [...peer.timers].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1]);
    for (const [timer] of due) {
      peer.timers.delete(timer);
      feed(cluster, peer, { type: 'timer', timer });
    }
  }
}

/** A read that must see all that is committed now. */
export function read(cluster: Cluster, peer: TestPeer): void {
  cluster.lastRead += 1;
  peer.reads.set(cluster.lastRead, cluster.committedMax);
  feed(cluster, peer, { type: 'read', id: cluster.lastRead });
}

/** Everything that is on its way arrives, everything written is synced, until nothing is left. */
export function settle(cluster: Cluster): void {
  for (let rounds = 0; rounds < 10_000; rounds++) {
    let busy = false;
    for (const peer of cluster.peers.values()) {
      if (peer.unsynced.length === 0 || !peer.up || cluster.hung.has(peer.id)) continue;
      busy = true;
      sync(cluster, peer, peer.unsynced.length);
    }
    const bag = cluster.bag;
    cluster.bag = [];
    for (const envelope of bag) deliver(cluster, envelope);
    if (!busy && bag.length === 0) return;
  }
  throw new Error('the cluster does not come to rest');
}

/** The leader of the highest term among peers that run. */
export function leaderOf(cluster: Cluster): TestPeer | null {
  const leaders = [...cluster.peers.values()].filter((peer) => peer.up && peer.log.role === 'leader');
  return leaders.sort((a, b) => b.log.term - a.log.term)[0] ?? null;
}

