// A peer that stops in the middle of catching up finds the cluster again, though everybody that its log names
// so far is gone. It once knew nobody but a founder that had been replaced: it asked that one for ever, and
// nobody else could speak to it. Found by `gossip-converges`, 3 peers: replaced, wiped, a full disk.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wipe } from '../../sim/losing.ts';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';
import type { Scene } from './world.ts';

/** With so much room on its disk it stops where its log knows the founder and itself; null: elsewhere. */
function stopsMidway(roomBytes: number): Scene | null {
  const scene = createScene(calmPlan(1, 3)), { world } = scene;
  world.start(1);
  world.start(3);
  scene.until('two', () => scene.leader()?.life?.peer.log().members.length === 2, 10_000);
  // Where it will have to stop, long before the third is let in.
  for (let n = 1; n <= 20; n += 1) {
    accepted(scene.call(1, 'POST', configMapsPath, configMap(`m-${n}`)), 201);
  }
  world.start(2);
  scene.settle();
  const founder = world.machine(1), machine = world.machine(3);
  scene.strike({ kind: 'replace', peer: 1, name: 'other', forMs: 1_000 });
  scene.until('another is there', () => world.machine(1) !== founder, 20_000);
  scene.settle();
  assert.ok(wipe(world, 3));
  // It gets so far and no further; then there is room, and it starts again.
  scene.strike({ kind: 'full-disk', peer: 3, roomBytes, forMs: 3_000 });
  world.start(3);
  scene.pass(2_900);
  const known = (machine.life?.peer.log().members ?? []).map(({ id }) => id);
  return known.join() === `${founder.id},${machine.id}` ? scene : null;
}

test('whom its log names is gone: it goes through the door again', () => {
  // How much that is depends on what every cluster begins with: it is looked for.
  for (let roomBytes = 84_000; roomBytes < 100_000; roomBytes += 100) {
    const scene = stopsMidway(roomBytes);
    if (scene !== null) return scene.settle();
  }
  throw new Error('it never stopped where it was to');
});

test.run();
