// `npm run conformance`: the official conformance suite against a cluster of its own, what it said of each
// test saved, and docs/conformance.md drawn anew. The suite is not part of the project: it is built from
// Debian's source package `kubernetes` (`go test -c k8s.io/kubernetes/test/e2e`) or comes from elsewhere, and
// so does the kubectl of its age that its tests of kubectl want.
//
// What always holds: only a test that was run is written of; the peers, the suite and what it started are
// ended, whatever happens.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from '../e2e/cluster.ts';
import type { Cluster, TestPeer } from '../e2e/cluster.ts';
import { citations } from './cited.ts';
import { conformanceTests, keyOf } from './names.ts';
import type { ConformanceTest } from './names.ts';
import { endSuites, runSuite, suiteTests } from './suite.ts';
import { conformancePage } from './table.ts';
import type { Results, Seen } from './table.ts';

const resultsFile = new URL('../data/conformance/results.json', import.meta.url);
const pageFile = new URL('../../docs/conformance.md', import.meta.url);
/** A test of the suite that hangs gives up by itself after five minutes, mostly. */
const perTestMs = 7 * 60_000, chunk = 10, killAfterMs = 300, lookMs = 500;

const usage = `
npm run conformance -- --suite PATH      runs the suite, an e2e.test; saves what it says; draws the page
npm run conformance -- --table           draws the page from what is saved
  --tier T1,T2        which tiers of the list of v1.36 (default: T1,T2)
  --focus RE          of these, the tests whose name matches
  --kill-leader       kill -9 the leader half-way through
  --peers N           how many peers (default: 3)
  --runtime NAME      what runs containers: process or docker (default: process)
  --kubectl PATH      the kubectl for the suite; its tests want one of its age (default: kubectl)
  --suite-name TEXT   what the suite is, for the page`;

interface Options {
  readonly suite: string; readonly suiteName: string; readonly tiers: readonly string[];
  readonly focus: RegExp; readonly killLeader: boolean; readonly peers: number;
  readonly runtime: 'docker' | 'process'; readonly kubectl: string;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: {
    suite: { type: 'string' }, table: { type: 'boolean' }, tier: { type: 'string', default: 'T1,T2' },
    focus: { type: 'string', default: '' }, 'kill-leader': { type: 'boolean' },
    peers: { type: 'string', default: '3' }, runtime: { type: 'string', default: 'process' },
    kubectl: { type: 'string', default: 'kubectl' }, 'suite-name': { type: 'string' },
    help: { type: 'boolean' },
  } });
  if (values.help === true) return console.log(usage.trim());
  const results = readResults();
  if (values.table === true) return drawPage(results);
  const { suite, runtime } = values, peers = Number(values.peers);
  if (suite === undefined) throw new Error(`--suite or --table is needed\n${usage}`);
  if (runtime !== 'process' && runtime !== 'docker') {
    throw new Error(`--runtime ${runtime}: process or docker`);
  }
  if (!Number.isInteger(peers) || peers < 3) throw new Error('--peers: 3 or more');
  await runAll({
    suite, suiteName: values['suite-name'] ?? results.suite, tiers: values.tier.split(','), peers, runtime,
    focus: new RegExp(values.focus), killLeader: values['kill-leader'] === true, kubectl: values.kubectl,
  }, results);
}

async function runAll(options: Options, before: Results): Promise<void> {
  const held = new Map((await suiteTests(options.suite)).map((name) => [keyOf(name), name]));
  const listed = conformanceTests(), known = new Set(listed.map(({ name }) => keyOf(name)));
  const asked = listed.filter(({ tier, name }) => options.tiers.includes(tier) && options.focus.test(name))
    .filter(({ name }) => held.has(keyOf(name)));
  const holds = [...held.keys()].filter((key) => known.has(key)).sort();
  console.log(`${held.size} tests in the suite, ${holds.length} of them in v1.36; ${asked.length} are run`);
  const mode = options.killLeader ? 'leaderKilled' : 'follower';
  // Saved after each test: who ends it early keeps what was seen.
  const save = (found: ReadonlyMap<string, Seen>): void => writeFileSync(resultsFile, `${JSON.stringify({
    ...before, suite: options.suiteName, holds,
    [mode]: sorted({ ...before[mode], ...Object.fromEntries(found) }),
  } satisfies Results, null, 1)}\n`);
  const seen = await runAgainstCluster(asked, held, options, save);
  drawPage(readResults());
  const passed = [...seen.values()].filter(({ verdict }) => verdict === 'passed').length;
  console.log(`${passed} of ${asked.length} passed`);
  process.exitCode = passed === asked.length ? 0 : 1;
}

