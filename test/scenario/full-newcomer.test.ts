// A third machine joins whose disk is all but full. It applied what it was sent before that was on its disk,
// said so, and was given a vote for it; then the write failed. It came back with nothing, as a newcomer that
// only a leader can let in, while the one voter needed its vote to lead. Found by `converges`, seed 475 of
// 5 peers × 10 minutes.
//
// What always holds: a member gets a vote for what is on its disk.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';

const founder = 1, full = 2, other = 3;

for (const roomBytes of [200, 280, 400, 600, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]) {
  test(`a newcomer has ${roomBytes} bytes left on its disk`, () => {
    const scene = createScene(calmPlan(7, 3));
    const { world } = scene;
    world.start(founder);
    scene.until('a leader', () => scene.leader() !== null, 10_000);
    world.start(other);
    scene.pass(5_000);
    for (let n = 0; n < 20; n += 1) {
      accepted(scene.call(founder, 'POST', configMapsPath, configMap(`c-${n}`)), 201);
    }
    scene.strike({ kind: 'full-disk', peer: full, forMs: 20_000, roomBytes });
    world.start(full);
    scene.pass(20_000);
    accepted(scene.call(founder, 'POST', configMapsPath, configMap('while-it-is-full')), 201);
    scene.settle();
    assert.is(scene.leader()?.life?.peer.log().voters.length, 3);
  });
}

test.run();
