// Seeded random runs of a cluster of logs: loss, repetition, reordering, cut links, crashes that lose what
// was not synced (or tear it), changing membership, clocks of different rates, compaction, feeds past the
// leader, garbage. `log-cluster.ts` checks every step; at the end, with everything healed, the cluster must
// lead itself again and agree. `node log-random.test.ts FIRST COUNT` runs other seeds, by hand.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { unreachable } from '../../cluster/assert.ts';
import { index as toIndex, peerId, term as toTerm } from '../../cluster/ids.ts';
import type { Index, PeerId } from '../../cluster/ids.ts';
import { metaAt } from '../../cluster/log/log.ts';
import { lastConfig } from '../../cluster/log/members.ts';
import type { Entry, LogMember, LogMessage } from '../../cluster/log/types.ts';
import { nextChange } from '../../cluster/log/voters.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import {
  addPeer, advance, crash, createCluster, deliver, feed, leaderOf, member, read, restart, saveSnapshot,
  settle, stateOf, sync,
} from './log-cluster.ts';
import type { Cluster, TestPeer } from './log-cluster.ts';

interface Run {
  readonly cluster: Cluster;
  readonly random: Random;
  readonly weights: Record<Kind, number>;
  /** Of eight messages, how many arrive out of order. */
  readonly disorder: number;
  proposals: number;
  joined: number;
}

const bounds = { appendBytesMax: 120, logEntriesKept: 4, snapshotChunkBytes: 16 };

function begin(seed: number): Run {
  const random = createRandom(seed);
  const cluster = createCluster(seed, bounds);
  const rate = (): number => random.between(90, 110);
  const count = random.between(1, 5);
  if (random.chance(1, 4)) {
    addPeer(cluster, '1', 'founder', rate());
    settle(cluster);
  } else {
    const members = Array.from({ length: count }, (_, i) => member(String(i + 1), true));
    for (const { id } of members) addPeer(cluster, id, members, rate());
  }
  const weights = drawWeights(random), disorder = random.below(5);
  return { cluster, random, weights, disorder, proposals: 0, joined: cluster.peers.size };
}

function pick<T>(random: Random, list: readonly T[]): T | null {
  return list[random.below(Math.max(1, list.length))] ?? null;
}

const running = (run: Run): TestPeer[] => [...run.cluster.peers.values()].filter((peer) => peer.up);

const kinds = [
  'deliver', 'sync', 'advance', 'propose', 'read', 'learn', 'members', 'save', 'garbage', 'transfer',
  'crash', 'cut', 'restart', 'mend', 'flow', 'silence',
] as const;
type Kind = (typeof kinds)[number];

/** How often each thing happens, in the run's own proportions: calm, rough, or anything between. */
function drawWeights(random: Random): Record<Kind, number> {
  const rare = (most: number): number => [0, 1, most >> 1, most][random.below(4)] ?? 0;
  return {
    deliver: random.between(200, 600), sync: random.between(60, 300), advance: random.between(60, 200),
    propose: random.between(20, 80), read: random.between(5, 40), learn: rare(40), members: rare(30),
    save: rare(20), garbage: rare(10), transfer: rare(8), crash: rare(24), cut: rare(24), flow: rare(160),
    silence: rare(12), restart: random.between(5, 30), mend: random.between(5, 30),
  };
}

function drawKind({ random, weights }: Run): Kind {
  const total = kinds.reduce((sum, kind) => sum + weights[kind], 0);
  let rest = random.below(total);
  return kinds.find((kind) => (rest -= weights[kind]) < 0) ?? 'deliver';
}

/** One random thing happens. */
function happen(run: Run): void {
  const { cluster, random } = run;
  const peer = pick(random, running(run));
  const kind = drawKind(run);
  switch (kind) {
    case 'deliver': return deliverOne(run);
    case 'sync':
      if (peer !== null) sync(cluster, peer, random.between(1, Math.max(1, peer.unsynced.length)));
      return;
    case 'advance':
      return advance(cluster, random.chance(1, 8) ? random.between(100, 1000) : random.between(1, 80));
    case 'propose': return propose(run);
    case 'read': {
      const leaders = running(run).filter((each) => each.log.role === 'leader');
      const reader = pick(random, leaders) ?? peer;
      if (reader !== null) read(cluster, reader);
      return;
    }
    case 'learn': return learn(run);
    case 'members': return changeMembers(run);
    case 'save':
      if (peer !== null && peer.applied > 0) saveSnapshot(cluster, peer);
      return;
    case 'garbage': return garbage(run);
    case 'transfer': {
      const leader = leaderOf(cluster);
      if (leader !== null) feed(cluster, leader, { type: 'transfer' });
      return;
    }
    case 'crash':
      if (peer !== null) crash(peer, random.below(peer.unsynced.length + 1), random.below(4));
      return;
    case 'restart': {
      const down = pick(random, [...cluster.peers.values()].filter((each) => !each.up));
      if (down !== null) restart(cluster, down);
      return;
    }
    case 'cut': return cutLinks(run);
    case 'mend': return cluster.cut.clear();
    case 'flow':
      settle(cluster);
      return advance(cluster, random.between(1, 60));
    case 'silence': return silence(run);
    default: return unreachable(kind);
  }
}