async function runAgainstCluster(
  asked: readonly ConformanceTest[], held: ReadonlyMap<string, string>, options: Options,
  save: (seen: ReadonlyMap<string, Seen>) => void,
): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  const origin = {
    commit: commit(), date: new Date().toISOString().slice(0, 10), kubectl: kubectlVersion(options.kubectl),
  };
  const cluster = await startCluster({ peers: options.peers, runtime: options.runtime, oneApiPort: true });
  let killed = false, stopped = false, killing: Promise<void> = Promise.resolve();
  try {
    const leader = await cluster.leader();
    const follower = cluster.peers.find((peer) => peer !== leader) ?? leader;
    console.log(`${leader.name} leads, the suite talks to ${follower.name}`);
    const naming = nameSecrets(follower, () => stopped);
    await runSuite(asked.map(({ name }) => held.get(keyOf(name)) ?? name), {
      program: options.suite, kubeconfig: follower.kubeconfig, kubectl: options.kubectl, perTestMs, chunk,
      notReadyNodes: () => killed ? 1 : 0,
      verdict(name, verdict, why) {
        console.log(`${verdict.padEnd(7)} ${name}${why === '' ? '' : `\n        ${why}`}`);
        seen.set(keyOf(name), { verdict, ...origin, ...why === '' ? {} : { why } });
        save(seen);
        if (!options.killLeader || killed || seen.size < asked.length / 2) return;
        killed = true;
        killing = killLeader(cluster, follower);
      },
    });
    await killing;
    stopped = true;
    await naming;
  } finally {
    stopped = true;
    endSuites();
    await cluster.close();
  }
  return seen;
}

/** While the next test runs. It must not be the peer that the suite talks to. */
async function killLeader(cluster: Cluster, follower: TestPeer): Promise<void> {
  await sleep(killAfterMs);
  const leader = await cluster.leader();
  if (leader === follower) throw new Error(`${follower.name} has come to lead: nothing was killed`);
  await leader.kill();
  console.log(`── ${leader.name}, which led, was killed ──`);
}

/**
 * Before v1.24 Kubernetes gave every ServiceAccount a Secret with a token, and tests of that age wait until a
 * namespace's default one names it. So the name is filled in, for the suite alone.
 */
async function nameSecrets(peer: TestPeer, stopped: () => boolean): Promise<void> {
  interface Account {
    metadata: { name: string; namespace: string }; secrets?: readonly unknown[];
  }
  for (; !stopped(); await sleep(lookMs)) {
    try {
      const { items } = await peer.api.json<{ items: Account[] }>('GET',
        '/api/v1/serviceaccounts?fieldSelector=metadata.name%3Ddefault');
      for (const account of items.filter(({ secrets = [] }) => secrets.length === 0)) {
        await peer.api.json('PUT', `/api/v1/namespaces/${account.metadata.namespace}/serviceaccounts/default`,
          { ...account, secrets: [{ name: 'default-token' }] });
      }
    } catch { /* the namespace is being deleted, or there is no leader: the next look will tell */ }
  }
}

// ── what is saved, and the page ──────────────────────────────────────────────────────────────────────────

function readResults(): Results { return JSON.parse(readFileSync(resultsFile, 'utf8')) as Results; }

function drawPage(results: Results): void {
  const tests = conformanceTests(), own = citations(tests.map(({ name }) => keyOf(name)));
  for (const text of own.unknown) console.log(`no such test: ${text}`);
  writeFileSync(pageFile, conformancePage(tests, results, own.files));
  console.log('docs/conformance.md is drawn');
}

function sorted(of: Readonly<Record<string, Seen>>): Record<string, Seen> {
  return Object.fromEntries(Object.entries(of).sort(([a], [b]) => a < b ? -1 : 1));
}

/** Of the sources that were run; `+` says that they were changed since. */
function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  return `${git('rev-parse', '--short=8', 'HEAD')}${git('status', '--porcelain', '--', 'cluster', 'actors',
    'runtime') === '' ? '' : '+'}`;
}

function kubectlVersion(program: string): string {
  const said = execFileSync(program, ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  return (JSON.parse(said) as { clientVersion: { gitVersion: string } }).clientVersion.gitVersion;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, endSuites);

main().then(() => process.exit(), (error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
});
