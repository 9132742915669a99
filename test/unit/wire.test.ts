// Every message survives the way over the wire; bytes that are no message never get past the guard.

import { Packr } from 'msgpackr';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { StreamsRequest } from '../../cluster/api/request.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { Beat, FeedBatch } from '../../cluster/gossip/types.ts';
import { index, nodeName, objectKey, peerId, resourceName, revision, term, uid } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { Entry, LogMember, SnapshotMeta } from '../../cluster/log/types.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Command } from '../../cluster/state/types.ts';
import {
  decodeCommand, decodeFeed, decodeMembers, decodeMessage, decodeSnapshotMeta, encodeCommand, encodeFeed,
  encodeMembers, encodeMessage, encodeSnapshotMeta, isRefusal,
} from '../../cluster/wire.ts';

const alice = peerId('12D3KooWAlice'), bob = peerId('12D3KooWBob');
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const members: LogMember[] = [
  { id: alice, name: 'alice', addresses: ['/ip4/10.0.0.1/tcp/7000', '/dns/alice/tcp/7000'], voter: true },
  { id: bob, name: 'bob', addresses: [], voter: false },
];
const meta: SnapshotMeta = { index: index(2 ** 40), term: term(7), members };

function entry(at: number, kind: Entry['kind'], data: Uint8Array): Entry {
  return { index: index(at), term: term(7), kind, data };
}

const entries = [
  entry(100, 'noop', bytes()), entry(101, 'command', bytes(1, 2, 3)),
  entry(102, 'config', encodeMembers(members)), entry(103, 'command', new Uint8Array(70_000).fill(9)),
];

const batch: FeedBatch = { from: alice, term: term(7), first: index(100), prevTerm: term(6), entries };
const beat: Beat = {
  peer: bob, incarnation: 3, sequence: 9, applied: index(2 ** 33), freeCpuMilli: 3_950,
  freeMemoryBytes: 2 ** 36, pressure: 12, ready: false, reason: 'Docker antwortet nicht: ümläut ☃',
  addresses: ['/ip4/10.0.0.2/tcp/7000'],
};
const rumours = [
  { peer: bob, status: 'suspect', incarnation: 3, from: alice },
  { peer: alice, status: 'alive', incarnation: 1, from: alice },
  { peer: bob, status: 'dead', incarnation: 4, from: bob },
] as const;
const ids = [
  { origin: alice, incarnation: 2, sequence: 5 }, { origin: alice, incarnation: 2, sequence: 6 },
  { origin: bob, incarnation: 2, sequence: 7 }, { origin: bob, incarnation: 3, sequence: 1 },
];

const exec: StreamsRequest = {
  kind: 'exec', pod: objectKey(resourceName('core/pods'), 'default', 'web'), podUid: 'u-1',
  node: nodeName('alice'), container: 'web', command: [], stdin: true, stdout: true, stderr: false, tty: true,
  ports: [],
};

