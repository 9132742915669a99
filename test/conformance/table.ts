// docs/conformance.md: every conformance test of Kubernetes v1.36 with what was seen of it. Drawn from what
// is saved of the runs and from the test files, so that whoever draws it again gets the same.
//
// What always holds: a test counts as passed only by a saved verdict of the official suite, with the commit
// that it was seen on; as covered only where a test file names it.

import { keyOf, sigOf } from './names.ts';
import type { ConformanceTest } from './names.ts';
import type { Verdict } from './suite.ts';

/** Where a run's peers stood: all of them up, or the leader killed half-way through. */
export type Mode = 'follower' | 'leaderKilled';

export interface Seen {
  readonly verdict: Verdict; readonly commit: string; readonly date: string;
  /** Which kubectl the suite was given. */
  readonly kubectl: string;
  readonly why?: string;
}

export interface Results {
  /** What the suite is, for people. */
  readonly suite: string;
  /** The keys of every test that it holds. */
  readonly holds: readonly string[];
  readonly follower: Readonly<Record<string, Seen>>;
  readonly leaderKilled: Readonly<Record<string, Seen>>;
}

interface Row {
  readonly test: ConformanceTest; readonly held: boolean;
  readonly follower: Seen | undefined; readonly leaderKilled: Seen | undefined;
  readonly own: readonly string[];
}

const tierTitles: Readonly<Record<string, string>> = {
  T1: 'the API by itself', T2: 'the API with custom kinds, policies and quotas',
  T3: 'controllers and the scheduler', T4: 'pods and volumes on a node',
  T5: 'pods’ networks, webhooks, load balancers',
};

export function conformancePage(
  tests: readonly ConformanceTest[], results: Results, own: ReadonlyMap<string, readonly string[]>,
): string {
  const held = new Set(results.holds);
  const rows = tests.map((test): Row => {
    const key = keyOf(test.name);
    return {
      test, held: held.has(key), own: own.get(key) ?? [],
      follower: seenOf(results.follower, key), leaderKilled: seenOf(results.leaderKilled, key),
    };
  });
  const tiers = [...new Set(tests.map(({ tier }) => tier))].sort();
  return [
    ...opening(results), '', ...summary(tiers, rows), ...tiers.flatMap((tier) => section(tier, rows)), '',
  ].join('\n');
}

function seenOf(of: Readonly<Record<string, Seen>>, key: string): Seen | undefined {
  return Object.hasOwn(of, key) ? of[key] : undefined;
}

function opening({ suite, follower, leaderKilled }: Results): string[] {
  return [
    '# Conformance', '',
    'Every conformance test of Kubernetes v1.36, and what was seen of it. `npm run conformance -- --table`',
    'draws this page from `test/data/conformance/results.json` and from the test files;',
    '`npm run conformance -- --suite e2e.test` runs the official suite against a cluster of its own and',
    'saves what it says.', '',
    `- **Suite**: ${suite}.`,
    '  Three peers, containers as processes; the suite talks to a peer that does not lead. *Leader killed*:',
    '  the same, and the leader is killed with SIGKILL half-way through for good.',
    '  Before v1.24 a namespace’s default ServiceAccount named a Secret, and tests of that age wait for it:',
    '  the command fills that in while the suite runs.',
    '- **Own**: a test of the project’s own that names the conformance test and tries what it asks of the',
    '  API; it may be less than all of what the official test does.',
    '- **–**: not in that suite, or not run. What was renamed since v1.20 stands under its new name.',
    '', ...[['at a follower', follower], ['leader killed', leaderKilled]].map(([name, of]) =>
      `Runs ${String(name)}: ${runsOf(of as Results['follower'])}.`),
  ];
}

/** On which days, at which commits. */
function runsOf(of: Results['follower']): string {
  const byRun = new Map<string, number>();
  for (const { commit, date, kubectl } of Object.values(of)) {
    const run = `${date} at ${commit} with kubectl ${kubectl}`;
    byRun.set(run, (byRun.get(run) ?? 0) + 1);
  }
  if (byRun.size === 0) return 'none yet';
  return [...byRun].sort(([a], [b]) => a < b ? -1 : 1).map(([run, count]) => `${count} on ${run}`).join(', ');
}

function summary(tiers: readonly string[], rows: readonly Row[]): string[] {
  const line = (name: string, of: readonly Row[]): string => {
    const count = (holds: (row: Row) => boolean): number => of.filter(holds).length;
    return cells([name, of.length, count(({ held }) => held), count(passedAt('follower')),
      count(({ follower }) => follower !== undefined && follower.verdict !== 'passed'),
      count(passedAt('leaderKilled')), count(({ own }) => own.length > 0),
      count((row) => !passedAt('follower')(row) && row.own.length > 0),
      count((row) => !passedAt('follower')(row) && row.own.length === 0)]);
  };
  return [
    cells(['tier', 'tests', 'in the suite', 'passed', 'not passed', 'passed, leader killed', 'own test',
      'own test only', 'neither yet']),
    '|---|---|---|---|---|---|---|---|---|',
    ...tiers.map((tier) => line(tier, rows.filter(({ test }) => test.tier === tier))),
    line('all', rows),
  ];
}

const passedAt = (mode: Mode) => (row: Row): boolean => row[mode]?.verdict === 'passed';

function section(tier: string, all: readonly Row[]): string[] {
  const rows = all.filter(({ test }) => test.tier === tier);
  const sigs = [...new Set(rows.map(({ test }) => sigOf(test.name)))].sort();
  return [
    '', `## ${tier}: ${tierTitles[tier] ?? ''}`,
    ...sigs.flatMap((sig) => {
      const of = rows.filter(({ test }) => sigOf(test.name) === sig);
      return ['', `### ${tier} ${sig} (${of.length})`, '',
        '| test | since | at a follower | leader killed | own |', '|---|---|---|---|---|',
        ...of.map((row) => cells([
          escaped(shortName(row.test.name)), row.test.since, said(row.follower), said(row.leaderKilled),
          row.own.length === 0 ? '–' : row.own.map((path) => `\`${path.replace(/^test\//, '')}\``).join(', '),
        ]))];
    }),
  ];
}

/** The SIG is said by the heading, and that it is a conformance test by the page. */
const shortName = (name: string): string => name.replace(/^\[[^\]]*\] /, '').replace(/ \[Conformance\]$/, '');

function said(seen: Seen | undefined): string {
  if (seen === undefined) return '–';
  return seen.verdict === 'passed' ? 'passed' : `**${seen.verdict}**${why(seen)}`;
}

const why = ({ why: text = '' }: Seen): string => text === '' ? '' : `: ${escaped(text.slice(0, 160))}`;

const escaped = (text: string): string => text.replace(/\|/g, '\\|').replace(/</g, '&lt;');

const cells = (values: readonly (string | number)[]): string => `| ${values.join(' | ')} |`;
