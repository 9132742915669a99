// Deployments and their ReplicaSets, round by round: what is written until everything is as it should be.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import type { Deployment, Pod, ReplicaSet } from '../../cluster/api/types.ts';
import { createRandom } from '../../cluster/random.ts';
import { list } from '../../cluster/state/query.ts';
import { isActive, isReady } from '../../actors/controllers/pod-state.ts';
import { boundsOf } from '../../actors/controllers/rolling.ts';
import { transcripts } from '../transcript.ts';
import { commands } from './leader-commands.ts';
import { addNode, create, createWorld, kubelet, patch } from './leader-world.ts';

transcripts(test, new URL('../data/deployment', import.meta.url).pathname, () => commands());

const web = (
  replicas: number,
  maxSurge: number | string,
  maxUnavailable: number | string,
  image: string,
): string =>
  JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } },
    },
  });

test('at random: a rollout keeps within its bounds, whatever comes in between', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = createRandom(seed),
      world = createWorld();
    const replicas = random.between(1, 12),
      surge = random.between(0, 3);
    const unavailable = random.chance(1, 2)
      ? `${random.between(0, 50)}%`
      : random.between(surge === 0 ? 1 : 0, 3);
    world.lead();
    for (let n = 1; n <= 3; n++) addNode(world, n);
    world.run(1_000);
    create(world, web(replicas, surge, unavailable, 'web:0'));
    while (list<Pod>(world.state, resources.pods).filter(isReady).length < replicas) {
      world.run(500);
      kubelet(world, 100);
    }
    world.run(1_000);
    const [deployment] = list<Deployment>(world.state, resources.deployments);
    if (deployment === undefined) throw new Error('no deployment');
    const bounds = boundsOf(deployment);
    world.listen(() => {
      // As in Kubernetes the sizes of the sets are bounded; a pod that was told to go may overlap a new one.
      const wanted = list<ReplicaSet>(world.state, resources.replicaSets).reduce(
        (sum, { spec }) => sum + (spec.replicas ?? 0),
        0,
      );
      const ready = list<Pod>(world.state, resources.pods).filter(
        (pod) => isActive(pod) && isReady(pod),
      ).length;
      assert.ok(wanted <= replicas + bounds.maxSurge, `seed ${seed}: ${wanted} pods`);
      assert.ok(ready >= replicas - bounds.maxUnavailable, `seed ${seed}: ${ready} ready`);
    });
    for (let step = 1; step <= 60; step++) {
      if (random.chance(1, 12)) {
        const image = `web:${random.between(0, 3)}`;
        patch(
          world,
          'deployments',
          'web',
          `spec: {template: {spec: {containers: [{name: c, image: "${image}"}]}}}`,
        );
      }
      if (random.chance(1, 20)) world.lead();
      if (random.chance(1, 8))
        world.refusals.push({ ok: false, refusal: { reason: 'Conflict', message: 'test' } });
      kubelet(world, random.between(0, 3));
      world.run(random.between(0, 60));
    }
    for (let n = 0; n < 40; n++) {
      kubelet(world, 100);
      world.run(1_000);
    }
    const pods = list<Pod>(world.state, resources.pods);
    assert.is(pods.filter(isReady).length, replicas, `seed ${seed}`);
    assert.is(
      list<ReplicaSet>(world.state, resources.replicaSets).filter(({ spec }) => spec.replicas !== 0).length,
      1,
    );
    assert.equal(world.run(60_000), []);
  }
});

test.run();