const samples: readonly PeerMessage[] = [
  { kind: 'log', message: { type: 'pre-vote', term: term(3), lastIndex: index(9), lastTerm: term(2) } },
  {
    kind: 'log',
    message: { type: 'vote', term: term(3), lastIndex: index(9), lastTerm: term(2), forced: true },
  },
  { kind: 'log', message: { type: 'pre-vote-reply', term: term(3), granted: false } },
  { kind: 'log', message: { type: 'vote-reply', term: term(3), granted: true } },
  {
    kind: 'log', message: {
      type: 'append', term: term(7), prevIndex: index(99), prevTerm: term(6), commit: index(98), entries,
      round: 44,
    },
  },
  {
    kind: 'log', message: {
      type: 'append', term: term(7), prevIndex: index(0), prevTerm: term(0), commit: index(0), entries: [],
      round: 0,
    },
  },
  {
    kind: 'log', message: {
      type: 'append-reply', term: term(7), ok: true, round: 4, index: index(5), hintTerm: term(0),
    },
  },
  {
    kind: 'log', message: {
      type: 'append-reply', term: term(7), ok: false, round: 4, index: index(5), hintTerm: term(2),
      rejected: index(8),
    },
  },
  {
    kind: 'log', message: {
      type: 'snapshot', term: term(7), meta, offset: 10, total: 14, data: bytes(1, 2, 3, 4), round: 2,
    },
  },
  {
    kind: 'log',
    message: { type: 'snapshot-reply', term: term(7), index: index(9), received: 14, done: true, round: 2 },
  },
  { kind: 'log', message: { type: 'timeout-now', term: term(7) } },
  { kind: 'gossip', message: { type: 'ping', sequence: 1, rumours, beats: [beat] } },
  { kind: 'gossip', message: { type: 'ack', sequence: 1, rumours: [], beats: [] } },
  { kind: 'gossip', message: { type: 'nack', sequence: 1, rumours: [], beats: [beat, beat] } },
  { kind: 'gossip', message: { type: 'ping-request', sequence: 1, target: bob, rumours, beats: [] } },
  { kind: 'repair', message: { type: 'pull', id: 1, first: index(5) } },
  { kind: 'repair', message: { type: 'range', id: 1, batch, commit: index(103) } },
  { kind: 'repair', message: { type: 'pull-snapshot', id: 1, index: index(5), offset: 262_144 } },
  { kind: 'repair', message: { type: 'snapshot-chunk', id: 1, meta, offset: 0, total: 2, data: bytes(7) } },
  { kind: 'repair', message: { type: 'nothing', id: 1, applied: index(3) } },
  { kind: 'forward', ids, data: [bytes(1), bytes(2, 2), bytes(), bytes(3)] },
  { kind: 'forward', ids: [], data: [] },
  { kind: 'not-appended', ids, reason: 'not the leader', leader: bob },
  { kind: 'not-appended', ids: [], reason: 'no leader', leader: null },
  { kind: 'read', id: 77 },
  { kind: 'read-reply', id: 77, index: index(12), leader: alice },
  { kind: 'read-reply', id: 77, index: null, leader: null },
  {
    kind: 'logs-open', stream: 's/1', credit: 65_536, logs: {
      pod: objectKey(resourceName('core/pods'), 'default', 'web'), podUid: 'u-1',
      node: nodeName('alice'), container: 'web', follow: true, previous: false,
      timestamps: true, tailLines: 10, sinceSeconds: null, limitBytes: null,
    },
  },
  { kind: 'logs-chunk', stream: 's/1', sequence: 4, data: bytes(104, 105) },
  { kind: 'logs-credit', stream: 's/1', credit: 32_768 },
  { kind: 'logs-end', stream: 's/1', error: null },
  { kind: 'logs-end', stream: 's/1', error: 'no such container' },
  { kind: 'logs-close', stream: 's/1' },
  { kind: 'join', message: { type: 'hello', tokenId: 'abc123', nonce: '00ff' } },
  { kind: 'join', message: { type: 'ask', revision: revision(7) } },
  { kind: 'join', message: { type: 'stranger' } },
  { kind: 'join', message: { type: 'challenge', greeting: '0a', nonce: '00ff', proof: 'aa'.repeat(32) } },
  {
    kind: 'join',
    message: { type: 'request', challenge: '0b', proof: 'bb'.repeat(32), name: 'carol', addresses: ['a:1'] },
  },
  { kind: 'join', message: { type: 'admitted', clusterId: 'c-1', term: term(3), index: index(7), members } },
  { kind: 'join', message: { type: 'refused', reason: 'unknown or expired token', retry: false } },
  { kind: 'admit', member: members[0]!, asOf: index(9) },
  { kind: 'remove', peer: bob, asOf: index(9) },
  { kind: 'flow-open', flow: '7/3/0', port: 0, streams: { ...exec, command: ['sh', '-c', ''] } },
  { kind: 'flow-open', flow: '7/3/1', port: 80, streams: { ...exec, kind: 'portforward', ports: [80] } },
  { kind: 'flow-input', flow: '7/3/0', sequence: 0, input: { type: 'data', data: bytes(1, 2, 0) } },
  { kind: 'flow-input', flow: '7/3/0', sequence: 1, input: { type: 'resize', columns: 80, rows: 24 } },
  { kind: 'flow-input', flow: '7/3/0', sequence: 2, input: { type: 'eof' } },
  { kind: 'flow-output', flow: '7/3/0', sequence: 0, output: { type: 'opened' } },
  {
    kind: 'flow-output', flow: '7/3/0', sequence: 1,
    output: { type: 'data', channel: 'stdout', data: new Uint8Array([7]) },
  },
  {
    kind: 'flow-output', flow: '7/3/0', sequence: 2,
    output: { type: 'data', channel: 'stderr', data: new Uint8Array(0) },
  },
  { kind: 'flow-output', flow: 'f', sequence: 3, output: { type: 'end', end: { type: 'exited', code: 9 } } },
  { kind: 'flow-output', flow: 'f', sequence: 3, output: { type: 'end', end: { type: 'closed' } } },
  {
    kind: 'flow-output', flow: 'f', sequence: 3,
    output: { type: 'end', end: { type: 'failed', missing: true, message: 'container not found ("web")' } },
  },
  { kind: 'flow-credit', flow: '7/3/0', bytes: 32_768 },
  { kind: 'flow-close', flow: '7/3/0' },
  { kind: 'usage-ask', id: 7, pods: true },
  { kind: 'usage-reply', id: 7, usage: null },
  {
    kind: 'usage-reply', id: 7, usage: {
      takenAtMs: 1_795_507_200_000, windowMs: 15_000, node: { cpuNano: 156_340_000, memoryBytes: 2 ** 34 },
      pods: [
        { namespace: 'default', name: 'none', uid: 'u-2', containers: [] },
        {
          namespace: 'default', name: 'web', uid: 'u-1', containers: [
            { name: 'a', cpuNano: 1, memoryBytes: 0 }, { name: 'b', cpuNano: 0, memoryBytes: 4_096 },
          ],
        },
      ],
    },
  },
];

