// The log by transcripts: a cluster in one file, driven by hand, with what each peer did under each command.
// Commands (`data/log/*.txt`):
//   add-nodes N [learners=M]     a cluster that begins with N voters and M learners
//   found NAME | join NAME       a founding peer; a peer that knows nobody yet
//   campaign NAME                long silence, then NAME's election timer fires; `campaign-now`: no silence
//   run MS                       time passes, everything arrives and is synced
//   timer NAME TIMER | tick MS   one timer; or time passes and what is due fires
//   propose NAME TEXT…           | read NAME | transfer NAME | save NAME (a snapshot; entries are forgotten)
//   change NAME CHANGE           +4 adds a learner, +4! a voter, -4 removes, 4! promotes, 4? demotes; several
//   next NAME                    what `nextChange` would propose at NAME, all running peers live
//   persist NAME [COUNT]         the disk syncs; `auto-persist on|off` does it by itself (default on)
//   deliver [A>B…]               what is on its way (on these links) arrives; answers wait for the next
//   settle [quiet]               until nothing is on its way and nothing unsynced
//   cut LINK… | mend | lose      links are cut, all mended; what is on its way is lost
//   crash NAME [KEPT] | restart NAME
//   learn NAME from=NAME [first=I] [prev-term=T]     committed entries past the leader
//   learn-snapshot NAME from=NAME | leader-known NAME leader=NAME
//   inject A>B MESSAGE           a message made by hand, in JSON
//   status [NAME…] | log NAME

import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { index as toIndex, peerId, term as toTerm } from '../../cluster/ids.ts';
import type { Index, PeerId } from '../../cluster/ids.ts';
import { createLog, bootstrapRecovery, describe, metaAt, step } from '../../cluster/log/log.ts';
import { lastConfig } from '../../cluster/log/members.ts';
import type { LogEffect, LogMember, LogMessage } from '../../cluster/log/types.ts';
import { failuresSurvived, nextChange, quorum, votersFor } from '../../cluster/log/voters.ts';
import { createRandom } from '../../cluster/random.ts';
import { limits } from '../../cluster/limits.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';
import {
  addPeer, advance, crash, createCluster, deliver, describeEntries, feed, member, read, restart, saveSnapshot,
  settle, stateOf, sync,
} from './log-cluster.ts';
import type { Cluster, Envelope, TestPeer } from './log-cluster.ts';

interface Scene { readonly cluster: Cluster; readonly lines: string[]; autoPersist: boolean }

function makeHandler(): (command: TranscriptCommand) => string {
  const cluster = createCluster(1, {
    appendBytesMax: 200, logEntriesKept: 2, snapshotChunkBytes: 30, commitNoticeMs: 0,
  });
  const lines: string[] = [];
  cluster.lines = lines;
  const scene: Scene = { cluster, lines, autoPersist: true };
  return (command) => {
    lines.length = 0;
    run(scene, command);
    if (scene.autoPersist) for (const peer of cluster.peers.values()) persistAll(scene, peer);
    return lines.length === 0 ? 'ok' : lines.join('\n');
  };
}

function persistAll({ cluster }: Scene, peer: TestPeer): void {
  if (cluster.hung.has(peer.id)) return;
  while (peer.up && peer.unsynced.length > 0) sync(cluster, peer, peer.unsynced.length);
}

function peerOf({ cluster }: Scene, name: string | undefined): TestPeer {
  const peer = cluster.peers.get(peerId(name ?? ''));
  if (peer === undefined) throw new Error(`no peer ${name}`);
  return peer;
}

