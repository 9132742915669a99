// A peer that starts again while it can reach nobody. It once knew nothing of what it had applied since its
// last snapshot, answered reads from that, or from nothing at all, and said that the answer was as old as its
// start. Found by `watch-is-history`, seed 37 of 3 peers × 2 minutes: an empty list as of revision 0.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';
import type { Scene } from './world.ts';

const namespaces = '/api/v1/namespaces';

test('a restarted peer without a quorum shows what it had applied, and says that it is old', () => {
  const scene = createScene(calmPlan(1, 3));
  scene.form();
  accepted(scene.call(1, 'POST', configMapsPath, configMap('kept')), 201);
  scene.pass(3_000);
  const { number } = scene.world.machines.find((each) => each !== scene.leader()) ?? { number: 0 };
  restartAlone(scene, number);
  const answer = scene.call(number, 'GET', `${configMapsPath}/kept`);
  accepted(answer, 200);
  assert.match(answer?.warning ?? '', /older than this peer's start, \d+ s ago/);
  const any = scene.call(number, 'GET', configMapsPath, undefined, 'resourceVersion=0');
  accepted(any, 200);
  assert.match(any?.warning ?? '', /no quorum/, 'also where any revision will do');
  assert.is(scene.call(number, 'POST', configMapsPath, configMap('refused'))?.status, 503);
});

test('a peer that has learned nothing yet does not show an empty cluster', () => {
  const scene = createScene(calmPlan(2, 3));
  const { world } = scene;
  world.start(1);
  scene.pass(1_000);
  world.start(2);
  scene.until('peer-2 is a member', () => world.machine(2).life?.member === true, 5_000);
  assert.is(world.machine(2).life?.peer.state().revision, 0);
  scene.strike({ kind: 'partition', a: [2], b: [1, 3], direction: 'both', forMs: 60_000 });
  assert.is(scene.call(2, 'GET', namespaces)?.status, 503);
});

function restartAlone(scene: Scene, number: number): void {
  const others = scene.world.machines.filter((each) => each.number !== number).map((each) => each.number);
  scene.strike({ kind: 'partition', a: [number], b: others, direction: 'both', forMs: 600_000 });
  scene.world.crash(number);
  scene.world.start(number);
}

test.run();
