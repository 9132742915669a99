// More oracles, each shown something that must not be: how logs come to agree, memberships, fields, owners,
// gossip, containers that outlive their pod. On a stage of three peers that are whatever a test says.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { newborn, ownerReference, resources } from '../../cluster/api/objects.ts';
import type { KubeObject, Pod, ReplicaSet } from '../../cluster/api/types.ts';
import type { Beat, Liveness, Rumour } from '../../cluster/gossip/types.ts';
import { index, objectKey, term } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import type { Entry, LogMember, LogMessage } from '../../cluster/log/types.ts';
import { createState } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Op } from '../../cluster/state/types.ts';
import { decodeCommand, encodeMembers, encodeMessage, isRefusal } from '../../cluster/wire.ts';
import { feasibleNode } from '../../sim/check/feasible.ts';
import { convergenceMs, createGossipOracle, gossipBytesPerSecondMax } from '../../sim/check/gossip.ts';
import type { OracleName } from '../../sim/check/oracle.ts';
import { createSchedulingOracle } from '../../sim/check/scheduling.ts';
import { createOverdueOracle } from '../../sim/check/overdue.ts';
import {
  a, b, c, create, entryOf, namespace, node, nodeKey, noop, pod, podKey, podOf, stage,
} from './stage.ts';

const recovery = (entries: readonly Entry[], inTerm = 1) => ({
  hard: { term: term(inTerm), vote: null }, entries,
  snapshot: { index: index(0), term: term(0), members: [] },
});
const frame = (message: LogMessage): Uint8Array => encodeMessage({ kind: 'log', message });
const ack = (inTerm: number, upTo: number): Uint8Array => frame({
  type: 'append-reply', term: term(inTerm), ok: true, round: 1, index: index(upTo), hintTerm: term(0),
});

// ── logs ─────────────────────────────────────────────────────────────────────────────────────────────────

test('promises-outlive-restarts: an entry that was promised is gone, or is another', () => {
  const after = (entries: readonly Entry[]): readonly OracleName[] => {
    const { checker, store, said } = stage();
    store(noop(1, 1), b);
    store(noop(2, 1), b);
    checker.sent(b, a, ack(1, 2));
    checker.opened(b, recovery(entries));
    return said;
  };
  assert.equal(after([noop(1, 1), noop(2, 1)]), []);
  assert.equal(after([noop(1, 1)]), ['promises-outlive-restarts']);
  const other = stage();
  other.store(noop(1, 1), b);
  other.checker.sent(b, a, ack(1, 1));
  other.checker.opened(b, recovery([noop(1, 2)], 2));
  assert.equal(other.said, ['promises-outlive-restarts']);
});

test('match-grows: a leader goes back behind what it was told', () => {
  const append = (prev: number): Uint8Array => frame({
    type: 'append', term: term(1), prevIndex: index(prev), prevTerm: term(prev === 0 ? 0 : 1),
    commit: index(0), entries: [], round: 2,
  });
  const { checker, store, look, said } = stage();
  for (const at of [1, 2, 3]) store(noop(at, 1), a, b);
  look(a, { role: 'leader', term: term(1) });
  checker.heard(a, b, ack(1, 2));
  checker.sent(a, b, append(2));
  checker.sent(a, b, append(0));
  checker.sent(a, c, append(1));
  assert.equal(said, []);
  checker.sent(a, b, append(1));
  assert.equal(said, ['match-grows']);
});

test('gives-up-contradictions-only: entries are dropped for nothing, or for themselves', () => {
  const write = (entries: readonly Entry[]): readonly OracleName[] => {
    const { checker, store, said } = stage();
    store(noop(1, 1), b);
    store(noop(2, 1), b);
    checker.wrote(b, { token: 2, truncateAfter: index(1), entries });
    return said;
  };
  assert.equal(write([noop(2, 2)]), []);
  assert.equal(write([]), ['gives-up-contradictions-only']);
  assert.equal(write([noop(2, 1)]), ['gives-up-contradictions-only']);
});