const pod = {
  apiVersion: 'v1', kind: 'Pod',
  metadata: {
    name: 'web', namespace: 'default', uid: 'u-1', creationTimestamp: '2026-11-24T08:00:00Z',
    resourceVersion: '4',
    labels: { app: 'web' }, finalizers: ['a/b'], generation: 2,
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u-0', controller: true },
    ],
  },
  spec: { containers: [{ name: 'web', image: 'nginx' }] },
} as const satisfies KubeObject & { spec: unknown };
const podKey = objectKey(resourceName('core/pods'), 'default', 'web');

const commands: readonly Command[] = [
  { id: ids[0]!, ops: [{ op: 'create', key: podKey, object: pod }] },
  {
    id: ids[1]!, fence: term(9), ops: [
      { op: 'update', key: podKey, object: pod, expect: { revision: revision(9), uid: uid('u-1') } },
      { op: 'update', key: podKey, object: pod, expect: { revision: revision(9) } },
      { op: 'delete', key: objectKey(resourceName('core/nodes'), '', 'alice'), expect: { uid: uid('u-2') } },
      { op: 'delete', key: podKey },
    ],
  },
];

test('every kind of message comes back as it was sent, and equal messages are equal bytes', () => {
  for (const message of samples) {
    const frame = encodeMessage(message);
    assert.equal(decodeMessage(frame), message, message.kind);
    assert.equal(encodeMessage(structuredClone(message)), new Uint8Array(frame), message.kind);
  }
});

test('feed, commands, members and snapshot meta come back as they were', () => {
  assert.equal(decodeFeed(encodeFeed(batch)), batch);
  const announcement: FeedBatch = { ...batch, entries: [] };
  assert.equal(decodeFeed(encodeFeed(announcement)), announcement);
  for (const command of commands) assert.equal(decodeCommand(encodeCommand(command)), command);
  assert.equal(decodeMembers(encodeMembers(members)), members);
  assert.equal(decodeMembers(encodeMembers([])), []);
  assert.equal(decodeSnapshotMeta(encodeSnapshotMeta(meta)), meta);
});

test('what was decoded does not change when the frame is used again', () => {
  const frame = new Uint8Array(encodeMessage(samples[4]!));
  const decoded = decodeMessage(frame);
  frame.fill(0xff);
  assert.equal(decoded, samples[4]);
});

test('a frame in a Node buffer, or in the middle of one, decodes alike', () => {
  for (const message of samples) {
    const frame = encodeMessage(message);
    const around = Buffer.concat([Buffer.from([1, 2, 3]), frame, Buffer.from([4])]);
    assert.equal(decodeMessage(around.subarray(3, 3 + frame.length)), message);
  }
});

test('a key __proto__ stays a plain property', () => {
  const data: unknown = JSON.parse('{"__proto__":{"polluted":"yes"},"constructor":"x","10":"b","9":"a"}');
  const object = { ...pod, kind: 'ConfigMap', data };
  const back = decodeCommand(encodeCommand({ id: ids[0]!, ops: [{ op: 'create', key: podKey, object }] }));
  if (isRefusal(back)) throw new Error(back.refused);
  const op = back.ops[0]!;
  assert.is(JSON.stringify(op.op === 'delete' ? null : op.object), JSON.stringify(object));
  assert.is(Reflect.get({}, 'polluted'), undefined);
});

