// A learner that hears of its leader from the commit feed alone. It once never forgot a leader that had died:
// it sent it every write for 20 s and then said that the write may still be applied, and let every read wait
// for 5 s, where it should have said at once that it has no quorum. Found end to end, with two peers.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';

test('a learner whose only voter is dead refuses writes and shows old reads, at once', () => {
  const scene = createScene(calmPlan(3, 2));
  scene.form();
  accepted(scene.call(2, 'POST', configMapsPath, configMap('before')), 201);
  scene.world.crash(1);
  scene.pass(15_000);
  const fromMs = scene.nowMs(), refused = scene.call(2, 'POST', configMapsPath, configMap('refused'));
  accepted(refused, 503);
  assert.match(JSON.stringify(refused?.object), /cannot reach voters peer-1/);
  const read = scene.call(2, 'GET', `${configMapsPath}/before`);
  accepted(read, 200);
  assert.match(read?.warning ?? '', /no quorum \(voters out of reach: peer-1\); the answer is \d+ s old/);
  assert.ok(scene.nowMs() - fromMs < 100, `${scene.nowMs() - fromMs} ms`);
  scene.world.start(1);
  const written = () => scene.call(2, 'POST', configMapsPath, configMap('after'))?.status === 201;
  scene.until('a write', written, 20_000);
  assert.is(scene.call(2, 'GET', `${configMapsPath}/after`)?.warning, '');
});

test.run();