test('commits-own-term: a leader counts an entry of an older term', () => {
  const { store, look, said } = stage();
  for (const at of [1, 2]) store(noop(at, 1), a, b);
  store(noop(3, 3), a, b);
  look(a, { role: 'leader', term: term(3) });
  look(a, { role: 'leader', term: term(3), commit: index(2) });
  assert.equal(said, ['commits-own-term']);
  const good = stage();
  for (const at of [1, 2]) good.store(noop(at, 1), a, b);
  good.store(noop(3, 3), a, b);
  good.look(a, { role: 'leader', term: term(3) });
  good.look(a, { role: 'leader', term: term(3), commit: index(3) });
  assert.equal(good.said, []);
});

test('one-change-at-a-time: two memberships under way, two votes in one', () => {
  const member = (id: PeerId, voter: boolean): LogMember => ({ id, name: id, addresses: [], voter });
  const config = (at: number, voters: readonly PeerId[]): Entry => ({
    index: index(at), term: term(1), kind: 'config',
    data: encodeMembers([a, b, c].map((id) => member(id, voters.includes(id)))),
  });
  const run = (steps: readonly (readonly [readonly PeerId[], number])[]): readonly OracleName[] => {
    const { store, look, said } = stage();
    store(noop(1, 1), a);
    look(a, { role: 'leader', term: term(1), voters: [a], commit: index(1), lastIndex: index(1) });
    steps.forEach(([voters, commit], i) => {
      store(config(i + 2, voters), a);
      look(a, { role: 'leader', term: term(1), voters, commit: index(commit), lastIndex: index(i + 2) });
    });
    return said;
  };
  assert.equal(run([[[a, b], 1], [[a, b, c], 2]]), []);
  assert.equal(run([[[a, b], 1], [[a, b, c], 1]]), ['one-change-at-a-time']);
  assert.equal(run([[[a, b, c], 1]]), ['one-change-at-a-time']);
});

// ── fields and owners ────────────────────────────────────────────────────────────────────────────────────

const update = (key: string, object: KubeObject): Op => ({ op: 'update', key: key as never, object });
const running = (name: string, on: string): Pod => ({ ...podOf(name, on), status: { phase: 'Running' } });

test('one-writer-per-field: another node, spec and status at once, a controller that changes a spec', () => {
  const write = (object: KubeObject, by: { origin?: PeerId; fence?: number }): readonly OracleName[] => {
    const { commit, said } = stage();
    commit(entryOf(1, [namespace, node('a'), pod('p', 'a')]));
    commit(entryOf(2, [update(podKey('p'), object)], by));
    return said;
  };
  const other = running('p', 'a'), image = { ...other.spec.containers[0], name: 'app', image: 'app:2' };
  const changed = { ...other, spec: { ...other.spec, containers: [image] } } as Pod;
  assert.equal(write(running('p', 'a'), { origin: a }), []);
  assert.equal(write(running('p', 'a'), { fence: 1 }), []);
  assert.equal(write(running('p', 'a'), { origin: b }), ['one-writer-per-field']);
  assert.equal(write(changed, { origin: a }), ['one-writer-per-field']);
  const { status: _, ...specOnly } = changed;
  assert.equal(write(specOnly, { origin: b }), []);
  assert.equal(write(specOnly, { fence: 1 }), ['one-writer-per-field']);
});

test('bound-under-fence', () => {
  const bind = (by: { fence?: number }): readonly OracleName[] => {
    const { commit, said } = stage();
    commit(entryOf(1, [namespace, node('a'), pod('p', '')]));
    commit(entryOf(2, [update(podKey('p'), podOf('p', 'a'))], by));
    return said;
  };
  assert.equal(bind({ fence: 1 }), []);
  assert.equal(bind({}), ['bound-under-fence']);
});

test('compare-and-swap: a command takes effect on another version than it was made for', () => {
  // The state refuses such a command, so the oracle is shown what a state without that check would do.
  const apply = (expect: { revision: number; uid?: string }): readonly OracleName[] => {
    const said: OracleName[] = [];
    const previous = podOf('p', 'a'), key = podKey('p');
    const stored = { ...previous, metadata: { ...previous.metadata, resourceVersion: '7' } };
    const op: Op = { op: 'update', key, object: stored, expect: expect as never };
    const entry = entryOf(8, [op]), command = decodeCommand(entry.data);
    if (isRefusal(command)) throw new Error(command.refused);
    const object = { ...stored, metadata: { ...stored.metadata, resourceVersion: '8' } };
    createSchedulingOracle((name) => said.push(name), () => a).applied(createState(), entry, command, {
      index: index(8), id: command.id, duplicate: false,
      outcome: { ok: true, revision: 8 as never, objects: [] },
      changes: [{ type: 'MODIFIED', key, revision: 8 as never, object, previous: stored }],
    });
    return said;
  };
  assert.equal(apply({ revision: 7, uid: podOf('p', 'a').metadata.uid }), []);
  assert.equal(apply({ revision: 6 }), ['compare-and-swap']);
  assert.equal(apply({ revision: 7, uid: 'another' }), ['compare-and-swap']);
});