/** Nothing arrives for as long as a follower waits, then everything at once. */
function silence({ cluster, random }: Run): void {
  for (let ms = random.between(700, 1800); ms > 0; ms -= 100) advance(cluster, 100);
  if (random.chance(1, 2)) settle(cluster);
}

function deliverOne({ cluster, random, disorder }: Run): void {
  const { bag } = cluster;
  if (bag.length === 0) return;
  // In order, as a connection keeps it, or any; sometimes lost, sometimes twice.
  const at = random.chance(disorder, 8) ? random.below(bag.length) : 0;
  const envelope = bag[at];
  const fate = random.below(100);
  const last = bag.pop();
  if (at < bag.length && last !== undefined) {
    if (at === 0) bag.shift(), bag.push(last);
    else bag[at] = last;
  }
  if (fate < 4 && envelope !== undefined) bag.push(envelope);
  if ((fate < 4 || fate >= 12) && envelope !== undefined) deliver(cluster, envelope);
  if (bag.length > 300) bag.splice(0, 150);
}

function propose(run: Run): void {
  const { cluster, random } = run;
  const peer = random.chance(1, 3) ? pick(random, running(run)) : leaderOf(cluster);
  if (peer === null) return;
  const data = Array.from({ length: random.between(1, 5) }, () => {
    run.proposals += 1;
    return new TextEncoder().encode(`p${run.proposals}`);
  });
  feed(cluster, peer, { type: 'propose', data });
}

/** Committed entries, or a snapshot, go from one member to another past the leader. */
function learn({ cluster, random }: Run): void {
  const up = [...cluster.peers.values()].filter((peer) => peer.up);
  const from = pick(random, up), to = pick(random, up);
  if (from === null || to === null || from === to) return;
  const meta = metaAt(from.log, toIndex(from.applied));
  if (random.chance(1, 8) && meta !== null && meta.index > 0) {
    return feed(cluster, to, { type: 'learned-snapshot', meta, data: stateOf(from) });
  }
  const { base, commit } = from.log.entries;
  const first = random.chance(1, 2) ? to.log.entries.commit + 1 : random.between(base + 1, commit + 1);
  const range = from.log.entries.committedFrom(first, random.between(1, 300));
  if (range === 'compacted') return;
  const { entries, prevTerm } = range;
  feed(cluster, to, { type: 'learned', entries, ...(random.chance(1, 2) ? { prevTerm } : {}) });
  if (random.chance(1, 4)) feed(cluster, to, { type: 'leader-known', leader: from.id, term: from.log.term });
}

/** The leader's owner changes the membership: as `nextChange` says, or at random. */
function changeMembers(run: Run): void {
  const { cluster, random } = run;
  const leader = leaderOf(cluster);
  if (leader === null) return;
  const { members } = lastConfig(leader.log.configs);
  const live = new Set(running(run).map((peer) => peer.id));
  const next = random.chance(1, 2)
    ? nextChange(members, live, appliedOf(run), leader.id)
    : randomChange(run, members, leader.id);
  if (next !== null) feed(cluster, leader, { type: 'propose-config', members: next });
}

const appliedOf = (run: Run): Map<PeerId, Index> =>
  new Map(running(run).filter(knowsMembers).map((peer) => [peer.id, toIndex(peer.applied)]));

function randomChange(run: Run, members: readonly LogMember[], leader: PeerId): LogMember[] | null {
  const { random } = run;
  const victim = pick(random, members);
  const dice = random.below(10);
  if (dice < 3 && run.joined < 8) {
    run.joined += 1;
    addPeer(run.cluster, String(run.joined), [], random.between(90, 110));
    return [...members, member(String(run.joined), false)];
  }
  if (victim === null || (victim.id === leader && !random.chance(1, 4))) return null;
  if (dice < 5 && members.length > 2) return members.filter((each) => each !== victim);
  if (!victim.voter && !knowsMembers(run.cluster.peers.get(victim.id))) return null;
  return members.map((each) => (each === victim ? { ...each, voter: !each.voter } : each));
}

/** A peer with an empty disk votes for nobody: one that could lose all it has must not be made a voter. */
function knowsMembers(peer: TestPeer | undefined): boolean {
  return peer !== undefined && (peer.stored.entries.length > 0 || peer.stored.snapshot.index > 0);
}

/** One direction of a link, both of it, or a whole peer. */
function cutLinks({ cluster, random }: Run): void {
  const ids = [...cluster.peers.keys()];
  const from = pick(random, ids), to = pick(random, ids);
  if (from === null || to === null) return;
  const dice = random.below(4);
  if (dice < 2) cluster.cut.add(`${from}>${to}`);
  if (dice < 1) cluster.cut.add(`${to}>${from}`);
  if (dice < 2) return;
  const lonely = dice === 2 ? from : leaderOf(cluster)?.id ?? from;
  for (const other of ids) cluster.cut.add(`${lonely}>${other}`).add(`${other}>${lonely}`);
}

