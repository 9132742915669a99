// The commit feed and repair: whatever the network does, a member ends with the leader's entries, in order,
// each once; and asks others than the leader where it can.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createPublisher, createReceiver, publisherStep, receiverStep } from '../../cluster/gossip/feed.ts';
import { createRepair, repairStep } from '../../cluster/gossip/repair.ts';
import type { Repair } from '../../cluster/gossip/repair.ts';
import type {
  FeedBatch, LogView, PublisherEffect, ReceiverEffect, RepairEffect, RepairEvent, RepairMessage, RepairView,
} from '../../cluster/gossip/types.ts';
import { index, peerId, term } from '../../cluster/ids.ts';
import type { Index, PeerId, Term } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { Entry, SnapshotMeta } from '../../cluster/log/types.ts';
import { createRandom } from '../../cluster/random.ts';
import { decodeMessage, encodeMessage } from '../../cluster/wire.ts';

const leader = peerId('leader'), bob = peerId('bob'), carol = peerId('carol'), self = peerId('self');

const entry = (at: number, bytes = 10, t = termOf(at)): Entry =>
  ({ index: index(at), term: t, kind: 'command', data: new Uint8Array(bytes).fill(at & 255) });
/** Ten entries a term. */
const termOf = (at: number): Term => term(at === 0 ? 0 : 1 + Math.floor(at / 10));
const range = (first: number, last: number, bytes = 10): Entry[] =>
  Array.from({ length: last - first + 1 }, (_, i) => entry(first + i, bytes));
function batchOf(first: number, last: number): FeedBatch {
  const prevTerm = termOf(first - 1);
  return { from: leader, term: term(99), first: index(first), prevTerm, entries: range(first, last) };
}

// ── publisher ────────────────────────────────────────────────────────────────────────────────────────────

const published = (effects: readonly PublisherEffect[]): FeedBatch[] =>
  effects.flatMap((effect) => (effect.type === 'publish' ? [effect.batch] : []));
const spans = (batches: readonly FeedBatch[]): string[] =>
  batches.map(({ first, entries, prevTerm }) => `${first}+${entries.length} after term ${prevTerm}`);

test('a publisher announces itself, collects for a moment, and publishes without a gap', () => {
  const p = createPublisher(leader);
  assert.equal(publisherStep(p, { type: 'committed', entries: range(1, 3) }), [], 'it does not lead');
  const lead = publisherStep(p, { type: 'lead', term: term(2), last: index(12), lastTerm: term(2) });
  assert.equal(spans(published(lead)), ['13+0 after term 2']);
  const first = publisherStep(p, { type: 'committed', entries: range(13, 14) });
  assert.equal(first, [{ type: 'arm', timer: 'feed', ms: limits.feedBatchMs }]);
  assert.equal(publisherStep(p, { type: 'committed', entries: range(14, 25) }), [], 'repeats are skipped');
  assert.equal(spans(published(publisherStep(p, { type: 'timer' }))), ['13+13 after term 2']);
  assert.equal(spans(published(publisherStep(p, { type: 'timer' }))), ['26+0 after term 3']);
  assert.equal(publisherStep(p, { type: 'stop' }), [{ type: 'disarm', timer: 'feed' }]);
  assert.equal(publisherStep(p, { type: 'timer' }), []);
  assert.throws(() => {
    publisherStep(p, { type: 'lead', term: term(3), last: index(5), lastTerm: term(1) });
    publisherStep(p, { type: 'committed', entries: range(9, 9) });
  }, /entry 9 after 5/);
});

test('a publisher splits what is too large for a batch, and sends a huge entry alone', () => {
  const p = createPublisher(leader);
  publisherStep(p, { type: 'lead', term: term(9), last: index(0), lastTerm: term(0) });
  const third = Math.floor(limits.feedBatchBytesMax / 3);
  const entries = [...range(1, 4, third), entry(5, limits.entryBytesMax), entry(6)];
  const batches = published(publisherStep(p, { type: 'committed', entries }));
  batches.push(...published(publisherStep(p, { type: 'timer' })));
  assert.equal(spans(batches).map((span) => span.split(' ')[0]), ['1+3', '4+1', '5+1', '6+1']);
});

// ── receiver ─────────────────────────────────────────────────────────────────────────────────────────────