test('over-is-final: a status goes back, a container starts', () => {
  const phase = (name: string): Pod => ({ ...podOf('p', 'a'), status: { phase: name as never } });
  const { commit, said, checker } = stage();
  commit(entryOf(1, [namespace, node('a'), pod('p', 'a')]));
  commit(entryOf(2, [update(podKey('p'), phase('Failed'))], { origin: a }));
  assert.equal(said, []);
  const { uid } = (checker.history.state.objects.get(podKey('p')) as Pod).metadata;
  checker.containers.started('a', containerOf(uid), checker.history.state);
  assert.equal(said, ['over-is-final']);
  const back = stage();
  back.commit(entryOf(1, [namespace, node('a'), pod('p', 'a')]));
  back.commit(entryOf(2, [update(podKey('p'), phase('Succeeded'))], { origin: a }));
  back.commit(entryOf(3, [update(podKey('p'), phase('Running'))], { origin: a }));
  assert.equal(back.said, ['over-is-final']);
});

const setKey = (name: string) => objectKey(resources.replicaSets, 'default', name);
const set = (name: string): ReplicaSet => newborn({
  apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name, namespace: 'default' },
  spec: { replicas: 1, selector: { matchLabels: {} }, template: { spec: { containers: [] } } },
}, { uid: `set-${name}`, nowWallMs: 0 }) as unknown as ReplicaSet;
const owned = (by: ReplicaSet): Pod => {
  const one = podOf('p', 'a');
  return { ...one, metadata: { ...one.metadata, ownerReferences: [ownerReference(by)] } };
};

test('no-foreign-deletion: of a pod whose node had no taint since this version of it', () => {
  const tainted = (is: boolean): Op => {
    const taints = is ? [{ key: 'gone', effect: 'NoExecute' }] : [];
    const made = create(nodeKey('a'), {
      apiVersion: 'v1', kind: 'Node', spec: { taints },
      status: { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } },
    } as never);
    return is || made.op !== 'create' ? made : { ...made, op: 'update' };
  };
  const said = (...between: readonly (readonly Op[])[]): readonly OracleName[] => {
    const { commit, said: alarms } = stage();
    commit(entryOf(1, [namespace, tainted(true)]));
    between.forEach((ops, at) => commit(entryOf(2 + at, ops)));
    commit(entryOf(4, [{ op: 'delete', key: podKey('p') }], { fence: 1 }));
    return alarms;
  };
  // However many entries lie between: a deletion may be long on its way.
  assert.equal(said([pod('p', 'a')], [tainted(false)]), []);
  assert.equal(said([tainted(false)], [pod('p', 'a')]), ['no-foreign-deletion']);
});

test('no-foreign-deletion: of a pod that nobody owns; said of somebody else\'s', () => {
  const remove = (object: Pod): readonly OracleName[] => {
    const { commit, said } = stage();
    commit(entryOf(1, [namespace, node('a'), { op: 'create', key: setKey('one'), object: set('one') }]));
    commit(entryOf(2, [{ op: 'create', key: podKey('p'), object }]));
    commit(entryOf(3, [{ op: 'delete', key: podKey('p') }], { fence: 1 }));
    return said;
  };
  assert.equal(remove(owned(set('one'))), []);
  assert.equal(remove(podOf('p', 'a')), ['no-foreign-deletion']);
  const word = (by: string): readonly OracleName[] => {
    const { commit, said } = stage();
    commit(entryOf(1, [namespace, node('a'), { op: 'create', key: setKey('one'), object: set('one') }]));
    commit(entryOf(2, [{ op: 'create', key: podKey('p'), object: owned(set('one')) }]));
    const involvedObject = { kind: 'ReplicaSet', namespace: 'default', name: by, uid: `set-${by}` };
    const event = { apiVersion: 'v1', kind: 'Event', reason: 'SuccessfulDelete', message: 'Deleted pod: p' };
    const key = objectKey(resources.events, 'default', 'e');
    commit(entryOf(3, [create(key, { ...event, involvedObject } as never)], { fence: 1 }));
    return said;
  };
  assert.equal(word('one'), []);
  assert.equal(word('two'), ['no-foreign-deletion']);
});

