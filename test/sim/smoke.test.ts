// A few whole runs with all faults, and that a run is a function of its seed, in another process too.

import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawPlan } from '../../sim/faults.ts';
import { runPlan } from '../../sim/run.ts';

const cases = [
  { peers: 3, minutes: 2, seeds: [1, 2, 3, 4] }, { peers: 5, minutes: 1, seeds: [5, 6] },
  { peers: 7, minutes: 1, seeds: [7] },
] as const;

for (const { peers, minutes, seeds } of cases) {
  for (const seed of seeds) {
    test(`seed ${seed}: ${peers} peers, ${minutes} minutes, all faults`, () => {
      const { violation, entries } = runPlan(drawPlan(seed, { peers, minutes }));
      assert.is(violation, null, JSON.stringify(violation));
      assert.ok(entries > 50, `only ${entries} entries`);
    });
  }
}

test('a seed gives the same trace in a fresh process, another seed another', () => {
  const here = runPlan(drawPlan(11, { peers: 3, minutes: 1 })).hash;
  const there = (seed: number): string => {
    const flags = ['sim/main.ts', '--seed', String(seed), '--peers', '3', '--minutes', '1'];
    const { stdout, status } = spawnSync(process.execPath, flags, { encoding: 'utf8' });
    assert.is(status, 0, stdout);
    return /^trace (\w+)$/m.exec(stdout)?.[1] ?? '';
  };
  assert.is(there(11), here);
  assert.is.not(there(12), here);
});

test('a plan survives being saved', () => {
  const plan = drawPlan(13, { peers: 3, minutes: 1 });
  const saved = JSON.parse(JSON.stringify(plan)) as typeof plan;
  assert.is(runPlan(saved).hash, runPlan(plan).hash);
});

test.run();