function run(scene: Scene, command: TranscriptCommand): void {
  const { cluster } = scene;
  const { name, words, options, input } = command;
  const [first, ...rest] = words;
  const peer = (): TestPeer => peerOf(scene, first);
  switch (name) {
    case 'add-nodes': return addNodes(scene, Number(first), Number(options['learners'] ?? 0));
    case 'found': return void addPeer(cluster, first ?? '', 'founder');
    case 'join': return void addPeer(cluster, first ?? '', []);
    case 'campaign':
      cluster.nowMs += limits.electionTimeoutMsMax;
      return feed(cluster, peer(), { type: 'timer', timer: 'election' });
    case 'campaign-now': return campaignNow(scene, peer());
    case 'run': return runFor(scene, Number(first));
    case 'timer': return feed(cluster, peer(), { type: 'timer', timer: rest[0] as 'heartbeat' });
    case 'tick': return advance(cluster, Number(first));
    case 'propose':
      return propose(cluster, peer(), rest);
    case 'read': return read(cluster, peer());
    case 'notice-after': return void (cluster.bounds = { ...cluster.bounds, commitNoticeMs: Number(first) });
    case 'hurry': return feed(cluster, peer(), { type: 'hurry', peer: peerOf(scene, rest[0]).id });
    case 'transfer': return feed(cluster, peer(), { type: 'transfer' });
    case 'recover': return recover(scene, peer(), rest);
    case 'save': return saveSnapshot(cluster, peer());
    case 'change': return change(scene, peer(), rest);
    case 'next': return next(scene, peer());
    case 'auto-persist':
      scene.autoPersist = first === 'on';
      return;
    case 'hang': return void cluster.hung.add(peer().id);
    case 'persist': return sync(cluster, peer(), Number(rest[0] ?? peer().unsynced.length));
    case 'deliver': return deliverRound(scene, words);
    case 'settle': return settleQuietly(scene, first === 'quiet');
    case 'cut': return words.forEach((link) => cluster.cut.add(link));
    case 'mend': return cluster.cut.clear();
    case 'lose':
      cluster.bag = [];
      return;
    case 'crash': return crash(peer(), Number(rest[0] ?? 0));
    case 'restart': return restart(cluster, peer());
    case 'learn': return learn(scene, peer(), options);
    case 'learn-snapshot': return learnSnapshot(scene, peer(), peerOf(scene, options['from']));
    case 'leader-known': {
      const leader = peerOf(scene, options['leader']);
      return feed(cluster, peer(), { type: 'leader-known', leader: leader.id, term: leader.log.term });
    }
    case 'inject': return inject(scene, first ?? '', input);
    case 'status': return status(scene, words);
    case 'log': return showLog(scene, peer());
    default: throw new Error(`no command ${name}`);
  }
}

/** The election timer fires although it is not yet due for the others. */
function campaignNow({ cluster }: Scene, peer: TestPeer): void {
  peer.log.quietSinceMs = -limits.electionTimeoutMsMax;
  feed(cluster, peer, { type: 'timer', timer: 'election' });
}

/** Time passes as it does in good days: everything arrives within a few milliseconds. */
function runFor(scene: Scene, ms: number): void {
  for (let left = ms; left > 0; left -= 25) {
    advance(scene.cluster, Math.min(25, left));
    settleQuietly(scene, false);
  }
}

function addNodes({ cluster }: Scene, voters: number, learners: number): void {
  const members = Array.from({ length: voters + learners }, (_, i) => member(String(i + 1), i < voters));
  for (const { id } of members) addPeer(cluster, id, members);
}

function propose(cluster: Cluster, peer: TestPeer, texts: readonly string[]): void {
  feed(cluster, peer, { type: 'propose', data: texts.map((text) => new TextEncoder().encode(text)) });
}

function change({ cluster }: Scene, leader: TestPeer, changes: readonly string[]): void {
  let members = [...lastConfig(leader.log.configs).members];
  for (const each of changes) {
    const name = each.replace(/[+!?-]/g, ''), voter = each.endsWith('!');
    const id = peerId(name);
    if (each.startsWith('+')) members.push(member(name, voter));
    else if (each.startsWith('-')) members = members.filter((old) => old.id !== id);
    else members = members.map((old) => (old.id === id ? { ...old, voter } : old));
  }
  feed(cluster, leader, { type: 'propose-config', members });
}

/** With itself and those named that are left. */
function recover({ cluster }: Scene, peer: TestPeer, names: readonly string[]): void {
  const left = [peer.id, ...names];
  const known = lastConfig(peer.log.configs).members;
  const strangers = names.filter((name) => !known.some(({ id }) => id === name));
  const members = known.filter(({ id }) => left.includes(id));
  members.push(...strangers.map((name) => member(name, false)));
  feed(cluster, peer, { type: 'recover', members });
}

function next({ cluster, lines }: Scene, leader: TestPeer): void {
  const up = [...cluster.peers.values()].filter((peer) => peer.up);
  const applied = new Map(up.map((peer) => [peer.id, toIndex(peer.applied)]));
  const { members } = lastConfig(leader.log.configs);
  const after = nextChange(members, new Set(up.map((peer) => peer.id)), applied, leader.id);
  lines.push(after === null ? 'as it is' : after.map(shown).join(' '));
}

const shown = (each: LogMember): string => (each.voter ? each.id : `(${each.id})`);

function deliverRound({ cluster, lines }: Scene, links: readonly string[]): void {
  const chosen = (each: Envelope): boolean => links.length === 0 || links.includes(`${each.from}>${each.to}`);
  const bag = cluster.bag.filter(chosen);
  cluster.bag = cluster.bag.filter((each) => !chosen(each));
  for (const envelope of bag) {
    lines.push(`${envelope.from}>${envelope.to} ${describeMessage(envelope.message)}`);
    deliver(cluster, envelope);
  }
}

