// Mutants: every patch still fits the sources and leaves a module that can be read; the hook puts a bug into
// a process, and only where one is asked for; the page in `docs/` is what the results say.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runBatch } from '../../sim/mutants/batch.ts';
import { hunt, median } from '../../sim/mutants/hunt.ts';
import type { Hunt } from '../../sim/mutants/hunt.ts';
import { mutantNamed, mutants, mutantVariable } from '../../sim/mutants/list.ts';
import { emptyMatrix, matrixPage, readMatrix, withRows } from '../../sim/mutants/matrix.ts';
import { patched, patchedSources } from '../../sim/mutants/mutant.ts';

const hook = new URL('../../sim/mutants/hook.ts', import.meta.url).href;

for (const mutant of mutants) {
  test(`the patch of ${mutant.name} fits once, and what it leaves strips and parses`, () => {
    for (const [url, changed] of patchedSources(mutant)) {
      assert.is.not(changed, readFileSync(new URL(url), 'utf8'));
      assert.not.throws(() => stripTypeScriptTypes(changed, { mode: 'strip' }));
    }
  });
}

test('names are unique, and a patch that does not fit exactly once is refused', () => {
  assert.is(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  assert.throws(() => mutantNamed('nope'), /no mutant "nope"/);
  const edit = { file: 'x.ts', find: 'a', replace: 'b' };
  assert.is(patched('cac', [edit]), 'cbc');
  assert.throws(() => patched('aa', [edit]), /found 2 times/);
  assert.throws(() => patched('c', [edit]), /found 0 times/);
});

test('a process that has a mutant is not the clean one: the oracle that is named for it speaks', async () => {
  const mutant = mutantNamed('single-voter-acknowledges-early');
  const found = await hunt(mutant, { batches: 2, seeds: 3, workers: 1 });
  assert.is(found.killed, true);
  assert.is(found.kills, 2);
  assert.is(found.seeds, 1);
  // This very process has none.
  const clean = await runBatch({ mutant: mutant.name, batch: 1, seeds: 2 });
  assert.equal([clean.killedBy, clean.others], [null, {}]);
});

test('the hook without a mutant changes nothing; one that nobody knows ends the process', () => {
  const run = (flags: readonly string[], mutant: string) =>
    spawnSync(process.execPath, [...flags, 'sim/main.ts', '--seed', '11', '--peers', '3', '--minutes', '1'],
      { encoding: 'utf8', env: { ...process.env, [mutantVariable]: mutant } });
  const hash = ({ stdout }: { stdout: string }): string | undefined => /^trace (\w+)$/m.exec(stdout)?.[1];
  const without = run([], ''), hooked = run(['--import', hook], '');
  assert.ok(hash(without) !== undefined, without.stdout);
  assert.is(hash(hooked), hash(without));
  const unknown = run(['--import', hook], 'nope');
  assert.is.not(unknown.status, 0);
  assert.match(unknown.stderr, /there is no mutant "nope"/);
});

test('the command: lists, refuses what it does not know, and fails by a mutant that lives', () => {
  const run = (...flags: string[]) =>
    spawnSync(process.execPath, ['sim/main.ts', 'mutants', ...flags], { encoding: 'utf8' });
  const listed = run('--list', '--area', 'gossip');
  assert.is(listed.status, 0);
  for (const { name, area } of mutants)
    assert.is(listed.stdout.includes(`${name} (`), area === 'gossip', name);
  const unknown = run('nope');
  assert.is(unknown.status, 2);
  assert.match(unknown.stderr, 'there is no mutant "nope"');
  assert.is(run('--seeds', '0').status, 2);
  // Alone, nobody misses anything that repair would have to bring.
  const lives = run('repair-off', '--peers', '1', '--minutes', '0.1', '--batches', '2', '--seeds', '1');
  assert.is(lives.status, 1, lives.stdout + lives.stderr);
  assert.match(lives.stdout, /LIVES {2}repair-off by converges in 0 of \d batches/);
});

test('the matrix: rows are replaced one by one, in the order of the list', () => {
  const row = (name: string, kills: number): Hunt => ({
    name, killed: kills > 1, batches: 2, seedsMax: 9, run: 2, kills, seeds: 1, events: 5, example: null,
    lost: null, others: {},
  });
  const [first, second] = mutants;
  if (first === undefined || second === undefined) throw new Error('there are mutants');
  const both = withRows(withRows(emptyMatrix, [row(second.name, 2)]), [row(first.name, 1)]);
  assert.equal(both.rows.map(({ name, killed }) => [name, killed]),
    [[first.name, false], [second.name, true]]);
  const again = withRows(both, [row(first.name, 2), row('gone', 2)]);
  assert.equal(again.rows.map(({ killed }) => killed), [true, true]);
  assert.match(matrixPage(again), `${mutants.length} mutants, 2 hunted, 2 killed.`);
  assert.throws(() => readMatrix('{}'), /no kill matrix/);
  assert.is(median([3, 1, 9, 2]), 2);
  assert.is(median([]), null);
});

test('docs/mutants.md is what docs/mutants.json says', () => {
  const page = readFileSync('docs/mutants.md', 'utf8');
  assert.is(page, matrixPage(withRows(readMatrix(readFileSync('docs/mutants.json', 'utf8')), [])),
    'redraw it: sim mutants --no-hunt --write docs/mutants.md');
});

test.run();
