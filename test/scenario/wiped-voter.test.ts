// A voter that lost its disk comes back under its own identity, through a door, with the token: it must not
// vote as if it still had what it once acknowledged. It is a learner first, and votes once it has caught up.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wipe } from '../../sim/losing.ts';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';
import type { Scene } from './world.ts';

const voters = (scene: Scene): string[] => (scene.leader()?.life?.peer.log().members ?? [])
  .filter(({ voter }) => voter).map(({ name }) => name).sort();

for (const seed of [1, 2, 3, 4]) {
  test(`seed ${seed}: wiped, let in again as a learner, promoted`, () => {
    const scene = createScene(calmPlan(seed, 3));
    const { world } = scene;
    scene.form();
    accepted(scene.call(1, 'POST', configMapsPath, configMap('before')), 201);
    // The door that it was told of is peer-1's.
    const wiped = world.machines.find((each) => each !== scene.leader() && each.number !== 1);
    if (wiped === undefined) throw new Error('nobody to wipe');
    assert.ok(wipe(world, wiped.number), 'it can be spared');
    world.start(wiped.number);
    scene.until('it no longer votes', () => !voters(scene).includes(wiped.name), 10_000);
    scene.until('it votes again', () => voters(scene).length === 3, 20_000);
    accepted(scene.call(wiped.number, 'GET', `${configMapsPath}/before`), 200);
    // What it says now is not taken for what it said in its former life.
    for (const name of ['one', 'two', 'three']) {
      accepted(scene.call(wiped.number, 'POST', configMapsPath, configMap(name)), 201);
    }
    scene.settle();
    assert.equal(voters(scene), ['peer-1', 'peer-2', 'peer-3']);
  });
}

test.run();
