// Canaries in whole runs: each must be found, by the oracle that is there for it and by no other.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Canary } from '../../sim/canary.ts';
import type { OracleName } from '../../sim/check/oracle.ts';
import { drawPlan } from '../../sim/faults.ts';
import { runPlan } from '../../sim/run.ts';

const expected: Readonly<Record<Canary, readonly OracleName[]>> = {
  'acknowledge-early': ['committed-is-durable', 'promises-are-durable', 'promises-outlive-restarts'],
  'forget-votes': ['one-vote-per-term', 'promises-are-durable'],
  'spoil-state': ['state-digest', 'linearizable'],
};
const seedsPerCanary = 8;

for (const [canary, names] of Object.entries(expected) as [Canary, readonly OracleName[]][]) {
  test(`the canary ${canary} is heard by ${names.join(' or ')}`, () => {
    const heard = Array.from({ length: seedsPerCanary }, (_, i) =>
      runPlan(drawPlan(i + 1, { peers: 3, minutes: 1 }), { canary }).violation?.oracle);
    const loud = heard.filter((each) => each !== undefined);
    assert.ok(loud.length > 0, 'no seed heard it');
    assert.equal(loud.filter((each) => !names.includes(each)), []);
  });
}

test.run();
