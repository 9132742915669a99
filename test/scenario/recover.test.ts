// The loss of a quorum for good: three of five machines burn. A person has the survivors go on, through the
// one whose log is the longest; what any of them held is kept, and who was given up has no part in it any
// more.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  accepted, calmPlan, configMap, configMapsPath, createScene, deployment, deploymentsPath, isReady,
} from './world.ts';
import type { Scene } from './world.ts';

const recoverPath = '/shoal/v1/recover';

const membersOf = (scene: Scene): string[] =>
  (scene.leader()?.life?.peer.log().members ?? []).map(({ name }) => name).sort();

/** A cluster of five, of which only two peers that follow are left. */
function burn(seed: number): { readonly scene: Scene; readonly left: readonly [number, number] } {
  const scene = createScene(calmPlan(seed, 5));
  scene.form();
  accepted(scene.call(1, 'POST', deploymentsPath, deployment('web', 4)), 201);
  scene.settle();
  accepted(scene.call(2, 'POST', configMapsPath, configMap('before')), 201);
  const leader = scene.leader()?.number ?? 0;
  const [first = 0, second = 0, ...others] = [1, 2, 3, 4, 5].filter((number) => number !== leader);
  scene.strike({ kind: 'power', peers: [leader, ...others], forMs: 3_600_000 });
  scene.until('nobody leads any more', () => [first, second]
    .every((number) => scene.world.machine(number).life?.peer.log().leader === null), 5_000);
  // Gossip takes a while to find the dead dead.
  scene.pass(10_000);
  return { scene, left: [first, second] };
}

for (const seed of [1, 2, 3]) {
  test(`seed ${seed}: two of five go on, and are whole again`, () => {
    const { scene, left: [one, other] } = burn(seed);
    assert.is(scene.call(one, 'POST', configMapsPath, configMap('refused'))?.status, 503);
    const lastOf = (number: number): number => scene.world.machine(number).life?.peer.log().lastIndex ?? 0;
    const best = lastOf(one) >= lastOf(other) ? one : other;
    accepted(scene.call(best, 'POST', recoverPath, {}), 202);
    scene.until('it leads', () => scene.leader()?.number === best, 5_000);
    for (const number of [one, other]) {
      accepted(scene.call(number, 'GET', `${configMapsPath}/before`), 200);
      // The other one hears of it by repair.
      scene.until(`peer-${number} takes writes`, () =>
        scene.call(number, 'POST', configMapsPath, configMap(`after-${number}`))?.status === 201, 10_000);
    }
    assert.equal(membersOf(scene), [`peer-${one}`, `peer-${other}`].sort());
    const survivors = new Set([`peer-${one}`, `peer-${other}`]);
    const onSurvivors = (): number =>
      scene.pods().filter((pod) => isReady(pod) && survivors.has(pod.spec.nodeName ?? '')).length;
    scene.until('all pods are on the survivors', () => onSurvivors() === 4, 60_000);
  });
}

test('not while there is a leader, nor with strangers', () => {
  const scene = createScene(calmPlan(4, 3));
  scene.form();
  const refused = scene.call(1, 'POST', recoverPath, {});
  accepted(refused, 409);
  assert.match(JSON.stringify(refused?.object), /leads: there is nothing to recover/);
  const { scene: burnt, left: [one] } = burn(4);
  const stranger = burnt.call(one, 'POST', recoverPath, { members: [`peer-${one}`, 'peer-9'] });
  assert.match(JSON.stringify(stranger?.object), /no member is named peer-9/);
  const absent = burnt.call(one, 'POST', recoverPath, { members: [] });
  accepted(absent, 202);
  accepted(scene.call(1, 'POST', recoverPath, { members: 'peer-1' }), 400);
});

test('who was given up starts again, and hears that it has no part in it any more', () => {
  const { scene, left: [one, other] } = burn(5);
  accepted(scene.call(one, 'POST', recoverPath, {}), 202);
  scene.until('it leads', () => scene.leader() !== null, 5_000);
  scene.pass(20_000);
  const gone = scene.world.machines.find(({ number }) => number !== one && number !== other);
  if (gone === undefined) throw new Error('nobody is gone');
  gone.leaves = true;
  gone.holds = 0;
  scene.world.start(gone.number);
  scene.until('it stops by itself', () => gone.life === null, 60_000);
  assert.not(membersOf(scene).includes(gone.name));
});

test.run();
