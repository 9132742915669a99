// Changes of membership, step by step: what is proposed for a wish, and what has to wait.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Core } from '../../actors/peer/core.ts';
import { createWishlist } from '../../actors/peer/wishlist.ts';
import { granted, obstacle } from '../../actors/peer/wishes.ts';
import type { Wish } from '../../actors/peer/wishes.ts';
import { index, peerId } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import type { LogMember } from '../../cluster/log/types.ts';

const member = (name: string, voter = true, address = `${name}:1`): LogMember =>
  ({ id: peerId(`id-${name}`), name, addresses: [address], voter });
const id = (name: string): PeerId => peerId(`id-${name}`);
const remove = (name: string): Wish => ({ kind: 'remove', peer: id(name), asOf: index(9) });
const admit = (one: LogMember, renews = false): Wish =>
  ({ kind: 'admit', member: one, renews, asOf: index(9) });

/** As the leader `a`; all are caught up. */
function decide(members: readonly LogMember[], wish: Wish, dead: readonly string[] = []): unknown {
  const live = new Set(members.map((each) => each.id).filter((each) => !dead.map(id).includes(each)));
  const next = granted(members, wish, id('a'), live, new Map(members.map((each) => [each.id, index(9)])));
  return typeof next === 'string' ? next
    : next.map(({ name, voter }) => `${name}${voter ? '*' : ''}`).join(' ');
}

const three = [member('a'), member('b'), member('c')], pair = [member('a'), member('b', false)];

test('a newcomer is a learner, whatever it says', () => {
  assert.is(decide(three, admit(member('d'))), 'a* b* c* d');
});

test('a name is given once: of two newcomers through two doors, the second is not taken', () => {
  const twin: LogMember = { ...member('c'), id: id('other') };
  assert.is(decide(three, admit(twin)), 'done');
});

test('a voter that knocks at a door has lost its log: it is a learner before it is let in', () => {
  assert.is(decide(three, admit(member('c'))), 'a* b* c');
  assert.is(decide([member('a'), member('b'), member('c', false)], admit(member('c'))), 'done');
  assert.is(decide(three, admit(member('c')), ['b', 'c']), 'wait');
});

test('a member that says where it is now keeps its vote', () => {
  assert.is(decide(three, admit(member('c', false, 'elsewhere:1'), true)), 'a* b* c*');
  assert.is(decide(three, admit(member('c', false), true)), 'done');
});

test('who was taken out is not let in by an old wish of its own', () => {
  assert.is(decide(pair, admit(member('c', false), true)), 'done');
});

test('a voter goes while the others are a quorum, a dead one too', () => {
  assert.is(decide(three, remove('c')), 'a* b*');
  assert.is(decide(three, remove('c'), ['c']), 'a* b*');
  assert.is(decide(three, remove('c'), ['b']), 'wait');
  assert.is(decide(three, remove('unknown')), 'done');
});

test('the leader has another lead first; the only voter has another vote first', () => {
  assert.is(decide(three, remove('a')), 'transfer');
  assert.is(decide(pair, remove('a')), 'a* b*');
  assert.is(decide(pair, remove('a'), ['b']), 'wait');
  assert.is(decide([member('a')], remove('a')), 'done');
});

test('why somebody must stay is told by name', () => {
  const live = new Set([id('a'), id('c')]);
  assert.match(obstacle(three, id('c'), live) ?? '', /out of reach: b;/);
  assert.is(obstacle(three, id('b'), live), null);
  assert.is(obstacle([...three, member('d', false)], id('c'), new Set([...live, id('d')])), null);
  assert.match(obstacle([member('a')], id('a'), live) ?? '', /last member/);
});

// ── how long a wish counts ───────────────────────────────────────────────────────────────────────────────

function wishlist() {
  let nowMs = 0;
  const made = createWishlist({ now: () => nowMs } as unknown as Core, three);
  const kinds = (): string => made.current().map(({ kind }) => kind).join();
  return { ...made, kinds, pass(ms: number): void { nowMs += ms; } };
}

const asOf = (wish: Wish, at: number): Wish => ({ ...wish, asOf: index(at) });

test('a member that was taken out and let in again is not taken out by an old wish', () => {
  const { add, committed, kinds } = wishlist();
  add(asOf(remove('c'), 5));
  committed([member('a'), member('b')], index(7));
  assert.is(kinds(), 'remove', 'granted: the owner has yet to look');
  committed(three, index(9));
  assert.is(kinds(), '');
  add(asOf(remove('c'), 8));
  assert.is(kinds(), '', 'nor by one that somebody tells who has yet to hear of it');
  add(asOf(remove('c'), 9));
  assert.is(kinds(), 'remove');
});

test('who was let in and taken out again is not let in by an old wish', () => {
  const { add, committed, kinds } = wishlist();
  add(asOf(admit(member('d')), 5));
  committed([...three, member('d', false)], index(7));
  assert.is(kinds(), 'admit', 'granted: the door has yet to tell its guest');
  committed(three, index(9));
  assert.is(kinds(), '');
});

test('a snapshot hides who came and went, so older wishes are given up', () => {
  const { add, replaced, kinds } = wishlist();
  add(asOf(remove('c'), 5));
  replaced(three, index(9));
  assert.is(kinds(), '');
});

test('a wish that nobody repeats is dropped', () => {
  const { add, kinds, pass } = wishlist();
  add(remove('c'));
  pass(20_000);
  add(remove('c'));
  pass(20_000);
  assert.is(kinds(), 'remove');
  pass(20_000);
  assert.is(kinds(), '');
});

test.run();