function settleQuietly({ cluster, lines }: Scene, quiet: boolean): void {
  settle(cluster);
  const kept = quiet ? [] : lines.filter((line) => !line.includes(': persist #'));
  lines.length = 0;
  lines.push(...kept);
}

function describeMessage(m: LogMessage): string {
  const head = `${m.type} term ${m.term}`;
  switch (m.type) {
    case 'pre-vote': case 'vote':
      return `${head} last ${m.lastIndex}/${m.lastTerm}${m.forced === true ? ' forced' : ''}`;
    case 'pre-vote-reply': case 'vote-reply': return `${head} ${m.granted ? 'yes' : 'no'}`;
    case 'append': {
      const entries = m.entries.length === 0 ? '' : ` entries ${describeEntries(m.entries)}`;
      return `${head} after ${m.prevIndex}/${m.prevTerm} commit ${m.commit} round ${m.round}${entries}`;
    }
    case 'append-reply':
      return m.ok ? `${head} up to ${m.index} round ${m.round}`
        : `${head} refused ${m.rejected ?? '-'} hint ${m.index}/${m.hintTerm} round ${m.round}`;
    case 'snapshot':
      return `${head} ${m.meta.index}/${m.meta.term} bytes ${m.offset}+${m.data.length} of ${m.total}`;
    case 'snapshot-reply': return `${head} ${m.index} has ${m.received}${m.done ? ' done' : ''}`;
    case 'timeout-now': return head;
    default: throw new Error('a message of no known type');
  }
}

function learn({ cluster }: Scene, peer: TestPeer, options: Readonly<Record<string, string>>): void {
  const from = peerOf({ cluster, lines: [], autoPersist: false }, options['from']);
  const range = from.log.entries.committedFrom(Number(options['first'] ?? peer.applied + 1), 10_000);
  if (range === 'compacted') throw new Error('compacted: learn a snapshot instead');
  const prevTerm = options['prev-term'];
  const known = prevTerm === undefined ? {} : { prevTerm: toTerm(Number(prevTerm)) };
  feed(cluster, peer, { type: 'learned', entries: range.entries, ...known });
}

function learnSnapshot({ cluster }: Scene, peer: TestPeer, from: TestPeer): void {
  const meta = metaAt(from.log, toIndex(from.applied));
  if (meta === null) throw new Error('no snapshot');
  feed(cluster, peer, { type: 'learned-snapshot', meta, data: stateOf(from) });
}

function inject({ cluster }: Scene, link: string, json: string): void {
  const [from, to] = link.split('>').map((name) => peerId(name)) as [PeerId, PeerId];
  deliver(cluster, { from, to, message: JSON.parse(json, bytes) as LogMessage });
}

const bytes = (key: string, value: unknown): unknown =>
  (key === 'data' ? Uint8Array.from(value as number[]) : value);

function status(scene: Scene, names: readonly string[]): void {
  for (const peer of scene.cluster.peers.values()) {
    if (names.length > 0 && !names.includes(peer.id)) continue;
    const { role, term, leader, commit, lastIndex, members, ready } = describe(peer.log);
    const is = `${role}${ready ? ' ready' : ''} term ${term} leader ${leader ?? 'nobody'}`;
    const what = `commit ${commit} last ${lastIndex} members ${members.map(shown).join(' ')}`;
    scene.lines.push(`${peer.id}: ${peer.up ? is : 'down'} ${what}`);
  }
}

function showLog({ lines }: Scene, peer: TestPeer): void {
  const { entries } = peer.log;
  const held = entries.lastIndex > entries.base ? entries.slice(entries.base + 1, entries.lastIndex) : [];
  lines.push(`after ${entries.base}/${entries.baseTerm}: ${describeEntries(held)}`);
}

transcripts(test, join(import.meta.dirname, '../data/log'), makeHandler);

// ── voters ───────────────────────────────────────────────────────────────────────────────────────────────

const ids = (text: string): PeerId[] => text.split('').map((each) => peerId(each));
/** Upper case votes, lower case learns. */
const membersOf = (text: string): LogMember[] =>
  text.split('').map((each) => member(each.toUpperCase(), each !== each.toLowerCase()));

/** Follows `nextChange` to its end, and says the way: `A` asks; `live` are the members that answer. */
function way(members: string, live: string, applied: Readonly<Record<string, number>> = {}): string {
  let current = membersOf(members);
  const alive = new Set(ids(live));
  const caughtUp = new Map<PeerId, Index>();
  for (const { id } of current) caughtUp.set(id, toIndex(applied[id] ?? 5000));
  const steps: string[] = [];
  for (let count = 0; count < 20; count++) {
    const after = nextChange(current, alive, caughtUp, peerId('A'));
    if (after === null) return steps.join(' ');
    const voters = after.filter((each) => each.voter);
    const left = voters.filter((each) => alive.has(each.id)).length;
    assert.ok(left >= quorum(voters.length), 'a quorum is alive');
    current = after;
    steps.push(after.map((each) => (each.voter ? each.id : each.id.toLowerCase())).join(''));
  }
  throw new Error(`no end: ${steps.join(' ')}`);
}

