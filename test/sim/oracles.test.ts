// The oracles themselves: each is shown something that must not be, and must say so by name.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import type { KubeObject, Pod } from '../../cluster/api/types.ts';
import { index, objectKey, term } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import type { ContainerFact } from '../../cluster/ports.ts';
import { createRandom } from '../../cluster/random.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { createState, mutable } from '../../cluster/state/state.ts';
import { encodeMessage } from '../../cluster/wire.ts';
import { unsettled } from '../../sim/check/convergence.ts';
import type { ConvergenceView } from '../../sim/check/convergence.ts';
import type { OracleName } from '../../sim/check/oracle.ts';
import { awaitSilence, checkAnswered } from '../../sim/run.ts';
import type { UserClient } from '../../sim/users/client.ts';
import { printed } from '../../sim/users/deployer.ts';
import { startReader } from '../../sim/users/reader.ts';
import { calmPlan, createScene, deployment, deploymentsPath } from '../scenario/world.ts';
import type { Scene } from '../scenario/world.ts';
import { a, b, c, create, entryOf, namespace, node, nodeKey, noop, pod, podKey, podOf,
  stage } from './stage.ts';
import type { Stage } from './stage.ts';

// ── elections and the log ────────────────────────────────────────────────────────────────────────────────

test('election-safety', () => {
  const { look, said } = stage();
  look(a, { role: 'leader', term: term(3) });
  look(b, { role: 'follower', term: term(3) });
  assert.equal(said, []);
  look(b, { role: 'leader', term: term(3) });
  assert.ok(said.includes('election-safety'));
});

test('one-vote-per-term: two votes leave a peer; one is forgotten in a crash', () => {
  const vote = (in_: number) => encodeMessage({
    kind: 'log', message: { type: 'vote-reply', term: term(in_), granted: true },
  });
  const twice = stage();
  twice.vote(a, 4, b);
  twice.checker.sent(a, b, vote(4));
  twice.checker.sent(a, b, vote(4));
  twice.vote(a, 5, c);
  twice.checker.sent(a, c, vote(5));
  assert.equal(twice.said, []);
  twice.vote(a, 5, b);
  twice.checker.sent(a, b, vote(5));
  assert.equal(twice.said, ['one-vote-per-term']);
  const forgotten = stage();
  forgotten.vote(a, 4, b);
  forgotten.checker.sent(a, b, vote(4));
  const snapshot = { index: index(0), term: term(0), members: [] };
  forgotten.checker.opened(a, { hard: { term: term(4), vote: null }, snapshot, entries: [] });
  assert.equal(forgotten.said, ['one-vote-per-term']);
});

test('terms-grow: in one life, and over a restart', () => {
  const alive = stage();
  alive.look(a, { term: term(3) });
  alive.look(a, { term: term(2) });
  assert.equal(alive.said, ['terms-grow']);
  const restarted = stage();
  restarted.look(a, { role: 'leader', term: term(3) });
  const snapshot = { index: index(0), term: term(0), members: [] };
  restarted.checker.opened(a, { hard: { term: term(2), vote: null }, snapshot, entries: [] });
  assert.equal(restarted.said, ['terms-grow']);
});

test('log-matching: other data at one index and term; another entry before it', () => {
  const data = stage();
  data.store(entryOf(1, [namespace]), a, b);
  assert.equal(data.said, []);
  data.store(entryOf(1, [node('n')]), c);
  assert.equal(data.said, ['log-matching']);
  const before = stage();
  before.store(noop(1, 1), a);
  before.store(noop(1, 2), b);
  before.store(noop(2, 3), a);
  assert.equal(before.said, []);
  before.store(noop(2, 3), b);
  assert.equal(before.said, ['log-matching']);
});

