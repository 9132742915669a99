// A newcomer catches up through snapshots and ranges of the log that are older than its own admission: its
// log then tells of a membership without it. It once took that for its removal and stopped: "left the
// cluster". Found by `no-crash`, seed 1037 of 7 peers × 4 minutes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { calmPlan, createScene } from './world.ts';

for (const seed of [1, 2, 4, 7]) {
  test(`seed ${seed}: peers that join one after the other stay, whatever their log tells of before`, () => {
    const logBounds = { logEntriesBeforeSnapshot: 10, logEntriesKept: 0 };
    const scene = createScene(calmPlan(seed, 7, { logBounds }));
    const { world } = scene;
    for (const { number } of world.machines) {
      world.start(number);
      scene.pass(150);
    }
    scene.settle();
    assert.is(scene.leader()?.life?.peer.log().members.length, 7);
    assert.ok(world.machines.some(({ disk }) => disk.synced.snapshot.index > 0), 'no snapshot was taken');
  });
}

test.run();
