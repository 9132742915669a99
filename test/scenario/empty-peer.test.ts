// A peer that has joined and holds nothing yet is asked for a list at any revision. It once answered with an
// empty list as of revision 0, from which a watch tells everything there is as of now: the client never
// learns what was there in between. Found by `watch-is-history`, seeds 15, 51 and 63 of 3 peers × 2 minutes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { accepted, calmPlan, createScene } from './world.ts';

test('a list at any revision waits until there is a state to list', () => {
  const scene = createScene(calmPlan(1, 3));
  const { world } = scene;
  world.start(1);
  scene.pass(1_000);
  world.start(2);
  scene.until('peer-2 is a member', () => world.machine(2).life?.member === true, 5_000);
  assert.is(world.machine(2).life?.peer.state().revision, 0);
  const answer = scene.call(2, 'GET', '/api/v1/namespaces', undefined, 'resourceVersion=0');
  accepted(answer, 200);
  assert.ok(Number(answer?.object.metadata.resourceVersion) > 0);
});

test.run();