test('leader-completeness: of earlier terms, not of later ones', () => {
  const { look, store, said } = stage();
  store(noop(1, 2), a, b);
  const state = createState();
  applyEntry(state, noop(1, 2));
  look(a, { role: 'leader', term: term(2), commit: index(1) }, state);
  look(c, { role: 'leader', term: term(1) });
  assert.equal(said, []);
  look(c, { role: 'leader', term: term(3) });
  assert.equal(said, ['leader-completeness']);
});

test('committed-is-durable', () => {
  const { look, store, said } = stage();
  store(noop(1, 1), a);
  const state = createState();
  applyEntry(state, noop(1, 1));
  look(a, { role: 'leader', commit: index(1) }, state);
  assert.equal(said, ['committed-is-durable']);
});

test('committed-is-durable: a disk that was lost since it acknowledged counts, for what it held', () => {
  const { checker, disks, look, store, said } = stage();
  store(noop(1, 1), a, b);
  checker.election.wiped(b);
  const empty = disks.get(b);
  if (empty !== undefined) empty.entries = [];
  const state = createState();
  applyEntry(state, noop(1, 1));
  look(a, { role: 'leader', commit: index(1) }, state);
  assert.equal(said, []);
  store(noop(2, 1), a);
  applyEntry(state, noop(2, 1));
  look(a, { role: 'leader', commit: index(2) }, state);
  assert.equal(said, ['committed-is-durable']);
});

test('commit-grows and state-digest', () => {
  const { look, commit, said } = stage();
  const first = entryOf(1, [namespace]), second = entryOf(2, [node('n')]);
  commit(first);
  commit(second);
  const good = createState();
  applyEntry(good, first);
  look(b, { commit: index(1) }, good);
  assert.equal(said, []);
  const other = createState();
  applyEntry(other, first);
  applyEntry(other, { ...second, data: entryOf(2, [node('m')]).data });
  look(b, { commit: index(2) }, other);
  assert.equal(said, ['state-digest']);
  look(b, { commit: index(1) }, good);
  assert.equal(said, ['state-digest', 'commit-grows']);
});

test('identity: a uid that comes back', () => {
  const { commit, said } = stage();
  commit(entryOf(1, [create(nodeKey('n'), { apiVersion: 'v1', kind: 'Node' }, 'one')]));
  commit(entryOf(2, [{ op: 'delete', key: nodeKey('n') }]));
  assert.equal(said, []);
  commit(entryOf(3, [create(nodeKey('n'), { apiVersion: 'v1', kind: 'Node' }, 'one')]));
  assert.equal(said, ['identity']);
});

test('applied-once: a state that does not recognise a repetition', () => {
  const { checker, commit, said } = stage();
  commit(entryOf(1, [namespace]));
  const [delete_, create_] = [entryOf(2, [{ op: 'delete', key: nodeKey('n') }]), entryOf(3, [node('n')])];
  commit({ ...create_, index: index(2) });
  commit({ ...create_, index: index(3) });
  assert.equal(said, [], 'the state recognises it');
  mutable(checker.history.state).windows.clear();
  commit({ ...delete_, index: index(4) });
  mutable(checker.history.state).windows.clear();
  commit({ ...create_, index: index(5) });
  assert.ok(said.includes('applied-once'));
});

// ── placement ────────────────────────────────────────────────────────────────────────────────────────────

test('one-writer-per-fence: a writer that did not lead; two that act as leaders', () => {
  const foreign = stage();
  foreign.look(a, { role: 'leader', term: term(1) });
  foreign.commit(entryOf(1, [namespace], { fence: 1 }));
  assert.equal(foreign.said, []);
  foreign.commit(entryOf(2, [node('n')], { fence: 1, origin: b }));
  assert.equal(foreign.said, ['one-writer-per-fence']);
  const acting = stage();
  acting.checker.election.acts(a, 2);
  acting.checker.election.acts(b, 2);
  assert.equal(acting.said, ['one-writer-per-fence']);
});