const view = (applied: number, termAt: (at: Index) => Term | null = (at) => termOf(at)): LogView =>
  ({ applied: index(applied), termAt });
const learned = (effects: readonly (ReceiverEffect | RepairEffect)[]): number[] =>
  effects.flatMap((effect) => (effect.type === 'learned' ? effect.entries : [])).map((each) => each.index);
const types = (effects: readonly { readonly type: string }[]): string[] => effects.map(({ type }) => type);

test('a receiver hands on what is contiguous, drops repeats, cuts overlaps, holds what is early', () => {
  const r = createReceiver();
  const give = (batch: FeedBatch, applied: number, now = 0): ReceiverEffect[] =>
    receiverStep(r, { type: 'batch', batch }, view(applied), now);
  assert.equal(learned(give(batchOf(1, 3), 0)), [1, 2, 3]);
  assert.equal(learned(give(batchOf(1, 3), 0)), [], 'a repeat, before it is applied');
  assert.equal(learned(give(batchOf(4, 5), 0)), [4, 5], 'the log still writes 1 to 3');
  assert.equal(learned(give(batchOf(8, 9), 5)), []);
  assert.equal(learned(give(batchOf(12, 12), 5)), []);
  assert.equal(learned(give(batchOf(4, 7), 5)), [6, 7, 8, 9], 'an overlap is cut, and the next fits now');
  assert.equal(learned(receiverStep(r, { type: 'progress' }, view(11), 9)), [12], 'entries came another way');
  assert.is(r.held.size, 0);
});

test('a receiver tells who leads, how far the log is, and believes no older leader', () => {
  const r = createReceiver();
  const announce: FeedBatch = { ...batchOf(8, 8), entries: [] };
  assert.equal(receiverStep(r, { type: 'batch', batch: announce }, view(3), 0), [
    { type: 'leader-known', leader, term: term(99) }, { type: 'seen', from: leader, index: index(7) },
  ]);
  const older = receiverStep(r, { type: 'batch', batch: { ...announce, term: term(98) } }, view(3), 0);
  assert.equal(types(older), ['seen']);
});

test('a receiver refuses what disagrees with a committed entry', () => {
  for (const first of [6, 3]) {
    const r = createReceiver();
    const other = view(5, () => term(77));
    const effects = receiverStep(r, { type: 'batch', batch: batchOf(first, 8) }, other, 0);
    assert.equal(effects.at(-1), { type: 'diverged', from: leader, index: index(5) });
    assert.equal(learned(effects), []);
  }
});

test('a receiver whose log did not take what it was given starts from the log again', () => {
  const r = createReceiver();
  receiverStep(r, { type: 'batch', batch: batchOf(1, 3) }, view(0), 0);
  const late = receiverStep(r, { type: 'batch', batch: batchOf(4, 5) }, view(0), limits.repairAfterMs);
  assert.equal(learned(late), []);
  const again = receiverStep(r, { type: 'batch', batch: batchOf(1, 3) }, view(0), 500);
  assert.equal(learned(again), [1, 2, 3, 4, 5]);
});

test('a receiver holds a bounded number of batches, the nearest', () => {
  const r = createReceiver();
  for (let i = 100; i > 1; i--) {
    receiverStep(r, { type: 'batch', batch: batchOf(i * 2, i * 2 + 1) }, view(0), 0);
  }
  assert.is(r.held.size, limits.feedBatchesHeldMax);
  assert.is(Math.max(...r.held.keys()), 2 * (limits.feedBatchesHeldMax + 1));
});

test('a feed that is lost, repeated and reordered still yields a prefix, each entry once', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = createRandom(seed);
    const batches: FeedBatch[] = [];
    for (let at = 1; at < 300;) {
      const last = at + random.below(8);
      batches.push(batchOf(at, last));
      at = last + 1;
    }
    const copies = (): number => (random.chance(1, 50) ? 0 : random.chance(1, 5) ? 2 : 1);
    const sent = batches.flatMap((batch) => Array.from({ length: copies() }, () => batch));
    for (let i = 0; i + 6 < sent.length; i++) {
      const j = i + random.below(6);
      [sent[i], sent[j]] = [sent[j]!, sent[i]!];
    }
    const r = createReceiver();
    const got: number[] = [];
    for (const batch of sent) {
      const applied = random.chance(1, 2) ? got.length : 0;
      got.push(...learned(receiverStep(r, { type: 'batch', batch }, view(applied), 0)));
    }
    assert.equal(got, got.map((_, i) => i + 1), `seed ${seed}`);
  }
});

