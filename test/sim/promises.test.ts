// The oracles of promises, candidacies, leases and memberships: each is silent where all is well, and speaks
// for the smallest thing that is wrong.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { index, peerId, term } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import { emptyStoredLog, storeEntry } from '../../cluster/log/stored.ts';
import type { StoredLog } from '../../cluster/log/stored.ts';
import type { Entry, LogMember } from '../../cluster/log/types.ts';
import { encodeMembers } from '../../cluster/wire.ts';
import { createLeaseOracle } from '../../sim/check/lease.ts';
import { createMembershipOracle } from '../../sim/check/membership.ts';
import type { OracleName } from '../../sim/check/oracle.ts';
import { createPromisesOracle } from '../../sim/check/promises.ts';
import { noop } from './stage.ts';

const [a, b, c] = ['a', 'b', 'c'].map((id) => peerId(id)) as [PeerId, PeerId, PeerId];
const member = (id: PeerId, voter = true): LogMember => ({ id, name: String(id), addresses: [], voter });
const three = [a, b, c].map((id) => member(id));

type Role = LogDescription['role'];
const looks = (role: Role, of: number, more: Partial<LogDescription> = {}): LogDescription => ({
  role, term: term(of), leader: null, ready: false, commit: index(0), lastIndex: index(0), lastTerm: term(0),
  members: three, voters: [a, b, c], lease: false, ...more,
});

function promises() {
  const said: OracleName[] = [], disk: StoredLog = emptyStoredLog();
  const disks = new Map([[a, { id: a, name: 'a', synced: disk }]]);
  const oracle = createPromisesOracle((name) => said.push(name), disks);
  return { said, disk, oracle };
}

test('promises-are-durable: a vote, for oneself or another, is on disk before it leaves', () => {
  const { said, disk, oracle } = promises();
  disk.hard = { term: term(3), vote: b };
  oracle.sent(a, b, { type: 'vote-reply', term: term(3), granted: true });
  oracle.sent(a, c, { type: 'vote-reply', term: term(3), granted: false });
  oracle.sent(a, c, { type: 'vote-reply', term: term(2), granted: true });
  assert.equal(said, []);
  oracle.sent(a, c, { type: 'vote-reply', term: term(3), granted: true });
  oracle.sent(a, b, { type: 'vote-reply', term: term(4), granted: true });
  oracle.sent(a, b, { type: 'vote', term: term(3), lastIndex: index(0), lastTerm: term(0) });
  assert.equal(said, ['promises-are-durable', 'promises-are-durable', 'promises-are-durable']);
});

test('promises-are-durable, promises-are-kept: entries that a leader was told of', () => {
  const { said, disk, oracle } = promises();
  const reply = { type: 'append-reply', term: term(2), ok: true, round: 1, hintTerm: term(0) } as const;
  disk.hard = { term: term(2), vote: null };
  storeEntry(disk, noop(1, 2));
  oracle.wrote(a, { token: 1, hard: disk.hard, entries: [noop(1, 2)] });
  oracle.sent(a, b, { ...reply, index: index(1) });
  oracle.wrote(a, { token: 2, truncateAfter: index(1), entries: [noop(2, 2)] });
  assert.equal(said, []);
  oracle.sent(a, b, { ...reply, index: index(2) });
  assert.equal(said.splice(0), ['promises-are-durable']);
  oracle.wrote(a, { token: 3, truncateAfter: index(1), entries: [] });
  assert.equal(said.splice(0), ['promises-are-kept']);
  oracle.wrote(a, { token: 4, hard: { term: term(3), vote: null }, truncateAfter: index(0), entries: [] });
  assert.equal(said, []);
});

function memberships() {
  const said: OracleName[] = [];
  return { said, oracle: createMembershipOracle((name) => said.push(name)) };
}

const nowhere = (): null => null;

test('asks-first: a candidate has a quorum\'s word, or its leader\'s', () => {
  const { said, oracle } = memberships();
  const grant = { type: 'pre-vote-reply', term: term(2), granted: true } as const;
  oracle.after(a, 'a', looks('follower', 1), nowhere);
  oracle.sent(b, a, grant);
  oracle.after(a, 'a', looks('candidate', 2), nowhere);
  oracle.sent(a, b, { type: 'timeout-now', term: term(2) });
  oracle.after(b, 'b', looks('candidate', 3), nowhere);
  assert.equal(said, []);
  oracle.sent(a, c, { ...grant, term: term(4), granted: false });
  oracle.after(c, 'c', looks('candidate', 4), nowhere);
  assert.equal(said, ['asks-first']);
});

const config = (at: number, of: number, members: readonly LogMember[]): Entry =>
  ({ index: index(at), term: term(of), kind: 'config', data: encodeMembers(members) });

test('configs-wait: the leader has committed something of its term', () => {
  const { said, oracle } = memberships();
  const leads = (commit: number): LogDescription =>
    looks('leader', 2, { commit: index(commit), lastIndex: index(9) });
  oracle.sent(b, a, { type: 'pre-vote-reply', term: term(2), granted: true });
  oracle.wrote(a, { token: 1, entries: [config(4, 2, three)] });
  oracle.after(a, 'a', leads(3), () => 2);
  assert.equal(said, []);
  oracle.wrote(a, { token: 2, entries: [config(5, 2, three)] });
  oracle.after(a, 'a', leads(3), () => 1);
  assert.equal(said, ['configs-wait']);
});

test('membership-is-history: of a log, and of a snapshot', () => {
  const { said, oracle } = memberships();
  const at = (commit: number, members: readonly LogMember[]): LogDescription =>
    looks('follower', 1, { commit: index(commit), lastIndex: index(commit), members });
  oracle.committed(config(1, 1, [member(a)]));
  oracle.committed(config(3, 1, three));
  oracle.after(b, 'b', at(2, [member(a)]), nowhere);
  oracle.after(b, 'b', at(3, three), nowhere);
  oracle.wrote(b, {
    token: 1, entries: [], snapshot: { meta: { index: index(2), term: term(1), members: [member(a)] },
      data: new Uint8Array() },
  });
  oracle.after(b, 'b', at(3, three), nowhere);
  assert.equal(said, []);
  oracle.after(c, 'c', at(4, [member(a)]), nowhere);
  assert.equal(said.splice(0), ['membership-is-history']);
  oracle.wrote(b, {
    token: 2, entries: [], snapshot: { meta: { index: index(4), term: term(1), members: [member(a)] },
      data: new Uint8Array() },
  });
  oracle.after(b, 'b', at(4, three), nowhere);
  assert.equal(said, ['membership-is-history']);
});

test('lease-is-exclusive: nobody leads later', () => {
  const said: OracleName[] = [], oracle = createLeaseOracle((name) => said.push(name));
  oracle.after('a', looks('leader', 2, { lease: true }));
  oracle.after('b', looks('leader', 3));
  oracle.after('a', looks('leader', 2));
  oracle.after('a', looks('follower', 3));
  assert.equal(said, []);
  oracle.after('a', looks('leader', 2, { lease: true }));
  assert.equal(said, ['lease-is-exclusive']);
});

test.run();
