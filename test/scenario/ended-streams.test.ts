// A watch that this peer itself ends (its time is over, its past is forgotten) is over for good. Each once
// went on counting as a request being served: after some four thousand the peer turned everybody away.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import { accepted, calmPlan, configMapsPath, createScene } from './world.ts';

const batch = 512;

test('watches that ended by time-out don\'t count as requests being served', () => {
  const scene = createScene(calmPlan(1, 1));
  scene.form();
  let ended = 0;
  for (let begun = 0; begun <= limits.requestsInFlightMax; begun += batch) {
    for (let n = 0; n < batch; n += 1) {
      scene.world.request(1, {
        method: 'GET', path: configMapsPath, query: 'watch=1&timeoutSeconds=1', headers: {}, body: null,
      }, {
        answer: ({ status }) => { throw new Error(`a watch was answered ${status}`); },
        end: () => { ended += 1; }, broken: (reason) => { throw new Error(reason); },
      });
    }
    scene.pass(1_500);
  }
  assert.ok(ended > limits.requestsInFlightMax);
  accepted(scene.call(1, 'GET', configMapsPath), 200);
});

test.run();
