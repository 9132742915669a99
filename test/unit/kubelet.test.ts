// The kubelet: its Node, what it admits and adopts and sweeps away; and, seed by seed, that whatever fails on
// the way, in the end exactly the wanted containers run.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createOp, keyOf, newborn, resources, updateOp } from '../../cluster/api/objects.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import type { KubeObject, Pod } from '../../cluster/api/types.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { podsOnNode } from '../../cluster/state/query.ts';
import { noFaults } from '../../sim/ports/containers.ts';
import { transcripts } from '../transcript.ts';
import { kubeletCommands } from './kubelet-commands.ts';
import { createKubeletWorld, podLine, startWallMs } from './kubelet-world.ts';
import type { KubeletWorld } from './kubelet-world.ts';

transcripts(test, 'test/data/kubelet', kubeletCommands);

const seeds = 40, stepsMax = 60;

test(`${seeds} seeds: after any mishaps, what should run runs, once, and nothing else`, () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = createRandom(seed);
    const world = createKubeletWorld({ seed, faults: drawFaults(random) });
    world.startPeer();
    const life: Life = { alive: true, pods: 0 };
    for (let i = 0; i < stepsMax; i++) {
      mishap(world, random, life);
      world.run(random.below(4) === 0 ? random.below(40_000) : random.below(500));
      atMostOnce(world, seed);
    }
    heal(world, life);
    // The longest crash back-off, and the relists that may have to come before it.
    world.run(400_000);
    settled(world, seed);
    world.story();
    world.run(300_000);
    assert.equal(world.story(), [], `seed ${seed}: silence after all is settled`);
  }
});

test('the same seed tells the same story', () => {
  const tell = (): string => {
    const random = createRandom(7);
    const world = createKubeletWorld({ seed: 7, faults: drawFaults(random) });
    world.startPeer();
    const life: Life = { alive: true, pods: 0 };
    for (let i = 0; i < stepsMax; i++) {
      mishap(world, random, life);
      world.run(random.below(5_000));
    }
    return world.story().join('\n');
  };
  assert.is(tell(), tell());
});

interface Life { alive: boolean; pods: number }

function drawFaults(random: Random) {
  return {
    ...noFaults, pullMsMax: random.below(3_000), callMsMax: random.below(50), pullFails: random.below(300),
    sandboxFails: random.below(300), createFails: random.below(300), startFails: random.below(300),
    crashes: random.below(300), crashMsMax: 20_000, eventsLost: random.below(300),
  };
}

/** One thing that a user, a program, the runtime, the network or the power does. */
function mishap(world: KubeletWorld, random: Random, life: Life): void {
  const pods = podsOnNode(world.state, 'n1'), { sandboxes, containers } = world.host.inspect();
  const one = <T>(list: readonly T[]): T | undefined => list[random.below(list.length || 1)];
  switch (random.below(15)) {
    case 0: case 1: case 2: {
      if (pods.length < 6) addPod(world, random, life);
      return;
    }
    case 3: case 4: return deletePod(world, one(pods), [0, 1, 30][random.below(3)] ?? 0);
    case 5: case 6: return void world.host.exit(one(containers)?.id ?? '', random.below(2));
    case 7: return void world.host.killSandbox(one(sandboxes)?.id ?? '');
    case 8: return void world.host.lose(one(containers)?.id ?? '');
    case 9: return world.host.setUp(random.below(2) === 0);
    case 10: return world.cutOff(random.below(2) === 0);
    case 11: {
      if (life.alive) world.killPeer();
      else world.startPeer();
      life.alive = !life.alive;
      return;
    }
    case 12: return void world.host.loseSandbox(one(sandboxes)?.id ?? '');
    case 13: {
      if (random.below(4) === 0) world.host.powerOff();
      return;
    }
    default: return setImage(world, one(pods), `app:${random.below(3)}`);
  }
}

function addPod(world: KubeletWorld, random: Random, life: Life): void {
  life.pods += 1;
  const name = `pod-${life.pods}`, image = `app:${random.below(3)}`;
  const deaf = random.below(3) === 0 ? [{ name: 'SIM_IGNORE_TERM', value: '1' }] : [];
  const env = [{ name: 'SIM_EXIT_AFTER_MS', value: String(random.below(2_000)) }];
  const spec = {
    nodeName: 'n1', terminationGracePeriodSeconds: 20,
    ...(random.below(2) === 0 ? {} : { initContainers: [{ name: 'init', image, env }] }),
    containers: [{ name: 'a', image, env: deaf }, ...random.below(2) === 0 ? [] : [{ name: 'b', image }]],
  };
  const metadata = { name, namespace: 'default' };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec, status: { phase: 'Pending' } };
  const nowWallMs = startWallMs + world.nowMs();
  world.write([createOp(resources.pods, newborn(pod, { uid: `${name}-uid`, nowWallMs }) as KubeObject)]);
}

function deletePod(world: KubeletWorld, pod: Pod | undefined, grace: number): void {
  if (pod === undefined) return;
  if (grace === 0) return void world.write([{ op: 'delete', key: keyOf(resources.pods, pod) }]);
  const known = pod.metadata.deletionGracePeriodSeconds ?? Infinity;
  const deletionTimestamp = rfc3339(startWallMs + world.nowMs() + grace * 1000);
  const metadata = { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: Math.min(known, grace) };
  world.write([updateOp(resources.pods, pod, { ...pod, metadata })]);
}

function setImage(world: KubeletWorld, pod: Pod | undefined, image: string): void {
  if (pod === undefined) return;
  const containers = pod.spec.containers.map((container) => ({ ...container, image }));
  world.write([updateOp(resources.pods, pod, { ...pod, spec: { ...pod.spec, containers } })]);
}

/** Never two of the same container. */
function atMostOnce(world: KubeletWorld, seed: number): void {
  const running = world.host.inspect().containers.filter(({ state }) => state === 'running')
    .map(({ pod, name }) => `${pod.uid}/${name}`);
  assert.equal(running.filter((each, at) => running.indexOf(each) !== at), [], `seed ${seed}: twice`);
}

function heal(world: KubeletWorld, life: Life): void {
  world.host.setFaults(noFaults);
  world.host.setUp(true);
  world.cutOff(false);
  if (!life.alive) world.startPeer();
}

function settled(world: KubeletWorld, seed: number): void {
  const pods = podsOnNode(world.state, 'n1');
  const wanted = pods.flatMap(({ metadata, spec }) =>
    spec.containers.map(({ name }) => `${metadata.uid}/${name}`));
  const { sandboxes, containers } = world.host.inspect();
  const running = containers.filter(({ state }) => state === 'running');
  const found = running.map(({ pod, name }) => `${pod.uid}/${name}`);
  assert.equal(found.sort(), wanted.sort(), `seed ${seed}: containers`);
  assert.equal(sandboxes.map(({ pod }) => pod.uid).sort(), pods.map(({ metadata }) => metadata.uid).sort(),
    `seed ${seed}: sandboxes`);
  const strangers = containers.filter(({ pod }) => !pods.some(({ metadata }) => metadata.uid === pod.uid));
  assert.equal(strangers, [], `seed ${seed}: containers of no pod`);
  for (const pod of pods) {
    assert.ok(podLine(pod).includes(' Running Ready'), `seed ${seed}: ${podLine(pod)}`);
    for (const { name, image } of pod.spec.containers) {
      const fact = running.find((each) => each.pod.uid === pod.metadata.uid && each.name === name);
      assert.is(fact?.image, image, `seed ${seed}: image of ${pod.metadata.name}/${name}`);
    }
  }
}

test.run();
