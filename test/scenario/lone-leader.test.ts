// A leader that is cut off: it steps down, says truly how old its answers are, refuses writes, loses nothing
// that it had promised, and follows the others when it is back.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';

for (const seed of [1, 2, 3]) {
  test(`seed ${seed}: its answers are as old as its leadership is over`, () => {
    const scene = createScene(calmPlan(seed, 3));
    scene.form();
    // Long enough that the age of its own last word from another leader would be told apart.
    scene.pass(120_000);
    const alone = scene.leader();
    if (alone === null) throw new Error('no leader');
    const others = scene.world.machines.filter((each) => each !== alone).map(({ number }) => number);
    scene.strike({
      kind: 'partition', a: [alone.number], b: others, direction: 'both', forMs: 30_000,
    });
    scene.until('the others have a leader', () => others.includes(scene.leader()?.number ?? 0), 5_000);
    accepted(scene.call(others[0] ?? 0, 'POST', configMapsPath, configMap('meanwhile')), 201);
    scene.pass(10_000);
    const stale = scene.call(alone.number, 'GET', configMapsPath);
    accepted(stale, 200);
    const age = Number(/the answer is (\d+) s old/.exec(stale?.warning ?? '')?.[1]);
    assert.ok(age >= 9 && age <= 15, `${stale?.warning}`);
    const refused = scene.call(alone.number, 'POST', configMapsPath, configMap('refused'));
    accepted(refused, 503);
    for (const number of others) {
      assert.match(JSON.stringify(refused?.object), new RegExp(`peer-${number}`),
        'names whom it can\'t reach');
    }
    scene.pass(30_000);
    accepted(scene.call(alone.number, 'GET', `${configMapsPath}/meanwhile`), 200);
    accepted(scene.call(alone.number, 'GET', `${configMapsPath}/refused`), 404);
    scene.settle();
  });
}

test.run();
