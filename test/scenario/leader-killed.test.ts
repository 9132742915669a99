// The scenario that Shoal is for: three peers run an application, the leader dies, nobody notices for long.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  accepted, calmPlan, configMap, configMapsPath, createScene, deployment, deploymentsPath, isReady,
} from './world.ts';

const seeds = 20, leaderMsMax = 2_000, recoveredMsMax = 15_000;

for (let seed = 1; seed <= seeds; seed += 1) {
  test(`seed ${seed}: a new leader within 2 s, six ready within 15 s, the dead peer comes back`,
    () => run(seed));
}

function run(seed: number): void {
  const scene = createScene(calmPlan(seed, 3));
  const { world } = scene;
  scene.form();
  accepted(scene.call(1 + seed % 3, 'POST', deploymentsPath, deployment('web', 6)), 201);
  scene.settle();
  assert.is(scene.pods().length, 6);

  const dead = scene.leader();
  if (dead === null) throw new Error('no leader');
  const survivors = world.machines.filter((each) => each !== dead);
  const undisturbed = live(scene).filter(({ machine }) => machine !== dead.name)
    .map(({ container }) => container.id);
  scene.strike({ kind: 'crash', peers: [dead.number], forMs: 60_000 });
  const killedMs = scene.nowMs();

  scene.until('a new leader', () => scene.leader() !== null, leaderMsMax);
  for (const { number } of survivors) {
    accepted(scene.call(number, 'POST', configMapsPath, configMap(`from-${number}`)), 201);
  }
  const onSurvivors = (): number => scene.pods()
    .filter((pod) => isReady(pod) && pod.spec.nodeName !== dead.name).length;
  scene.until('six ready on the survivors', () => onSurvivors() === 6,
    recoveredMsMax - (scene.nowMs() - killedMs));
  const now = new Set(live(scene).map(({ container }) => container.id));
  assert.equal(undisturbed.filter((id) => !now.has(id)), [],
    'containers of the survivors that were disturbed');

  scene.pass(60_000 - (scene.nowMs() - killedMs));
  scene.settle();
  assert.is(scene.pods().length, 6);
  assert.is(live(scene).length, 6, 'no container runs that no pod owns');
}

const live = ({ world }: ReturnType<typeof createScene>) => world.checker.containers.live();

test.run();