test('texts for people and address lists are cut to what the guard lets in', () => {
  const long = encodeMessage({ kind: 'not-appended', ids: [], reason: 'x'.repeat(9_999), leader: null });
  const back = decodeMessage(long);
  assert.ok('kind' in back && back.kind === 'not-appended' && back.reason.length === limits.reasonLengthMax);
  const addresses = [...Array.from({ length: 20 }, (_, i) => `h${i}:1`), 'y'.repeat(300)];
  const member = decodeMessage(encodeMessage(
    { kind: 'admit', member: { ...members[0]!, addresses }, asOf: index(9) }));
  assert.ok('kind' in member && member.kind === 'admit');
  assert.is(member.member.addresses.length, limits.addressesMax);
});

// ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────

const msgpack = new Packr({ useRecords: false });
const refused = (value: unknown): string => {
  const result = decodeMessage(new Uint8Array(msgpack.pack(value)));
  return isRefusal(result) ? result.refused : `accepted: ${JSON.stringify(result)}`;
};

test('wrong types, ranges, lengths and counts are refused by name', () => {
  let nested: unknown = 1;
  for (let i = 0; i < 10; i++) nested = [nested];
  const cases: readonly (readonly [unknown, RegExp])[] = [
    ['text', /message is no array/], [[], /kind is missing/], [[99], /kind is no integer/],
    [[5, 'x'], /id is no integer/], [[5, -1], /format/], [[5, 1.5], /id is no integer/],
    [[5, 2 ** 60], /id is no integer/], [[5, NaN], /id is no integer/], [[5, 1, 1], /fields too many/],
    [[0, [8]], /term is missing/], [[0, [8, 1, 1]], /fields too many/], [[14, ''], /no peer id/],
    [[14, 'a b'], /no peer id/], [[14, 'x'.repeat(129)], /longer than 128/], [[14, ['x']], /no text/],
    [[0, [4, 7, 0, 0, 0, 1, [8, 1, bytes()]]], /out of order/],
    [[0, [4, 7, 0, 5, 0, 1, [4, 1, bytes()]]], /out of order/],
    [[0, [4, 7, 0, 0, 0, 1, [7, 3, bytes()]]], /entry.kind/],
    [[0, [4, 7, 0, 0, 0, 1, [7, 0, bytes(1)]]], /noop entry has data/],
    [[0, [4, 7, 0, 0, 0, 1, [7, 1]]], /entry.data is missing/],
    [[0, [4, 7, 0, 0, 0, 1, [7, 1, 'text']]], /no byte string/],
    [[0, [4, 7, Number.MAX_SAFE_INTEGER, 0, 0, 1, [7, 1, bytes()]]], /index is too large/],
    [[1, [0, 1, null, Array.from({ length: 25 }, () => ['p', 0, 1, 'p']).flat(), []]], /more than 24/],
    [[1, [0, 1, null, ['p', 0, 2 ** 50, 'p'], []]], /rumour.incarnation/],
    [[1, [0, 1, 'p', [], []]], /no target/], [[1, [3, 1, null, [], []]], /target is missing/],
    [[2, [3, 1, [1, 1, []], 5, 6, bytes(1, 2)]], /ends behind/],
    [[2, [1, 1, ['p', 1, 5, 1, []], 5]], /range is empty/],
    [[2, [1, 1, ['p', 1, 5, 1, [1, 1, bytes()]], 4]], /commit is inside/],
    [[12, [0, 'abc1234', '']], /longer than 6/], [[12, [0, 'abc123', 'XYZ']], /not hexadecimal/],
    [[12, [3, 'c', 1, 1, ['p', 'n', [], true].concat() ]], /member is no array/],
    [[12, [3, 'c', 1, 1, [['p', 'n', [], true], ['p', 'm', [], true]]]], /twice/],
    [{ kind: 'log' }, /format/], [[new Date(0)], /format/], [[undefined], /format/], [[10n ** 18n], /format/],
    [[/x/], /format|kind/], [nested, /nested deeper/],
  ];
  for (const [value, pattern] of cases) assert.match(refused(value), pattern, JSON.stringify(value, show));
});

const show = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);