test('adopts-orphans-only: somebody else\'s, and an owner that never was', () => {
  const adopt = (from: ReplicaSet | null, to: ReplicaSet): readonly OracleName[] => {
    const { commit, said } = stage();
    const sets = ['one', 'two'].map((name): Op => ({ op: 'create', key: setKey(name), object: set(name) }));
    commit(entryOf(1, [namespace, node('a'), ...sets]));
    const object = from === null ? podOf('p', 'a') : owned(from);
    commit(entryOf(2, [{ op: 'create', key: podKey('p'), object }]));
    commit(entryOf(3, [update(podKey('p'), owned(to))], { fence: 1 }));
    return said;
  };
  assert.equal(adopt(null, set('two')), []);
  assert.equal(adopt(set('one'), set('two')), ['adopts-orphans-only']);
  const stranger = { ...set('two'), metadata: { ...set('two').metadata, uid: 'another' } };
  assert.equal(adopt(null, stranger), ['adopts-orphans-only']);
});

test('watch-is-history: other content than was committed, a namesake, half of what changed', () => {
  const shown = (change: (node: KubeObject) => KubeObject, both = true): readonly OracleName[] => {
    const { commit, checker, said } = stage(), { watches, history } = checker;
    commit(entryOf(1, [node('a'), node('b')]));
    const [first, second] = ['a', 'b'].map((name) => history.state.objects.get(nodeKey(name)) as KubeObject);
    if (first === undefined || second === undefined) throw new Error('two nodes');
    let cursor = watches.watched('core/nodes/', { revision: 0, seen: Infinity },
      { type: 'ADDED', object: change(first) }, 'one');
    if (both) cursor = watches.watched('core/nodes/', cursor, { type: 'ADDED', object: second }, 'one');
    watches.resumed('core/nodes/', cursor, 'one');
    return said;
  };
  const status = { allocatable: { cpu: '9' } };
  const named = (one: KubeObject, change: { uid?: string; namespace?: string }): KubeObject =>
    ({ ...one, metadata: { ...one.metadata, ...change } });
  assert.equal(shown((one) => one), []);
  assert.equal(shown((one) => ({ ...one, status } as KubeObject)), ['watch-is-history']);
  assert.equal(shown((one) => named(one, { uid: 'other' })), ['watch-is-history']);
  assert.equal(shown((one) => named(one, { namespace: 'x' })), ['watch-is-history']);
  assert.equal(shown((one) => one, false), ['watch-is-history']);
});

// ── gossip ───────────────────────────────────────────────────────────────────────────────────────────────

interface Gossip { readonly rumours?: readonly Rumour[]; readonly beats?: readonly Beat[] }

const gossip = ({ rumours = [], beats = [] }: Gossip): Uint8Array =>
  encodeMessage({ kind: 'gossip', message: { type: 'ping', sequence: 1, rumours, beats } });
const rumour = (peer: PeerId, status: Liveness, incarnation: number, from: PeerId = b): Rumour =>
  ({ peer, status, incarnation, from });
const beat = (peer: PeerId, incarnation: number, sequence: number): Beat => ({
  peer, incarnation, sequence, applied: index(0), freeCpuMilli: 0, freeMemoryBytes: 0, pressure: 0,
  ready: true, reason: '', addresses: [],
});

