// Marks: a small fixed set of seeds reaches most of them, and the test names those that it does not.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawPlan } from '../../sim/faults.ts';
import { createMarks, marks } from '../../sim/marks.ts';
import type { MarkName } from '../../sim/marks.ts';
import { runPlan } from '../../sim/run.ts';

const seeds = 10;
/** A campaign meets these; so few seeds need not. */
const rare: readonly MarkName[] = [
  'command-too-old', 'placement-refused', 'crash-loop-back-off', 'image-pull-back-off', 'swap-conflict',
];

test('a few seeds reach all marks but the rarest', () => {
  const reached = new Set<string>();
  for (let seed = 1; seed <= seeds; seed += 1) {
    const peers = seed % 2 === 0 ? 5 : 3;
    const result = runPlan(drawPlan(seed, { peers, minutes: 1 }), { twin: false });
    assert.is(result.violation, null, `seed ${seed}: ${JSON.stringify(result.violation)}`);
    for (const name of Object.keys(result.marks)) reached.add(name);
  }
  const missed = Object.keys(marks).filter((name) => !reached.has(name) && !rare.includes(name as MarkName));
  assert.equal(missed, [], `${reached.size} of ${Object.keys(marks).length} were reached`);
});

test('a mark is counted as often as it is reached, and has a place in the list', () => {
  const one = createMarks(() => null);
  assert.equal(one.counts(), {});
  one.reach('watch-expired');
  one.reach('watch-expired');
  for (const status of ['suspect', 'alive']) {
    one.noted({ atMs: 0, peer: 'peer-1', area: 'gossip', what: 'liveness', fields: { peer: 'x', status } });
  }
  assert.equal(one.counts(), { 'suspicion-refuted': 1, 'watch-expired': 2 });
  assert.ok(Object.keys(marks).length >= 30);
});

test.run();