test('frames that lie about lengths, or are too long, are refused before anything is allocated', () => {
  const lies = [
    [0xdd, 0xff, 0xff, 0xff, 0xff], [0xdc, 0xff, 0xff, 1], [0xc6, 0xff, 0xff, 0xff, 0xff, 1],
    [0xdb, 0x7f, 0, 0, 0], [0xc9, 0, 0, 0, 1, 0x72, 1], [0xd4, 0x72, 0x40], [0x93, 1, 2], [0x91, 1, 1],
    [], [0xc1],
    [0xdf, 0, 0, 0, 1],
    [0xc7], [0xdd, 0, 0], [0xcb, 0],
  ];
  for (const lie of lies) {
    const result = decodeMessage(Uint8Array.from(lie));
    assert.ok(isRefusal(result), JSON.stringify(lie));
  }
  assert.ok(isRefusal(decodeMessage(new Uint8Array(limits.messageBytesMax + 1))));
  const deep = new Uint8Array(1_000_000).fill(0x91);
  deep[deep.length - 1] = 0;
  assert.ok(isRefusal(decodeMessage(deep)));
});

test('a command with a broken object, a deep one or a wrong key is refused', () => {
  const outcome = (key: unknown, object: unknown, op = 0): string => {
    const result = decodeCommand(new Uint8Array(msgpack.pack(['p', 1, 1, null, [[op, key, object, null]]])));
    return isRefusal(result) ? result.refused : 'accepted';
  };
  const json = JSON.stringify(pod);
  assert.is(outcome('core/pods/default/web', json), 'accepted');
  assert.match(outcome('core/pods/web', json), /key is not/);
  assert.match(outcome('core/pods/default/', json), /key is not/);
  assert.match(outcome('core/pods/default/web', '{"apiVersion":"v1"'), /no JSON/);
  assert.match(outcome('core/pods/default/web', '[]'), /no JSON object/);
  assert.match(outcome('core/pods/default/web', '{"apiVersion":"v1","kind":"Pod"}'), /proper metadata/);
  assert.match(outcome('core/pods/default/web', json.replace('"web"}', '1}')), /proper metadata/);
  assert.match(outcome('core/pods/default/web', null), /has no object/);
  assert.match(outcome('core/pods/default/web', json, 2), /delete carries/);
  const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
  assert.match(outcome('core/pods/default/web', deep), /deeper than/);
});

// ── hostile bytes ────────────────────────────────────────────────────────────────────────────────────────

test('20,000 mutated frames: a refusal or a message that encodes again, never a throw', () => {
  const random = createRandom(20_261_124);
  const frames = samples.map(encodeMessage);
  let refusals = 0, survivors = 0;
  for (let round = 0; round < 20_000; round++) {
    const frame = frames[random.below(frames.length)]!;
    const result = decodeMessage(mutate(frame.subarray(0, 3_000), random));
    if (isRefusal(result)) refusals += 1;
    else {
      survivors += 1;
      assert.equal(decodeMessage(encodeMessage(result)), result);
    }
  }
  assert.ok(refusals > 5_000, `${refusals} refusals`);
  assert.ok(survivors > 500, `${survivors} survivors`);
});

test('5,000 mutated commands, feeds, member lists: a refusal or a value', () => {
  const random = createRandom(7);
  const cases = [
    ...commands.map((command) => [encodeCommand(command), decodeCommand] as const),
    [encodeMembers(members), decodeMembers] as const,
    [encodeFeed(batch).subarray(0, 500), decodeFeed] as const,
  ];
  let refusals = 0;
  for (let round = 0; round < 5_000; round++) {
    const [data, decode] = cases[random.below(cases.length)]!;
    if (isRefusal(decode(mutate(new Uint8Array(data), random)))) refusals += 1;
  }
  assert.ok(refusals > 1_000, `${refusals} refusals`);
});

function mutate(frame: Uint8Array, random: ReturnType<typeof createRandom>): Uint8Array {
  const out = [...frame];
  for (let i = random.between(1, 3); i > 0; i--) {
    const at = random.below(out.length + 1);
    switch (random.below(5)) {
      case 0: out[Math.min(at, out.length - 1)] = random.below(256); break;
      case 1: out.splice(at, random.between(1, 8)); break;
      case 2: {
        const more = Array.from({ length: random.between(1, 8) }, () => random.below(256));
        out.splice(at, 0, ...more);
        break;
      }
      case 3: out.length = at; break;
      default: if (at < out.length) out[at] = (out[at]! ^ (1 << random.below(8))) & 255;
    }
  }
  return Uint8Array.from(out);
}

test.run();