// ── repair: one side ─────────────────────────────────────────────────────────────────────────────────────

interface Asker {
  readonly r: Repair; applied: number; beats: Map<PeerId, number>; active: boolean; live: PeerId[];
}

const asker = (seed = 1): Asker => ({
  r: createRepair(self, createRandom(seed)), applied: 5, beats: new Map(), active: true,
  live: [bob, carol, leader, self],
});

function viewOf(a: Asker): RepairView {
  return {
    applied: index(a.applied), termAt: (at) => termOf(at), active: a.active, term: term(99), leader,
    live: a.live,
    appliedOf: (peer) => index(a.beats.get(peer) ?? 0),
    entriesFrom: () => ({ entries: [], prevTerm: term(0) }),
    snapshotNow: () => { throw new Error('not asked for'); },
  };
}

const tell = (a: Asker, event: RepairEvent): RepairEffect[] => repairStep(a.r, event, viewOf(a), 0);
const hear = (a: Asker, from: PeerId, message: RepairMessage): RepairEffect[] =>
  tell(a, { type: 'message', from, message });
const timer = (a: Asker, name: 'repair' | 'repair-timeout'): RepairEffect[] =>
  tell(a, { type: 'timer', timer: name });
const sends = (effects: readonly RepairEffect[]): { to: PeerId; message: RepairMessage }[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [{ to: effect.to, message: effect.message }] : []));

test('repair waits for the feed first, then pulls from a member that is ahead, not from the leader', () => {
  const asked = new Set<PeerId>();
  for (let seed = 1; seed <= 20; seed++) {
    const a = asker(seed);
    assert.equal(tell(a, { type: 'look' }), [], 'nobody is ahead');
    a.beats = new Map([[bob, 9], [carol, 9], [leader, 9]]);
    assert.equal(types(tell(a, { type: 'look' })), ['disarm', 'arm']);
    assert.equal(tell(a, { type: 'look' }), []);
    a.applied = 6;
    assert.equal(sends(timer(a, 'repair')), [], 'the feed made progress');
    const [pull] = sends(timer(a, 'repair'));
    assert.equal(pull!.message, { type: 'pull', id: 1, first: 7 });
    asked.add(pull!.to);
  }
  assert.equal([...asked].sort(), [bob, carol]);
});

test('repair asks the leader last: when nobody else has it, or is heard', () => {
  const a = asker();
  tell(a, { type: 'seen', from: leader, index: index(9) });
  const order = [sends(timer(a, 'repair'))[0]!.to];
  order.push(sends(timer(a, 'repair-timeout'))[0]!.to);
  order.push(sends(hear(a, order[1]!, { type: 'nothing', id: 2, applied: index(5) }))[0]!.to);
  assert.equal([...order.slice(0, 2)].sort(), [bob, carol], 'two guesses');
  assert.is(order[2], leader);
  assert.equal(types(timer(a, 'repair-timeout')), ['disarm', 'arm'], 'then it waits and begins again');
});

test('repair asks whose feed it hears, whatever gossip says of all others', () => {
  const a = asker();
  a.live = [];
  tell(a, { type: 'seen', from: carol, index: index(9) });
  assert.is(sends(timer(a, 'repair'))[0]!.to, carol);
  assert.equal(types(timer(a, 'repair-timeout')), ['disarm', 'arm'], 'then it waits and begins again');
});

test('repair takes a range, waits until it is applied, and goes on at once', () => {
  const a = asker();
  a.beats.set(bob, 9);
  tell(a, { type: 'look' });
  timer(a, 'repair');
  const batch: FeedBatch = { ...batchOf(6, 7), from: bob };
  assert.equal(learned(hear(a, carol, { type: 'range', id: 1, batch, commit: index(9) })), [], 'not asked');
  assert.equal(learned(hear(a, bob, { type: 'range', id: 2, batch, commit: index(9) })), [], 'not this one');
  assert.equal(learned(hear(a, bob, { type: 'range', id: 1, batch, commit: index(9) })), [6, 7]);
  assert.equal(learned(hear(a, bob, { type: 'range', id: 1, batch, commit: index(9) })), [], 'a repeat');
  assert.equal(tell(a, { type: 'look' }), []);
  a.applied = 7;
  assert.equal(sends(tell(a, { type: 'look' })), [{ to: bob, message: { type: 'pull', id: 2, first: 8 } }]);
  a.applied = 9;
  assert.equal(types(tell(a, { type: 'look' })), ['disarm', 'disarm'], 'done');
});

