// The scheduler: where pods go and why they wait; that it never gives away more than a node has; how fast
// it is.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { keyOf, resources } from '../../cluster/api/objects.ts';
import type { Node, Pod } from '../../cluster/api/types.ts';
import { createRandom } from '../../cluster/random.ts';
import { list } from '../../cluster/state/query.ts';
import { placePod } from '../../actors/scheduler/placement.ts';
import { candidateOf, requestOf } from '../../actors/scheduler/requests.ts';
import { assumePod, createView, forgetPod, updateView, viewText } from '../../actors/scheduler/view.ts';
import {
  createPodQueue, hasPod, moveUp, nextDueMs, offer, retry, setAside, takePod,
} from '../../actors/scheduler/queue.ts';
import { scores } from '../../actors/scheduler/scores.ts';
import { transcripts } from '../transcript.ts';
import { commands } from './leader-commands.ts';
import { addNode, create, createWorld, endPod, kubelet, patch, remove } from './leader-world.ts';
import type { World } from './leader-world.ts';

transcripts(test, new URL('../data/scheduler', import.meta.url).pathname, () => commands());

const podNamed = (name: string, cpu = '100m', extra: Record<string, unknown> = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      containers: [{ name: 'c', image: 'x:1', resources: { requests: { cpu, memory: '64Mi' } } }],
      ...extra,
    },
  });

const podsOf = (world: World): readonly Pod[] => list<Pod>(world.state, resources.pods);

function checkNodes(world: World): void {
  for (const node of list<Node>(world.state, resources.nodes)) {
    const here = podsOf(world).filter(
      (pod) => pod.spec.nodeName === node.metadata.name && pod.status?.phase !== 'Succeeded',
    );
    const cpu = here.reduce((sum, pod) => sum + requestOf(pod).cpuMilli, 0);
    const most = Number(node.status?.allocatable?.['cpu'] ?? 0) * 1000;
    assert.ok(cpu <= most, `${node.metadata.name}: ${cpu} of ${most}`);
    assert.ok(here.length <= Number(node.status?.allocatable?.['pods'] ?? 0));
  }
}

test('at random: no node is given more than it has, and the view equals one that is built anew', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = createRandom(seed), world = createWorld();
    const view = createView(world.state);
    world.listen((changes) => { for (const change of changes) updateView(view, change); });
    world.lead();
    world.run(500);
    let pods = 0, nodes = 0;
    for (let step = 0; step < 120; step++) {
      switch (random.below(9)) {
        case 0:
          if (nodes < 6) {
            addNode(world, (nodes += 1), {
              cpu: String(random.between(1, 4)),
              pods: String(random.between(2, 12)),
            });
          }
          break;
        case 1: case 2: case 3: case 4: {
          const port = random.chance(1, 4) ? { containers: [{ name: 'c', image: 'x:1',
            ports: [{ containerPort: 80, hostPort: 80 }], resources: { requests: { cpu: '50m' } } }] } : {};
          create(world, podNamed(`p-${pods += 1}`, `${random.between(1, 15) * 100}m`, port));
          break;
        }
        case 5: remove(world, 'pods', `p-${random.between(1, Math.max(1, pods))}`); break;
        case 6: endPod(world, `p-${random.between(1, Math.max(1, pods))}`, 'Succeeded'); break;
        case 7: kubelet(world, 3); break;
        default: {
          const name = `peer-${random.between(1, Math.max(1, nodes))}`;
          if (random.chance(1, 2)) {
            patch(world, 'nodes', name, `spec: {unschedulable: ${random.chance(1, 2)}}`);
          } else {
            // A command that is lost may come true or not; the scheduler can't know.
            const message = 'test';
            world.refusals.push(
              random.chance(1, 2)
                ? { ok: false, refusal: { reason: 'Unavailable', message } }
                : { ok: false, refusal: { reason: 'Conflict', message } },
            );
          }
        }
      }
      world.run(random.between(0, 400));
      checkNodes(world);
      assert.is(viewText(view), viewText(createView(world.state)), `seed ${seed} step ${step}`);
    }
    if (random.chance(1, 2)) world.lead();
    world.run(30_000);
    checkNodes(world);
    // Whoever still waits fits nowhere.
    for (const pod of podsOf(world)) {
      if ((pod.spec.nodeName ?? '') !== '' || pod.status?.phase === 'Succeeded') continue;
      assert.is(
        placePod(candidateOf(pod), createView(world.state)).node,
        null,
        `${pod.metadata.name} of seed ${seed}`,
      );
    }
  }
});

test('a binding whose fate is unknown is repeated as it was, and nothing is given away twice', () => {
  const world = createWorld();
  world.lead();
  addNode(world, 1, { cpu: '1' });
  world.run(500);
  world.refusals.push({ ok: false, refusal: { reason: 'Unavailable', message: 'no leader' } });
  create(world, podNamed('a', '800m'));
  world.run(10);
  create(world, podNamed('b', '800m'));
  world.run(500);
  assert.equal(
    podsOf(world).map((pod) => pod.spec.nodeName ?? null),
    [null, null],
    'the place of a is kept for it',
  );
  world.run(3_000);
  assert.equal(podsOf(world).map((pod) => pod.spec.nodeName ?? null), ['peer-1', null]);
});

