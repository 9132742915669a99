// Nodes that fall silent and come back: conditions, taints, evictions, and that a new leader keeps the old
// clocks.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import type { Node, Pod, Taint, Toleration } from '../../cluster/api/types.ts';
import { list } from '../../cluster/state/query.ts';
import { evictionDueMs, tolerates } from '../../actors/node/eviction.ts';
import { nodeAsSeen } from '../../actors/node/lifecycle.ts';
import { transcripts } from '../transcript.ts';
import { commands } from './leader-commands.ts';
import { addNode, create, createWorld, kubelet } from './leader-world.ts';

transcripts(test, new URL('../data/node', import.meta.url).pathname, () => commands());

const web = JSON.stringify({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' },
  spec: {
    replicas: 6, selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'web:1' }] } },
  },
});

test('from the kill of a peer to a full Deployment elsewhere: within the promised times', () => {
  const world = createWorld();
  world.lead();
  for (let n = 1; n <= 3; n++) addNode(world, n);
  world.run(1_000);
  create(world, web);
  world.run(1_000);
  kubelet(world, 100);
  world.run(1_000);
  const killedMs = world.nowMs();
  const survivors = (): readonly Pod[] =>
    list<Pod>(world.state, resources.pods).filter(
      (pod) =>
        pod.metadata.deletionTimestamp === undefined &&
        pod.spec.nodeName !== 'peer-3' &&
        pod.spec.nodeName !== undefined,
    );
  const unready = (): boolean => list<Node>(world.state, resources.nodes).some((node) =>
    node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'Unknown'));
  // SWIM suspects after about a probe interval and a half.
  world.run(1_600);
  world.setLiveness('id-3', 'suspect');
  while (!unready()) world.run(10);
  const notReadyMs = world.nowMs() - killedMs;
  while (survivors().length < 6) world.run(10);
  const replacedMs = world.nowMs() - killedMs;
  assert.ok(notReadyMs >= 5_000 && notReadyMs <= 7_000, `NotReady after ${notReadyMs} ms`);
  assert.ok(replacedMs >= 9_500 && replacedMs <= 12_000, `replaced after ${replacedMs} ms`);
});

test('a new leader does not start the eviction clock anew', () => {
  const world = createWorld();
  world.lead();
  addNode(world, 1);
  addNode(world, 2);
  create(world, web);
  world.run(1_000);
  kubelet(world, 100);
  world.setLiveness('id-2', 'dead');
  world.run(3_000);
  world.lead();
  world.run(2_600);
  const left = list<Pod>(world.state, resources.pods)
    .filter((pod) => pod.spec.nodeName === 'peer-2' && pod.metadata.deletionTimestamp === undefined);
  assert.equal(left, []);
});

test('a node that is as it should be is the very same object', () => {
  const node: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
    status: {
      conditions: [
        { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
      ],
    },
  };
  for (const phase of ['joining', 'ready', 'suspect'] as const)
    assert.is(nodeAsSeen(node, phase, null, 0), node);
  const lost = nodeAsSeen(node, 'unreachable', null, 0);
  assert.is.not(lost, node);
  assert.is(nodeAsSeen(lost, 'lost', null, 60_000), lost);
});

test('tolerations match taints as Kubernetes documents', () => {
  const taint: Taint = { key: 'k', value: 'v', effect: 'NoExecute' };
  const cases: readonly (readonly [Toleration, boolean])[] = [
    [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute' }, true],
    [{ key: 'k', value: 'v' }, true],
    [{ key: 'k', value: 'w' }, false],
    [{ key: 'k', operator: 'Exists' }, true],
    [{ operator: 'Exists' }, true],
    [{ operator: 'Exists', effect: 'NoSchedule' }, false],
    [{ key: 'other', operator: 'Exists' }, false],
  ];
  for (const [toleration, expected] of cases)
    assert.is(tolerates(toleration, taint), expected, JSON.stringify(toleration));
});

test('eviction is due at once, later or never', () => {
  const pod = (tolerations: readonly Toleration[]): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
    spec: { containers: [], tolerations },
  });
  const now = Date.parse('2026-01-01T00:01:00Z');
  const taint: Taint = { key: 'k', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' };
  const other: Taint = { key: 'o', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:50Z' };
  assert.is(evictionDueMs(pod([]), [taint], now), now);
  assert.is(evictionDueMs(pod([]), [], now), null);
  assert.is(evictionDueMs(pod([{ key: 'k', operator: 'Exists' }]), [taint], now), null);
  assert.is(
    evictionDueMs(pod([{ key: 'k', operator: 'Exists', tolerationSeconds: 90 }]), [taint], now),
    now + 30_000,
  );
  assert.is(
    evictionDueMs(pod([{ operator: 'Exists', tolerationSeconds: 20 }]), [taint, other], now),
    now - 40_000,
  );
});

test.run();
