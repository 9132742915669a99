// The other controllers, by what they write; and that all of them fall silent once everything is as it
// should be.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { KubeEvent, Pod, ReplicaSet } from '../../cluster/api/types.ts';
import { everything, list } from '../../cluster/state/query.ts';
import { revision } from '../../cluster/ids.ts';
import { add, createQueue, done, hasReady, nextDueMs, take } from '../../actors/controllers/queue.ts';
import { deletionOrder } from '../../actors/controllers/pod-state.ts';
import { createRecorder } from '../../actors/recorder.ts';
import { transcripts } from '../transcript.ts';
import { commands } from './leader-commands.ts';
import { addNode, create, createWorld, kubelet, patch } from './leader-world.ts';

transcripts(test, new URL('../data/controllers', import.meta.url).pathname, () => commands());

const deployment = (name: string, replicas: number, image = 'web:1'): string => JSON.stringify({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
  spec: {
    replicas, selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image }] } },
  },
});

test('silence: once everything is as it should be, an hour passes without a write', () => {
  const world = createWorld();
  world.lead();
  for (let n = 1; n <= 3; n++) addNode(world, n);
  world.run(1_000);
  create(world, deployment('web', 5));
  create(
    world,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    }),
  );
  world.run(2_000);
  kubelet(world, 100);
  world.run(2_000);
  const before = world.submitted();
  assert.equal(world.run(50 * 60_000).length, 0);
  assert.is(world.submitted(), before);
  // Past their time to live the Events go, and nothing else changes.
  const expired = world.run(30 * 60_000);
  assert.ok(expired.length > 0);
  assert.ok(expired.every(({ type, object }) => type === 'DELETED' && object.kind === 'Event'));
  assert.equal(list<KubeEvent>(world.state, resources.events), []);
});

test('a new leader in the middle of anything ends in the same place, without a pod too many', () => {
  for (let stop = 0; stop < 40; stop += 3) {
    const world = createWorld();
    world.lead();
    addNode(world, 1);
    world.run(1_000);
    create(world, deployment('web', 20));
    world.run(stop);
    world.lead();
    world.run(3_000);
    const pods = list<Pod>(world.state, resources.pods);
    assert.is(
      pods.filter((pod) => pod.metadata.deletionTimestamp === undefined).length,
      20,
      `stopped after ${stop} ms`,
    );
    assert.ok(pods.every((pod) => pod.spec.nodeName === 'peer-1'));
  }
});

test('commands that are refused or lost are tried again, with back-off, until they are written', () => {
  const world = createWorld();
  world.lead();
  world.run(1_000);
  for (let n = 0; n < 3; n++) {
    world.refusals.push({ ok: false, refusal: { reason: 'Unavailable', message: 'test' } });
    world.refusals.push({ ok: false, refusal: { reason: 'Conflict', message: 'test' } });
  }
  create(world, deployment('web', 1));
  world.run(10_000);
  assert.is(list<Pod>(world.state, resources.pods).length, 1);
});

test('a fenced leader writes nothing any more', () => {
  const world = createWorld();
  world.lead();
  world.run(1_000);
  create(world, deployment('web', 1));
  world.refusals.push({ ok: false, refusal: { reason: 'Fenced', message: 'test' } });
  world.run(5_000);
  assert.equal(list<ReplicaSet>(world.state, resources.replicaSets), []);
});

test('a ReplicaSet that may not make its pods says why, and stops saying so once it may', () => {
  const world = createWorld();
  world.lead();
  world.run(1_000);
  create(world, deployment('web', 1));
  const conditions = (): readonly string[] =>
    list<ReplicaSet>(world.state, resources.replicaSets)
      .flatMap(({ status }) => status?.conditions ?? [])
      .map(({ type, reason, message }) => `${type} ${reason} ${message}`);
  const refusal = { reason: 'Forbidden', message: 'no more pods today' } as const;
  world.refuse = ([op]) =>
    op?.op === 'create' && op.key.startsWith('core/pods/') ? { ok: false, refusal } : null;
  world.run(1_000);
  assert.equal(conditions(), ['ReplicaFailure FailedCreate no more pods today']);
  const failed = list<KubeEvent>(world.state, resources.events).find(
    ({ reason }) => reason === 'FailedCreate',
  );
  assert.is(failed?.message, 'Error creating: no more pods today');
  world.refuse = null;
  world.run(10_000);
  assert.equal(conditions(), []);
  assert.is(list<Pod>(world.state, resources.pods).length, 1);
});

test('a thousand replicas come in bounded commands, scale down again, and none is lost or doubled', () => {
  const world = createWorld();
  world.lead();
  for (let n = 1; n <= 12; n++) addNode(world, n);
  world.run(1_000);
  create(world, deployment('big', 1_000));
  world.run(10_000);
  const pods = list<Pod>(world.state, resources.pods);
  assert.is(pods.length, 1_000);
  assert.ok(pods.every((pod) => (pod.spec.nodeName ?? '') !== ''));
  patch(world, 'deployments', 'big', 'spec: {replicas: 3}');
  world.run(5_000);
  kubelet(world, 3);
  world.run(5_000);
  assert.is(list<Pod>(world.state, resources.pods).length, 3);
  assert.ok(everything(world.state).length < 20 + 3 + 3 * limits.recorderBurst + 2_100);
});