test('repair refuses a range that disagrees with what is applied, and one that was not asked for', () => {
  const a = asker();
  a.beats.set(bob, 9);
  tell(a, { type: 'look' });
  timer(a, 'repair');
  const wrong: FeedBatch = { ...batchOf(6, 7), prevTerm: term(0) };
  const effects = hear(a, bob, { type: 'range', id: 1, batch: wrong, commit: index(9) });
  assert.equal(effects[0], { type: 'diverged', from: bob, index: 5 });
  assert.equal(learned(effects), []);
  const [next] = sends(effects);
  assert.is.not(next!.to, bob);
  const gap = hear(a, next!.to, { type: 'range', id: 2, batch: batchOf(7, 8), commit: index(9) });
  assert.equal(learned(gap), []);
});

test('a peer that does not take part asks for nothing, but answers', () => {
  const a = asker();
  a.active = false;
  a.beats.set(bob, 9);
  assert.equal(tell(a, { type: 'look' }), []);
  const answer = sends(hear(a, bob, { type: 'pull', id: 3, first: index(6) }));
  assert.equal(answer, [{ to: bob, message: { type: 'nothing', id: 3, applied: 5 } }]);
});

// ── repair: both sides ───────────────────────────────────────────────────────────────────────────────────

interface Server { readonly r: Repair; applied: number; base: number; encoded: number; stateBytes: number }

/** Entries up to `applied`, compacted up to `base`; its state is so many bytes. */
const server = (applied: number, base: number, stateBytes = 700_000): Server =>
  ({ r: createRepair(bob, createRandom(2)), applied, base, encoded: 0, stateBytes });

function serverView(s: Server): RepairView {
  return {
    applied: index(s.applied), termAt: (at) => termOf(at), active: false, term: term(99), leader, live: [],
    appliedOf: () => index(0),
    entriesFrom(first, bytesMax) {
      if (first <= s.base) return 'compacted';
      const entries: Entry[] = [];
      let bytes = 0;
      for (let at: number = first; at <= s.applied && (bytes < bytesMax || entries.length === 0); at++) {
        entries.push(entry(at, 200_000));
        bytes += 200_000;
      }
      return { entries, prevTerm: termOf(first - 1) };
    },
    snapshotNow() {
      s.encoded += 1;
      const data = Uint8Array.from({ length: s.stateBytes }, (_, i) => (i * 7 + s.applied) & 255);
      return { meta: metaAt(s.applied), data };
    },
  };
}

const metaAt = (at: number): SnapshotMeta => ({
  index: index(at), term: termOf(at), members: [{ id: bob, name: 'bob', addresses: [], voter: true }],
});

/** Carries messages between the two over the wire until none is left; returns what the asker learned. */
function exchange(a: Asker, s: Server, first: readonly RepairEffect[], between?: () => void): RepairEffect[] {
  const news: RepairEffect[] = [];
  let queue = [...first];
  for (let rounds = 0; queue.length > 0; rounds++) {
    assert.ok(rounds < 1_000, 'an exchange without end');
    const effect = queue.shift()!;
    if (effect.type === 'send') {
      const answers = ask(s, overWire(effect.message));
      for (const answer of sends(answers)) queue.push(...hear(a, bob, overWire(answer.message)));
      between?.();
    } else if (effect.type === 'learned') {
      news.push(effect);
      a.applied = effect.entries.at(-1)!.index;
      queue = [...queue, ...tell(a, { type: 'look' })];
    } else if (effect.type === 'learned-snapshot') {
      news.push(effect);
      a.applied = effect.meta.index;
      queue = [...queue, ...tell(a, { type: 'look' })];
    }
  }
  return news;
}