test('no-over-commit: pods on their way out count, those that are over do not', () => {
  const { commit, said } = stage();
  commit(entryOf(1, [namespace, node('n')]));
  commit(entryOf(2, [pod('over', 'n')]));
  const over = { ...podOf('over', 'n'), status: { phase: 'Succeeded' as const } };
  commit(entryOf(3, [{ op: 'update', key: podKey('over'), object: over }], { fence: 1 }));
  const leaving = podOf('leaving', 'n');
  const metadata = { ...leaving.metadata, deletionTimestamp: '2026-01-01T00:00:00Z',
    deletionGracePeriodSeconds: 30 };
  commit(entryOf(4, [{ op: 'create', key: podKey('leaving'), object: { ...leaving, metadata } }]));
  assert.equal(said, []);
  commit(entryOf(5, [pod('new', 'n')]));
  assert.equal(said, ['no-over-commit']);
});

test('binding-is-final', () => {
  const { commit, said } = stage();
  commit(entryOf(1, [namespace, node('n'), node('m'), pod('p', 'n')]));
  const moved = podOf('p', 'm');
  commit(entryOf(2, [{ op: 'update', key: podKey('p'), object: moved }]));
  assert.equal(said, ['binding-is-final']);
});

// ── containers ───────────────────────────────────────────────────────────────────────────────────────────

function container(uid: string, name: string, attempt = 0): ContainerFact {
  return {
    id: `${uid}-${name}-${attempt}`, sandbox: uid, pod: { namespace: 'default', name: uid, uid }, name,
    attempt,
    image: 'app:1', imageId: 'sha256:1', state: 'running', exitCode: 0, oomKilled: false, startedAtMs: 0,
    finishedAtMs: 0, message: '',
  };
}

test('one-live-container and pod-on-one-node', () => {
  const { checker: { containers, history: { state } }, said } = stage();
  containers.started('peer-1', container('p', 'app'), state);
  containers.ended('peer-1', container('p', 'app'));
  containers.started('peer-1', container('p', 'app', 1), state);
  containers.started('peer-1', container('p', 'sidecar'), state);
  assert.equal(said, []);
  containers.started('peer-1', container('p', 'app', 2), state);
  assert.equal(said, ['one-live-container']);
  containers.started('peer-2', container('p', 'third'), state);
  assert.equal(said, ['one-live-container', 'pod-on-one-node']);
});

test('never-restarted', () => {
  const { checker: { containers, history }, commit, said } = stage();
  const [once, always] = ['once', 'always'].map((name) => podKey(name));
  const pods = [pod('once', '', { restartPolicy: 'Never' }), pod('always', '', { restartPolicy: 'Always' })];
  commit(entryOf(1, [namespace, ...pods]));
  for (const key of [always, once]) {
    const { metadata } = history.state.objects.get(key as ObjectKey) as Pod;
    const of = (attempt: number): ContainerFact => ({
      ...container(metadata.uid, 'app', attempt),
      pod: { namespace: 'default', name: metadata.name, uid: metadata.uid },
    });
    assert.equal(said, []);
    containers.started('peer-1', of(0), history.state);
    containers.ended('peer-1', of(0));
    containers.started('peer-1', of(1), history.state);
  }
  assert.equal(said, ['never-restarted']);
});

// ── clients ──────────────────────────────────────────────────────────────────────────────────────────────

const mapKey = objectKey(resources.configMaps, 'default', 'm');

