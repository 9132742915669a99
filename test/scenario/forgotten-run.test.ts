// A peer that lost its disk numbers its run by the time of day, to be above its former runs. Where its clock
// has been set back since, it is below them: the cluster then took each of its commands for one of long ago,
// and refused it, for good. Found by `converges`, seeds 45 and 69 of 3 peers × 2 minutes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { trueClock } from '../../sim/ports/clock.ts';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';

const hourMs = 3_600_000;

test('an emptied peer with a clock that was set back is heard again', () => {
  const clocks = [trueClock, trueClock, { driftPpm: 0, wallSkewMs: hourMs }];
  const scene = createScene(calmPlan(1, 3, { clocks }));
  const { world } = scene;
  scene.form();
  accepted(scene.call(3, 'POST', configMapsPath, configMap('before')), 201);
  const machine = world.machine(3);
  scene.strike({ kind: 'leave', peer: 3, forMs: 5_000 });
  scene.until('it has left', () => machine.life === null, 10_000);
  machine.wallJumpMs = -2 * hourMs;
  scene.until('it is back', () => machine.life !== null, 20_000);
  scene.settle();
  const statuses = ['one',
    'two'].map((name) => scene.call(3, 'POST', configMapsPath, configMap(name))?.status);
  assert.equal(statuses, [201, 201]);
});

test.run();