test('one pod that changed meanwhile does not hold up those that share its command', () => {
  const world = createWorld();
  world.lead();
  addNode(world, 1);
  world.run(500);
  for (let n = 1; n <= 10; n++) create(world, podNamed(`p-${n}`));
  world.run(1);
  // The command with ten bindings is under way.
  patch(world, 'pods', 'p-4', 'metadata: {labels: {a: b}}');
  world.run(100);
  assert.ok(podsOf(world).every((pod) => pod.spec.nodeName === 'peer-1'));
});

test('replicas without requests are spread, and ties are broken the same way every time', () => {
  const world = createWorld();
  world.lead();
  for (let n = 1; n <= 5; n++) addNode(world, n);
  world.run(500);
  create(world, JSON.stringify({
    apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: 'r' },
    spec: {
      replicas: 20, selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x:1' }] } },
    },
  }));
  world.run(1_000);
  const counts = new Map<string, number>();
  for (const pod of podsOf(world))
    counts.set(pod.spec.nodeName ?? '', (counts.get(pod.spec.nodeName ?? '') ?? 0) + 1);
  assert.equal([...counts.values()], [4, 4, 4, 4, 4]);
});

test('scores are integers from 0 to 100', () => {
  const world = createWorld();
  addNode(world, 1, { cpu: '4', memory: '8Gi' });
  addNode(world, 2, { cpu: '2', memory: '8Gi' });
  patch(world, 'nodes', 'peer-2', 'spec: {taints: [{key: k, effect: PreferNoSchedule}]}');
  create(world, 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default}');
  create(world, podNamed('p', '1'));
  const [pod] = podsOf(world);
  if (pod === undefined) throw new Error('no pod');
  const { ordered } = createView(world.state);
  const rated = scores.map(({ name, rate }) => [name, ...rate(candidateOf(pod), ordered)]);
  assert.equal(rated, [
    ['LeastAllocated', 87, 74],
    ['BalancedAllocation', 87, 75],
    ['TaintToleration', 100, 0],
    ['Spread', 0, 0],
  ]);
});

test('what a pod asks for: containers together, the largest init container, else limits', () => {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
    spec: {
      containers: [
        { name: 'a', image: 'x', resources: { requests: { cpu: '250m', memory: '1Gi' } } },
        { name: 'b', image: 'x', resources: { limits: { cpu: '1', 'example.com/gpu': '2' } } },
      ],
      initContainers: [{ name: 'i', image: 'x', resources: { requests: { cpu: '3', memory: '1Mi' } } }],
    },
  };
  const { cpuMilli, memoryBytes, others } = requestOf(pod);
  assert.equal(
    { cpuMilli, memoryBytes, others },
    { cpuMilli: 3_000, memoryBytes: 2 ** 30, others: [['example.com/gpu', 2_000]] },
  );
});

test('the queue: priority first, back-off doubles, changes move up only whom they may help', () => {
  const queue = createPodQueue();
  offer(queue, 'ns/a', 'a', 0);
  offer(queue, 'ns/b', 'b', 100);
  assert.is(takePod(queue, 0)?.key, 'ns/b');
  assert.is(takePod(queue, 0)?.key, 'ns/a');
  setAside(queue, 'ns/a', ['NodeAffinity'], 0);
  retry(queue, 'ns/b', 'after back-off', 0);
  assert.not(hasPod(queue, 999));
  assert.is(nextDueMs(queue), 1_000);
  moveUp(queue, 2_000, (filters) => filters.includes('NodeResourcesFit'));
  assert.is(takePod(queue, 2_000)?.key, 'ns/b');
  assert.is(takePod(queue, 2_000), null);
  moveUp(queue, 2_000, (filters) => filters.includes('NodeAffinity'));
  assert.is(takePod(queue, 2_000)?.key, 'ns/a');
  setAside(queue, 'ns/a', [], 2_000);
  moveUp(queue, 2_100, () => true);
  assert.not(hasPod(queue, 3_999), 'the second back-off is twice the first');
  assert.ok(hasPod(queue, 4_000));
});

test('an assumed pod counts until it is forgotten or seen', () => {
  const world = createWorld();
  addNode(world, 1);
  create(world, 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default}');
  create(world, podNamed('p', '1'));
  const view = createView(world.state), empty = viewText(view);
  const [pod] = podsOf(world);
  if (pod === undefined) throw new Error('no pod');
  const key = keyOf(resources.pods, pod);
  assumePod(view, key, pod, 'peer-1');
  assert.is.not(viewText(view), empty);
  forgetPod(view, key);
  assert.is(viewText(view), empty);
});

test('a thousand pods on a thousand nodes are placed in a few seconds', () => {
  const world = createWorld();
  create(world, 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default}');
  for (let n = 1; n <= 1_000; n++) addNode(world, n);
  create(world, podNamed('p'));
  const view = createView(world.state);
  const [pod] = podsOf(world);
  if (pod === undefined) throw new Error('no pod');
  const started = process.cpuUsage();
  for (let n = 0; n < 1_000; n++) {
    const copy: Pod = { ...pod, metadata: { ...pod.metadata, name: `p-${n}`, uid: `u-${n}` } };
    const { node } = placePod(candidateOf(copy), view);
    assert.ok(node !== null);
    if (node !== null) assumePod(view, keyOf(resources.pods, copy), copy, node);
  }
  const { user, system } = process.cpuUsage(started);
  console.log(`1,000 pods on 1,000 nodes: ${Math.round((user + system) / 1000)} ms of CPU`);
  assert.ok(user + system < 10_000_000);
  assert.equal(new Set(view.ordered.map(({ used }) => used.pods)), new Set([1]));
});

test.run();