test('no-resurrection: back to life in the incarnation of its death, and one that it never was', () => {
  const say = (...rumours: readonly Rumour[]): readonly OracleName[] => {
    const { checker, said } = stage();
    checker.sent(c, b, gossip({ rumours: [rumour(c, 'alive', 5, c)] }));
    for (const each of rumours) checker.sent(b, a, gossip({ rumours: [each] }));
    return said;
  };
  assert.equal(say(rumour(c, 'suspect', 4), rumour(c, 'dead', 4), rumour(c, 'alive', 5)), []);
  assert.equal(say(rumour(c, 'dead', 5), rumour(c, 'alive', 5)), ['no-resurrection']);
  assert.equal(say(rumour(c, 'dead', 5), rumour(c, 'alive', 4)), ['no-resurrection']);
  assert.equal(say(rumour(c, 'alive', 6)), ['no-resurrection']);
});

test('incarnation-grows and beats-go-forward', () => {
  const { checker, said } = stage();
  checker.sent(c, b, gossip({ beats: [beat(c, 5, 9)] }));
  checker.opened(c, recovery([]));
  checker.sent(c, b, gossip({ beats: [beat(c, 6, 1)] }));
  assert.equal(said, []);
  checker.opened(c, recovery([]));
  checker.sent(c, b, gossip({ beats: [beat(c, 6, 1)] }));
  assert.equal(said, ['incarnation-grows']);
  // On an empty disk a clock that was set back may begin lower, and goes on from there in the runs after.
  const emptied = stage();
  emptied.checker.sent(c, b, gossip({ beats: [beat(c, 9, 9)] }));
  emptied.checker.election.wiped(c);
  for (const incarnation of [3, 4]) {
    emptied.checker.opened(c, recovery([]));
    emptied.checker.sent(c, b, gossip({ beats: [beat(c, incarnation, 1)] }));
  }
  assert.equal(emptied.said, []);
  emptied.checker.opened(c, recovery([]));
  emptied.checker.sent(c, b, gossip({ beats: [beat(c, 4, 1)] }));
  assert.equal(emptied.said, ['incarnation-grows']);
  const back = stage();
  back.checker.sent(c, b, gossip({ beats: [beat(c, 5, 9)] }));
  back.checker.sent(b, a, gossip({ beats: [beat(c, 5, 8)] }));
  back.checker.sent(b, a, gossip({ beats: [beat(c, 5, 8)] }));
  assert.equal(back.said, []);
  back.checker.sent(b, a, gossip({ beats: [beat(c, 5, 7)] }));
  assert.equal(back.said, ['beats-go-forward']);
});

function gossipStage() {
  const said: OracleName[] = [];
  let nowMs = 0;
  const oracle = createGossipOracle((name) => said.push(name), () => nowMs);
  const names = new Map([a, b, c].map((id) => [id, String(id)]));
  const live = [a, b, c].map((id) => ({ id, name: String(id), status: 'alive' as const }));
  const believe = (who: PeerId, peer: PeerId, status: Liveness): void => oracle.noted(
    { atMs: nowMs, peer: who, area: 'gossip', what: 'liveness', fields: { peer, status } });
  return { said, oracle, names, live, believe, pass(ms: number) { nowMs += ms; } };
}

test('gossip-converges and bounded-suspicion: wrong views after healing, a suspicion in peace', () => {
  const { said, oracle, live, believe } = gossipStage();
  believe(a, c, 'dead');
  believe(a, c, 'alive');
  oracle.converged(live);
  assert.equal(said, []);
  believe(b, c, 'suspect');
  assert.equal(said, ['bounded-suspicion']);
  const wrong = gossipStage();
  wrong.believe(a, c, 'dead');
  wrong.oracle.converged(wrong.live);
  assert.equal(wrong.said, ['gossip-converges']);
  const lost = gossipStage();
  lost.oracle.converged(
    lost.live.map((each) => (each.id === c ? { ...each, status: 'dead' as const } : each)));
  assert.equal(lost.said, ['gossip-converges', 'gossip-converges'], 'a and b both still count on it');
  assert.ok(convergenceMs(5) < convergenceMs(50));
});

test('bounded-gossip: a peer that talks too much in peace', () => {
  const { said, oracle, names, live, pass } = gossipStage();
  const one = gossip({ beats: [beat(c, 1, 1)] }), most = gossipBytesPerSecondMax(names.size);
  const talk = (seconds: number, bytes: number): void => {
    for (let sum = 0; sum < seconds * bytes; sum += one.length) oracle.sent(a, one);
    pass(seconds * 1_000);
    oracle.measure(names);
  };
  talk(10, 2 * most);
  assert.equal(said, [], 'there may be a reason for it');
  oracle.converged(live);
  talk(10, most / 2);
  assert.equal(said, []);
  talk(10, 2 * most);
  assert.equal(said, ['bounded-gossip']);
});

