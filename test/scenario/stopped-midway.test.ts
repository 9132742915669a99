// A peer that stops in the middle of catching up finds the cluster again, though everybody that its log names
// so far is gone. It once knew nobody but a founder that had been replaced: it asked that one for ever, and
// nobody else could speak to it. Found by `gossip-converges`, 3 peers: replaced, wiped, a full disk.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wipe } from '../../sim/losing.ts';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';

test('whom its log names is gone: it goes through the door again', () => {
  const scene = createScene(calmPlan(1, 3)), { world } = scene;
  world.start(1);
  world.start(3);
  scene.until('two', () => scene.leader()?.life?.peer.log().members.length === 2, 10_000);
  world.start(2);
  scene.settle();
  for (let n = 1; n <= 20; n += 1) {
    accepted(scene.call(1, 'POST', configMapsPath, configMap(`m-${n}`)), 201);
  }
  const founder = world.machine(1), machine = world.machine(3);
  scene.strike({ kind: 'replace', peer: 1, name: 'other', forMs: 1_000 });
  scene.until('another is there', () => world.machine(1) !== founder, 20_000);
  scene.settle();
  assert.ok(wipe(world, 3));
  // It gets so far and no further; then there is room, and it starts again.
  scene.strike({ kind: 'full-disk', peer: 3, roomBytes: 17_000, forMs: 3_000 });
  world.start(3);
  scene.pass(2_900);
  const known = machine.life?.peer.log().members ?? [];
  assert.equal(known.map(({ id }) => id), [founder.id, machine.id], 'so far it knows the founder');
  scene.settle();
});

test.run();
