// Marks: a small fixed set of seeds reaches most of them; which it does not is named. That all are reached is
// for a campaign to show: `sim swarm --marks`.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawPlan } from '../../sim/faults.ts';
import { createMarks, marks } from '../../sim/marks.ts';
import { runPlan } from '../../sim/run.ts';

const seeds = 10;
/** So many of a hundred, at least. */
const reachedPercentMin = 80;

test('a few seeds reach most marks', () => {
  const reached = new Set<string>(), names = Object.keys(marks);
  for (let seed = 1; seed <= seeds; seed += 1) {
    const peers = seed % 2 === 0 ? 5 : 3;
    const result = runPlan(drawPlan(seed, { peers, minutes: 1 }), { twin: false });
    assert.is(result.violation, null, `seed ${seed}: ${JSON.stringify(result.violation)}`);
    for (const name of Object.keys(result.marks)) reached.add(name);
  }
  assert.equal([...reached].filter((name) => !names.includes(name)), [], 'each has a place in the list');
  const missed = names.filter((name) => !reached.has(name));
  assert.ok(reached.size * 100 >= names.length * reachedPercentMin,
    `${reached.size} of ${names.length} were reached; not: ${missed.join(', ')}`);
});

test('a mark is counted as often as it is reached', () => {
  const one = createMarks(() => null);
  assert.equal(one.counts(), {});
  one.reach('watch-expired');
  one.reach('watch-expired');
  for (const status of ['suspect', 'alive']) {
    one.noted({ atMs: 0, peer: 'peer-1', area: 'gossip', what: 'liveness', fields: { peer: 'x', status } });
  }
  assert.equal(one.counts(), { 'suspicion-refuted': 1, 'watch-expired': 2 });
});

test.run();