test('voters: how many', () => {
  assert.equal([1, 2, 3, 4, 5, 6, 50].map(votersFor), [1, 1, 3, 3, 5, 5, 5]);
  assert.equal([1, 2, 3, 4, 5].map(quorum), [1, 2, 2, 3, 3]);
});

test('voters: grow with the members, two at a time', () => {
  assert.is(way('Ab', 'AB'), '');
  assert.is(way('Abc', 'ABC'), 'ABc ABC');
  assert.is(way('ABCd', 'ABCD'), '');
  assert.is(way('ABCde', 'ABCDE'), 'ABCDe ABCDE');
  assert.is(way('ABCDEf', 'ABCDEF'), '');
  assert.is(way('Abc', 'AB'), '', 'one newcomer alone would make the cluster weaker');
  assert.is(way('ABCde', 'ABCD'), '');
});

test('voters: shrink with the members, the lost and the laggards first, never the leader', () => {
  assert.is(way('AB', 'AB'), 'Ab');
  assert.is(way('ABC', 'ABC'), '');
  assert.is(way('ABCDE', 'ABCDE'), '');
  assert.is(way('ABCD', 'ABCD', { B: 1 }), 'AbCD');
  assert.is(way('ABCD', 'ABD', { B: 1 }), 'ABcD');
});

test('voters: a lost one is replaced by the most caught-up live learner', () => {
  assert.is(way('ABCd', 'ABD'), 'ABCD ABcD', 'it may come back with all it had: it goes last');
  assert.is(way('ABCDEfg', 'ABCDFG', { F: 4500 }), 'ABCDEfG ABCDefG');
  assert.is(way('ABCDEfg', 'ABCFG'), 'ABCDEFg ABCDeFg ABCDeFG ABCdeFG');
  assert.is(way('ABC', 'AB'), '', 'with nobody to take its place it stays');
  assert.is(way('ABCd', 'ABD', { D: 10 }), '', 'a learner far behind waits');
  assert.is(way('ABCd', 'ABD', { D: 0 }), '', 'and so does one that has nothing');
});

test('voters: no even number to stay', () => {
  assert.is(way('ABCDe', 'ABCD'), 'ABCde');
  assert.is(way('ABcd', 'AB'), '', 'but two do not fall back to one by a failure');
});

test('voters: failures survived', () => {
  assert.is(failuresSurvived(membersOf('ABC'), new Set(ids('ABC'))), 1);
  assert.is(failuresSurvived(membersOf('ABCDEf'), new Set(ids('ABCD'))), 1);
  assert.is(failuresSurvived(membersOf('ABC'), new Set(ids('AB'))), 0);
  assert.is(failuresSurvived(membersOf('ABC'), new Set(ids('A'))), -1);
});

// ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────

test('proposals beyond the bounds are refused whole', () => {
  const log = createLog({ self: peerId('1') }, bootstrapRecovery(member('1', true)), createRandom(1));
  const play = (effects: readonly LogEffect[]): readonly LogEffect[] => {
    const last = effects.findLast((each) => each.type === 'persist');
    if (last === undefined) return effects;
    return [...effects, ...play(step(log, { type: 'persisted', token: last.token }, 0))];
  };
  play(step(log, { type: 'start' }, 0));
  play(step(log, { type: 'timer', timer: 'election' }, 0));
  assert.is(describe(log).ready, true);
  const refusal = (data: Uint8Array[]): unknown => step(log, { type: 'propose', data }, 0);
  const full = [{ type: 'refused', what: 'propose', reason: 'full' }];
  const many = Array.from({ length: limits.uncommittedEntriesMax + 1 }, () => new Uint8Array(1));
  assert.equal(refusal(many), full);
  assert.equal(refusal([new Uint8Array(limits.entryBytesMax + 1)]), full);
  const large = new Uint8Array(1024 * 1024);
  assert.equal(refusal(Array.from({ length: 65 }, () => large)), full);
  const { lastIndex } = describe(log);
  play(step(log, { type: 'propose', data: Array.from({ length: 64 }, () => large) }, 0));
  assert.is(describe(log).commit, lastIndex + 64, 'what fits is committed, and its bytes are free again');
  play(step(log, { type: 'propose', data: [large] }, 0));
  assert.is(describe(log).commit, lastIndex + 65);
});

test.run();
