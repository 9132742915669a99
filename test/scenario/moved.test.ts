// A peer that starts again at another address tells the others by its beats, and the log, so that peers which
// start later find it too; nothing is written where it only has one more address than it had.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { calmPlan, createScene } from './world.ts';
import type { Scene } from './world.ts';

const addressesOf = (scene: Scene, name: string): readonly string[] =>
  scene.leader()?.life?.peer.log().members.find((each) => each.name === name)?.addresses ?? [];

for (const who of ['leader', 'follower'] as const) {
  test(`the log names the new address of a ${who}`, () => {
    const scene = createScene(calmPlan(1, 3));
    const { world } = scene;
    scene.form();
    const moved = world.machines.find((each) => (each === scene.leader()) === (who === 'leader'));
    if (moved === undefined) throw new Error('nobody to move');
    world.crash(moved.number);
    moved.address = '10.9.9.9:7400';
    world.start(moved.number);
    scene.until('it is told', () => addressesOf(scene, moved.name).join() === moved.address, 20_000);
    scene.settle();
    const before = scene.leader()?.life?.peer.log().lastIndex;
    scene.pass(10_000);
    assert.is(scene.leader()?.life?.peer.log().lastIndex, before);
  });
}

test.run();