// ── containers and placement ─────────────────────────────────────────────────────────────────────────────

const containerOf = (uid: string, name = 'p') => ({
  id: `${uid}-app`, sandbox: uid, pod: { namespace: 'default', name, uid }, name: 'app', attempt: 0,
  image: 'app:1', imageId: '', state: 'running', exitCode: 0, oomKilled: false, startedAtMs: 0,
  finishedAtMs: 0, message: '',
} as const);

test('grace-is-kept and no-orphans: a container outlives its pod', () => {
  const late = (change: (one: Pod) => Pod | null, ms: number, faulty = false): readonly OracleName[] => {
    const { commit, checker } = stage(), said: OracleName[] = [];
    commit(entryOf(1, [namespace, node('a'), pod('p', 'a')]));
    const { state } = checker.history, one = state.objects.get(podKey('p')) as Pod;
    const next = change(one);
    commit(entryOf(2, [next === null ? { op: 'delete', key: podKey('p') } : update(podKey('p'), next)],
      { origin: a }));
    checker.containers.started('a', containerOf(one.metadata.uid), createState());
    let now = 0;
    const faults = faulty ? [{ kind: 'pause', peer: 1, atMs: 0, forMs: 1_000 } as const] : [];
    const overdue = createOverdueOracle((name) => said.push(name), checker.containers, faults, () => now);
    for (; now <= ms; now += 1_000) if (said.length === 0) overdue.look([{ name: 'a', number: 1, state }]);
    return said;
  };
  const leaving = (one: Pod): Pod => ({
    ...one, metadata: { ...one.metadata, deletionTimestamp: '2026-01-01T00:00:00Z',
      deletionGracePeriodSeconds: 5 },
  });
  assert.equal(late((one) => one, 100_000), []);
  assert.equal(late(leaving, 12_000), []);
  assert.equal(late(leaving, 20_000), ['grace-is-kept']);
  assert.equal(late(leaving, 30_000, true), [], 'a fault on the machine gives it time');
  assert.equal(late((one) => ({ ...one, status: { phase: 'Failed' } }), 60_000), ['grace-is-kept']);
  assert.equal(late(() => null, 20_000), []);
  assert.equal(late(() => null, 40_000), ['no-orphans']);
});

test('feasible-is-bound: where a pod could go, by brute force', () => {
  const nodeWith = (name: string, spec: object, ready = 'True'): Op => create(nodeKey(name), {
    apiVersion: 'v1', kind: 'Node', spec,
    status: {
      allocatable: { cpu: '1', memory: '1Gi', pods: '10' }, conditions: [{ type: 'Ready', status: ready }],
    },
  } as never);
  const where = (
    nodes: readonly Op[], more: readonly Op[], spec: Partial<Pod['spec']> = {},
  ): string | null => {
    const { commit, checker } = stage();
    commit(entryOf(1, [namespace, ...nodes, ...more, pod('new', '', spec)]));
    const state: State = checker.history.state;
    return feasibleNode(state, state.objects.get(podKey('new')) as Pod);
  };
  assert.is(where([nodeWith('n', {})], []), 'n');
  assert.is(where([nodeWith('n', {}, 'False')], []), null);
  assert.is(where([nodeWith('n', { unschedulable: true })], []), null);
  const taints = [{ key: 'k', value: 'v', effect: 'NoSchedule' }];
  assert.is(where([nodeWith('n', { taints })], []), null);
  assert.is(where([nodeWith('n', { taints })], [], { tolerations: [{ key: 'k', operator: 'Exists' }] }), 'n');
  assert.is(where([nodeWith('n', {})], [pod('old', 'n')]), null, '600 millicores twice are too many for one');
  assert.is(where([nodeWith('n', {}), nodeWith('m', {})], [pod('old', 'm')]), 'n');
  assert.is(where([nodeWith('n', {})], [], { nodeSelector: { zone: 'z' } }), null);
});

test.run();