/** A message of the right type that makes no sense; it may not promise what only a voter can. */
function garbage({ cluster, random }: Run): void {
  const ids = [...cluster.peers.keys()];
  const to = cluster.peers.get(pick(random, ids) ?? peerId('1'));
  if (to === undefined || !to.up) return;
  const from = random.chance(1, 3) ? peerId('stranger') : pick(random, ids) ?? peerId('1');
  const { entries } = to.log;
  const term = toTerm(random.below(to.log.term + 1));
  const index = toIndex(random.below(entries.lastIndex + 5));
  const round = random.below(9);
  const odd: Entry = { index, term, kind: 'config', data: new Uint8Array([1, 2]) };
  const now = to.log.term, zero = toIndex(0), beyond = toIndex(entries.lastIndex + 9);
  const meta = { index, term, members: [] };
  const messages: LogMessage[] = [
    { type: 'pre-vote', term: toTerm(to.log.term + 5), lastIndex: toIndex(0), lastTerm: toTerm(0) },
    { type: 'pre-vote-reply', term, granted: false }, { type: 'vote-reply', term, granted: false },
    { type: 'append', term: now, prevIndex: index, prevTerm: term, commit: zero, entries: [odd], round },
    { type: 'append-reply', term, ok: false, round, index, hintTerm: term, rejected: index },
    { type: 'snapshot', term, meta, offset: 7, total: 3, data: new Uint8Array(2), round },
    { type: 'snapshot-reply', term, index, received: index, done: false, round },
    { type: 'append-reply', term: now, ok: true, round, index: beyond, hintTerm: term },
  ];
  const message = pick(random, messages);
  if (message !== null) feed(cluster, to, { type: 'message', from, message });
}

/** As gossip's repair does: whoever is behind pulls from whoever is ahead. */
function repair(cluster: Cluster): void {
  const peers = [...cluster.peers.values()];
  const ahead = peers.reduce((a, b) => (b.applied > a.applied ? b : a));
  const meta = metaAt(ahead.log, toIndex(ahead.applied));
  for (const peer of peers) {
    if (peer.applied >= ahead.applied || meta === null) continue;
    const range = ahead.log.entries.committedFrom(peer.applied + 1, 1000);
    if (range === 'compacted') feed(cluster, peer, { type: 'learned-snapshot', meta, data: stateOf(ahead) });
    else feed(cluster, peer, { type: 'learned', entries: range.entries });
  }
}

/** Everything works again: there must be a leader, a write must go through, and all voters must agree. */
function heal(run: Run): void {
  const { cluster } = run;
  cluster.cut.clear();
  for (const peer of cluster.peers.values()) if (!peer.up) restart(cluster, peer);
  for (let rounds = 0; rounds < 400; rounds++) {
    settle(cluster);
    advance(cluster, 37);
    if (rounds % 20 === 0) repair(cluster);
  }
  settle(cluster);
  const leader = leaderOf(cluster);
  assert.ok(leader !== null, 'no leader after healing');
  feed(cluster, leader, { type: 'propose', data: [new TextEncoder().encode('last')] });
  for (let rounds = 0; rounds < 60; rounds++) {
    settle(cluster);
    advance(cluster, 37);
  }
  settle(cluster);
  const { voters } = lastConfig(leader.log.configs);
  assert.is(leader.log.entries.commit, leader.log.entries.lastIndex, 'the last write was not committed');
  for (const id of voters) assert.is(cluster.peers.get(id)?.digest, leader.digest, `voter ${id} is behind`);
}

const totals = { committed: 0, terms: 0, reads: 0, installs: 0, runs: 0, members: 0 };

function runSeed(seed: number, steps: number): void {
  const run = begin(seed);
  for (let at = 0; at < steps; at++) happen(run);
  heal(run);
  totals.committed += run.cluster.committedMax;
  totals.terms += run.cluster.leaders.size;
  totals.reads += run.cluster.readsAnswered;
  totals.installs += run.cluster.installs;
  totals.members += run.cluster.peers.size;
  totals.runs += 1;
}

function runSeeds(first: number, count: number): void {
  for (let seed = first; seed < first + count; seed++) {
    try {
      runSeed(seed, 3000);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).stack}`, { cause: error });
    }
  }
}

const [first, count] = process.argv.slice(2).map(Number);

test('random faults break no promise of the log', () => runSeeds(first ?? 1, count ?? 600));

test('the runs met what they were made for', () => {
  if (first !== undefined) console.log(totals);
  assert.ok(totals.terms > totals.runs * 2, `elections: ${totals.terms}`);
  assert.ok(totals.committed > totals.runs * 50, `entries: ${totals.committed}`);
  assert.ok(totals.reads > totals.runs, `reads: ${totals.reads}`);
  assert.ok(totals.installs > totals.runs / 2, `snapshots: ${totals.installs}`);
});

test.run();