function withMap(): Stage & { version(at: number): KubeObject } {
  const one = stage();
  const map = (value: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', data: { value } });
  one.commit(entryOf(1, [namespace]));
  one.commit(entryOf(2, [create(mapKey, map('two'))]));
  for (const [at, value] of [[3, 'three'], [4, 'four']] as const) {
    const { metadata } = one.checker.history.state.objects.get(mapKey) as KubeObject;
    const object = { ...map(value), metadata } as KubeObject;
    one.commit(entryOf(at, [{ op: 'update', key: mapKey, object }]));
  }
  return { ...one, version: (at) => one.checker.history.objectAt(mapKey, at) as KubeObject };
}

test('linearizable and compare-and-swap: a stale read, a write behind another, a lost swap', () => {
  const stale = withMap(), { clients } = stale.checker;
  clients.wrote(clients.begin(mapKey), stale.version(3), null, 'one');
  const during = clients.begin(mapKey);
  clients.read(clients.begin(mapKey), stale.version(4), 'two');
  clients.read(during, stale.version(3), 'three');
  assert.equal(stale.said, []);
  clients.read(clients.begin(mapKey), stale.version(3), 'four');
  assert.equal(stale.said, ['linearizable']);
  const swapped = withMap();
  swapped.checker.clients.wrote(swapped.checker.clients.begin(mapKey), swapped.version(4), '2', 'one');
  assert.equal(swapped.said, ['compare-and-swap']);
  const missing = withMap();
  missing.checker.clients.wrote(missing.checker.clients.begin(mapKey), missing.version(3), null, 'one');
  missing.checker.clients.read(missing.checker.clients.begin(mapKey), null, 'two');
  assert.equal(missing.said, ['linearizable']);
});

test('acknowledged-is-committed: what is not there, what is other, what was refused', () => {
  const absent = withMap();
  const { metadata } = absent.version(4);
  const object = { ...absent.version(4), metadata: { ...metadata, resourceVersion: '9' } };
  absent.checker.clients.wrote(absent.checker.clients.begin(mapKey), object, null, 'one');
  assert.equal(absent.said, ['acknowledged-is-committed']);
  const other = withMap();
  const shown = { ...other.version(4), data: {} } as KubeObject;
  other.checker.clients.read(other.checker.clients.begin(mapKey), shown, 'one');
  assert.equal(other.said, ['acknowledged-is-committed']);
  const refused = withMap();
  refused.checker.clients.refused(mapKey, 'five', 'one');
  refused.checker.clients.finish();
  assert.equal(refused.said, []);
  refused.checker.clients.refused(mapKey, 'three', 'one');
  refused.checker.clients.finish();
  assert.equal(refused.said, ['acknowledged-is-committed']);
});

test('watch-is-history: a gap, a repetition, a bookmark too far, another list', () => {
  const prefix = 'core/configmaps/';
  const shown = (events: readonly (readonly ['ADDED' | 'MODIFIED' | 'BOOKMARK', number])[]): OracleName[] => {
    const one = withMap();
    let cursor = { revision: 1, seen: Infinity };
    for (const [type, at] of events) {
      const object = type === 'BOOKMARK' ? { metadata: { resourceVersion: String(at) } } as KubeObject
        : one.version(at);
      cursor = one.checker.watches.watched(prefix, cursor, { type, object }, 'one');
    }
    return one.said;
  };
  assert.equal(shown([['ADDED', 2], ['MODIFIED', 3], ['MODIFIED', 4], ['BOOKMARK', 4]]), []);
  assert.equal(shown([['ADDED', 2], ['MODIFIED', 4]]), ['watch-is-history']);
  assert.equal(shown([['ADDED', 2], ['MODIFIED', 3], ['MODIFIED', 3]]), ['watch-is-history']);
  assert.equal(shown([['ADDED', 2], ['BOOKMARK', 3]]), ['watch-is-history']);
  const list = withMap();
  list.checker.watches.listed(prefix, 3, new Map([[mapKey, '3']]), 'one');
  assert.equal(list.said, []);
  list.checker.watches.listed(prefix, 4, new Map([[mapKey, '3']]), 'one');
  assert.equal(list.said, ['watch-is-history']);
});

// ── healing ──────────────────────────────────────────────────────────────────────────────────────────────

test('converges and no-orphans', () => {
  const scene = createScene(calmPlan(1, 3)), { world } = scene;
  scene.form();
  scene.call(1, 'POST', deploymentsPath, deployment('web', 2));
  assert.is(unsettled(viewWith(scene, {}))?.oracle, 'converges', 'the pods are not there yet');
  scene.settle();
  assert.is(unsettled(viewWith(scene, {})), null);
  const { containers } = world.checker, some = containers.live()[0];
  if (some === undefined) throw new Error('nothing runs');
  const without = { ...containers, live: () => containers.live().slice(1) };
  assert.is(unsettled(viewWith(scene, { containers: without }))?.oracle, 'converges',
    'a container is missing');
  const stray = { machine: some.machine, container: container('stray', 'app') };
  const more = { ...containers, live: () => [...containers.live(), stray] };
  assert.is(unsettled(viewWith(scene, { containers: more }))?.oracle, 'no-orphans');
});

function viewWith({ world }: Scene, change: Partial<ConvergenceView>): ConvergenceView {
  const { checker: { history, containers }, machines } = world;
  return {
    history, containers, lost: [], ...change,
    machines: machines.map(({ name, life, traffic, host }) => ({
      name, log: life?.peer.log() ?? null, applied: life?.peer.state().revision ?? 0,
      routes: traffic.routes(),
      sandboxes: host.inspect().sandboxes,
    })),
  };
}

test('silence: somebody goes on writing', () => {
  const scene = createScene(calmPlan(2, 3)), { world } = scene;
  scene.form();
  awaitSilence(world, world.heap.nowMs());
  assert.is(world.violation(), null);
  const write = (): void => {
    world.request(1, {
      method: 'PATCH', path: '/api/v1/namespaces/default', query: '',
      headers: { 'content-type': 'application/merge-patch+json' },
      body: new TextEncoder().encode(`{"metadata":{"annotations":{"at":"${scene.nowMs()}"}}}`),
    }, { answer() { /* Once more, later. */ }, broken() { /* Never. */ } });
    world.heap.at(world.heap.nowMs() + 10_000, write);
  };
  write();
  awaitSilence(world, world.heap.nowMs());
  assert.is(world.violation()?.oracle, 'silence');
});

test('logs-are-true: a line that was never printed', () => {
  const heard = (text: string): readonly OracleName[] => {
    const said: OracleName[] = [];
    const pod = { metadata: { name: 'p' } };
    const client: UserClient = {
      name: 'reader', random: createRandom(1), mark() { /* Nobody counts. */ },
        later: (_, work) => { if (said.length === 0) pending.push(work); },
      call: (_, done) =>
        done({ status: 200, object: { items: [pod] } as never, warning: null, peer: 'peer-1' }),
      watch: () => ({ close() { /* Not of a reader. */ } }),
      stream: (_, __, ears) => ears.whole(text),
    };
    const pending: (() => void)[] = [];
    startReader(client, { untilMs: 1, nowMs: () => 0, report: (oracle) => said.push(oracle) });
    pending.shift()?.();
    return said;
  };
  assert.equal(heard(`${printed[0]}\n`), []);
  assert.equal(heard(`${printed[0]}\nshoal: the log stream broke: a part was lost`), []);
  assert.equal(heard(`${printed[1]}\n`), ['logs-are-true']);
});

test('answered and no-crash', () => {
  const scene = createScene(calmPlan(3, 1)), { world } = scene;
  scene.form();
  world.pause(1);
  const path = '/api/v1/namespaces';
  world.request(1, { method: 'GET', path, query: '', headers: {}, body: null }, {
    answer() { /* Never. */ }, broken() { /* Never. */ },
  });
  scene.pass(101_000);
  checkAnswered(world);
  assert.is(world.violation()?.oracle, 'answered');
  const other = createScene(calmPlan(3, 1));
  other.form();
  Object.assign(other.world.machine(1).life?.peer ?? {}, { deliver() { throw new Error('on purpose'); } });
  other.world.run(other.nowMs() + 5_000);
  assert.is(other.world.violation()?.oracle, 'no-crash');
});

test.run();