test('the work queue: a key is looked at once, comes back while it is busy, and backs off', () => {
  const queue = createQueue();
  add(queue, 'a/1', 0);
  add(queue, 'a/1', 0);
  add(queue, 'a/2', 0);
  assert.is(take(queue, 0), 'a/1');
  add(queue, 'a/1', 1);
  assert.is(take(queue, 1), 'a/2');
  assert.is(take(queue, 1), null);
  done(queue, 'a/1', { result: 'nothing', requeueAfterMs: null }, 2);
  assert.is(take(queue, 2), 'a/1', 'it was added while it was busy');
  assert.is(done(queue, 'a/1', { result: 'failed', requeueAfterMs: null }, 3), 1);
  add(queue, 'a/1', 4);
  assert.not(hasReady(queue, 4), 'an addition does not cut the back-off short');
  assert.is(nextDueMs(queue), 3 + limits.controllerBackoffMsMin);
  assert.is(take(queue, 1_000), 'a/1');
  assert.is(done(queue, 'a/1', { result: 'failed', requeueAfterMs: null }, 1_000), 2);
  assert.is(nextDueMs(queue), 1_000 + 2 * limits.controllerBackoffMsMin);
  assert.is(take(queue, 2_000), 'a/1');
  done(queue, 'a/1', { result: 'nothing', requeueAfterMs: null }, 2_000);
  done(queue, 'a/2', { result: 'nothing', requeueAfterMs: 500 }, 2_000);
  assert.is(nextDueMs(queue), 2_500);
  assert.is(take(queue, 2_500), 'a/2');
  done(queue, 'a/2', { result: 'nothing', requeueAfterMs: null }, 2_500);
  assert.is(queue.size, 0);
});

test('surplus pods go in the order that Kubernetes documents', () => {
  const pod = (
    name: string,
    options: {
      node?: string;
      phase?: 'Pending' | 'Running';
      readyAt?: string;
      restarts?: number;
      cost?: string;
      born?: string;
    },
  ): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      uid: name,
      resourceVersion: '1',
      creationTimestamp: options.born ?? '2026-01-01T00:00:00Z',
      ...(options.cost === undefined
        ? {}
        : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': options.cost } }),
    },
    spec: { containers: [], ...(options.node === undefined ? {} : { nodeName: options.node }) },
    status: {
      phase: options.phase ?? 'Running',
      conditions:
        options.readyAt === undefined
          ? []
          : [{ type: 'Ready', status: 'True', lastTransitionTime: options.readyAt }],
      containerStatuses: [
        { name: 'c', image: '', imageID: '', ready: true, restartCount: options.restarts ?? 0 },
      ],
    },
  });
  const early = '2026-01-01T00:00:10Z', late = '2026-01-01T00:00:20Z';
  const pods = [
    pod('old-and-ready', { node: 'a', readyAt: early }),
    pod('younger', { node: 'a', readyAt: early, born: '2026-01-01T00:00:05Z' }),
    pod('restarted', { node: 'a', readyAt: early, restarts: 3 }),
    pod('ready-later', { node: 'a', readyAt: late }),
    pod('not-ready', { node: 'a' }),
    pod('crowded', { node: 'b', readyAt: early }), pod('crowded-2', { node: 'b', readyAt: early }),
    pod('crowded-3', { node: 'b', readyAt: early }), pod('crowded-4', { node: 'b', readyAt: early }),
    pod('crowded-5', { node: 'b', readyAt: early }), pod('crowded-6', { node: 'b', readyAt: early }),
    pod('crowded-7', { node: 'b', readyAt: early }),
    pod('cheap', { node: 'c', readyAt: early, cost: '-5' }),
    pod('pending', { node: 'a', phase: 'Pending' }),
    pod('unplaced', { phase: 'Pending' }),
  ];
  const order = deletionOrder(pods).map(({ metadata }) => metadata.name);
  assert.equal(order.slice(0, 5), ['unplaced', 'pending', 'not-ready', 'cheap', 'crowded']);
  assert.equal(order.slice(-4), ['ready-later', 'restarted', 'younger', 'old-and-ready']);
});

test('the recorder counts what is said again, writes many in one command, and stops a flood', () => {
  const world = createWorld();
  create(world, 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default}');
  create(world, 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: x}]}');
  const [pod] = list<Pod>(world.state, resources.pods);
  if (pod === undefined) throw new Error('no pod');
  const recorder = createRecorder(world.services, 'kubelet', 'peer-1');
  recorder.event(pod, 'Normal', 'Pulled', 'the image', null, 'spec.containers{c}');
  recorder.event(pod, 'Warning', 'BackOff', 'again', null);
  recorder.event(pod, 'Warning', 'BackOff', 'again', null);
  const before = world.submitted();
  world.run(10);
  assert.is(world.submitted(), before + 1);
  recorder.event(pod, 'Warning', 'BackOff', 'again', null);
  world.run(60_000);
  // Another recorder, as after a change of leader, goes on where this one stopped.
  createRecorder(world.services, 'kubelet', 'peer-1').event(pod, 'Warning', 'BackOff', 'again', null);
  world.run(1_000);
  const events = list<KubeEvent>(world.state, resources.events);
  assert.equal(events.map(({ reason, count }) => `${reason} ${count}`).sort(), ['BackOff 4', 'Pulled 1']);
  const backOff = events.find(({ reason }) => reason === 'BackOff');
  assert.is(backOff?.firstTimestamp, '2026-11-24T08:00:00Z');
  assert.is(backOff?.lastTimestamp, '2026-11-24T08:01:00Z');
  for (let n = 0; n < 100; n++) recorder.event(pod, 'Normal', 'Flood', `message ${n}`, null);
  world.run(1_000);
  // Four were said before by this recorder; the burst is what is left of the bucket.
  const flood = list<KubeEvent>(world.state, resources.events).filter(({ reason }) => reason === 'Flood');
  assert.is(flood.length, limits.recorderBurst - 4);
  assert.ok(world.state.revision > revision(0));
});

test.run();
