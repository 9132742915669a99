// The list of conformance tests, the search for citations, and the page that is drawn of both.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { citedIn } from '../conformance/cited.ts';
import { conformanceTests, keyOf, sigOf } from '../conformance/names.ts';
import { focusOf } from '../conformance/suite.ts';
import { conformancePage } from '../conformance/table.ts';
import type { Results } from '../conformance/table.ts';

test('the list has the 444 tests of v1.36, each with a key of its own', () => {
  const tests = conformanceTests(), tiers: Record<string, number> = {};
  for (const { tier } of tests) tiers[tier] = (tiers[tier] ?? 0) + 1;
  assert.equal(tiers, { T1: 80, T2: 39, T3: 92, T4: 177, T5: 56 });
  assert.is(new Set(tests.map(({ name }) => keyOf(name))).size, 444);
  assert.ok(tests.every(({ name, since }) => /^sig-/.test(sigOf(name)) && /^\d+\.\d+/.test(since)));
});

test('a test of v1.20 has the key that it has in v1.36, also where it moved or was renamed', () => {
  const keys = new Set(conformanceTests().map(({ name }) => keyOf(name)));
  for (const old of [
    '[k8s.io] Lease lease API should be available [Conformance]',
    '[sig-network] Services should provide secure master service  [Conformance]',
    '[k8s.io] [sig-node] PreStop should call prestop when killing a pod  [Conformance]',
    '[k8s.io] Docker Containers should be able to override the image\'s default arguments (docker cmd)'
      + ' [NodeConformance] [Conformance]',
  ]) assert.ok(keys.has(keyOf(old)), old);
});

test('a citation goes over lines, and is of the longest name that fits', () => {
  const keys = ['Discovery should list', 'Discovery should list for CRDs', 'Pods should run'];
  const text = ['// Covers: [sig-api-machinery] Discovery should list', '// for CRDs [Conformance]', 'GET /',
    "test('[sig-node] Pods should run', () => {", '# [sig-node] Pods should runaway', ''].join('\n');
  const { cited, unknown } = citedIn(text, keys);
  assert.equal(cited, ['Discovery should list for CRDs', 'Pods should run']);
  assert.is(unknown.length, 1);
  assert.match(unknown[0] ?? '', 'runaway');
});

test('the suite is told to run these tests and none that are named alike', () => {
  const name = '[sig-cli] Kubectl (a|b) should work.  [Conformance]', focus = new RegExp(focusOf([name]));
  assert.ok(focus.test(`Kubernetes e2e suite ${name}`));
  assert.not.ok(focus.test(`${name} again`));
  assert.not.ok(focus.test('[sig-cli] Kubectl a should work.  [Conformance]'));
});

test('the page counts what was seen, and shows why a test did not pass', () => {
  const of = (name: string): { tier: string; name: string; since: string } =>
    ({ tier: 'T1', name: `[sig-node] ${name} [Conformance]`, since: '1.20.0' });
  const results: Results = {
    suite: 'S', holds: ['A', 'B'],
    follower: {
      A: { verdict: 'passed', commit: 'c1', date: '2026-01-02', kubectl: 'v1' },
      B: { verdict: 'failed', commit: 'c1', date: '2026-01-02', kubectl: 'v1', why: 'a|b' },
    },
    leaderKilled: { A: { verdict: 'hung', commit: 'c2', date: '2026-01-03', kubectl: 'v1' } },
  };
  const own = new Map([['B', ['test/unit/b.test.ts']]]);
  const page = conformancePage([of('A'), of('B'), of('constructor')], results, own).split('\n');
  const shown = (line: string): void => assert.ok(page.includes(line), `${line}\n${page.join('\n')}`);
  shown('| T1 | 3 | 2 | 1 | 1 | 0 | 1 | 1 | 1 |');
  shown('| A | 1.20.0 | passed | **hung** | – |');
  shown('| B | 1.20.0 | **failed**: a\\|b | – | `unit/b.test.ts` |');
  shown('| constructor | 1.20.0 | – | – | – |');
  shown('Runs at a follower: 2 on 2026-01-02 at c1 with kubectl v1.');
});

test.run();