function ask(s: Server, message: RepairMessage): RepairEffect[] {
  return repairStep(s.r, { type: 'message', from: self, message }, serverView(s), 0);
}

function overWire(message: RepairMessage): RepairMessage {
  const decoded = decodeMessage(encodeMessage({ kind: 'repair', message }));
  if (!('kind' in decoded) || decoded.kind !== 'repair') throw new Error('a message was refused');
  return decoded.message;
}

/** An asker that has found out that bob is ahead, and its first pull. */
function behind(s: Server): [Asker, RepairEffect[]] {
  const a = asker();
  a.live = [bob, self];
  a.beats.set(bob, s.applied);
  tell(a, { type: 'look' });
  return [a, timer(a, 'repair')];
}

test('many ranges bring the asker up to date, none much larger than allowed', () => {
  const s = server(40, 2);
  const [a, first] = behind(s);
  const news = exchange(a, s, first);
  assert.equal(learned(news), range(6, 40).map((each) => each.index as number));
  assert.ok(news.length > 5, 'in several messages');
  assert.is(a.r.phase.at, 'idle');
});

test('what is compacted comes as a snapshot in chunks, then the entries after it', () => {
  const s = server(40, 30);
  const [a, first] = behind(s);
  const news = exchange(a, s, first, () => { s.applied = 42; a.beats.set(bob, 42); });
  const [snapshot, ...rest] = news;
  assert.ok(snapshot?.type === 'learned-snapshot');
  assert.equal(snapshot.meta, metaAt(40));
  assert.equal(snapshot.data, Uint8Array.from({ length: 700_000 }, (_, i) => (i * 7 + 40) & 255));
  assert.equal(learned(rest), [41, 42]);
  assert.is(s.encoded, 1);
});

test('one encoded snapshot serves several, until nobody asks for it, or the log has left it behind', () => {
  const s = server(40, 30);
  for (let i = 0; i < 3; i++) exchange(...withServer(s));
  assert.is(s.encoded, 1);
  s.applied = 60;
  s.base = 45;
  exchange(...withServer(s));
  assert.is(s.encoded, 2);
  const at = (now: number): RepairEffect[] =>
    repairStep(s.r, { type: 'timer', timer: 'repair-snapshot' }, serverView(s), now);
  assert.equal(at(limits.repairSnapshotKeptMs - 10), [{ type: 'arm', timer: 'repair-snapshot', ms: 10 }]);
  assert.equal(at(limits.repairSnapshotKeptMs), []);
  assert.is(s.r.served.snapshot, null);
});

function withServer(s: Server): [Asker, Server, RepairEffect[]] {
  const [a, first] = behind(s);
  return [a, s, first];
}

test('a server whose snapshot is another by now begins again, and the asker follows', () => {
  const s = server(40, 30);
  const [a, first] = behind(s);
  let rounds = 0;
  const news = exchange(a, s, first, () => {
    rounds += 1;
    if (rounds !== 2) return;
    s.r.served.snapshot = null;
    s.applied = 44;
  });
  assert.ok(news[0]?.type === 'learned-snapshot');
  assert.equal(news[0].meta, metaAt(44));
  assert.equal(news[0].data, Uint8Array.from({ length: 700_000 }, (_, i) => (i * 7 + 44) & 255));
});

test('a snapshot that stalls, goes backwards or is older than the own state is given up', () => {
  const s = server(40, 30);
  const [a, first] = behind(s);
  const [pull] = sends(first);
  const [chunk] = sends(ask(s, pull!.message));
  assert.ok(chunk?.message.type === 'snapshot-chunk');
  const next = sends(hear(a, bob, chunk.message));
  assert.equal(next.map(({ message }) => message.type), ['pull-snapshot']);
  assert.equal(hear(a, bob, chunk.message), [], 'a repeat of the first chunk');
  assert.equal(types(timer(a, 'repair-timeout')), ['disarm', 'arm'], 'nobody else is there: wait');
  assert.equal(hear(a, bob, chunk.message), [], 'a late chunk');
  const [again] = sends(timer(a, 'repair'));
  const old = { ...chunk.message, id: (again!.message as { id: number }).id, meta: metaAt(5) };
  assert.equal(types(hear(a, bob, old)), ['disarm', 'arm']);
});

test.run();
