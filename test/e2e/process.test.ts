// The embedded runtime: three peers whose containers are plain processes, and what `npm start` shows.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../cluster/api/types.ts';
import { createNetworkIdentity } from '../../runtime/ports/libp2p.ts';
import { connectClient } from './client.ts';
import { clusterTests, figure, freePort, until } from './cluster.ts';
import type { TestPeer } from './cluster.ts';
import { leftovers, processesIn } from './leftovers.ts';
import { answering, configMap, deployment, fetchPage, paths, readyPods, service } from './workloads.ts';

const on = clusterTests(test, { peers: 3, runtime: 'process' });
const app = 'app=hello', replicas = 3;

/** The processes of some peers' containers, as `process pid: command line`, sorted. */
function programs(peers: readonly TestPeer[]): string[] {
  return peers.flatMap((peer) => processesIn(peer.dir)).filter((line) => !/cli\/shoal/.test(line)).sort();
}

on('replicas run on every peer, and answer through their Service', async (cluster) => {
  const { api } = cluster.peer(3), start = performance.now();
  await api.json('POST', paths.deployments, deployment('hello', replicas));
  await api.json('POST', paths.services, service('hello'));
  const pods = await until('ready pods', async () => {
    const ready = await readyPods(cluster.peer(1).api, app);
    return ready.length === replicas ? ready : null;
  }, 30_000);
  figure('process: three replicas ready after apply', performance.now() - start);
  assert.equal(pods.map(({ spec }) => spec.nodeName).sort(), ['peer-1', 'peer-2', 'peer-3']);
  const { spec } = await api.json<Service>('GET', `${paths.services}/hello`);
  for (const { hostIP } of cluster.peers) {
    const url = `http://${hostIP}:${spec.ports?.[0]?.nodePort}/`;
    await until(`all pods at ${url}`, async () =>
      (await answering(url, replicas * 2)).size === replicas, 10_000);
  }
});

on('kill -9 of the leader disturbs no program; it comes back and adopts its own', async (cluster) => {
  const leader = await cluster.leader(), survivors = cluster.peers.filter((peer) => peer !== leader);
  const before = programs(cluster.peers);
  assert.ok(before.length >= replicas, before.join('\n'));
  const killed = performance.now();
  await leader.kill();
  await cluster.leader(survivors);
  figure('process: new leader after kill -9', performance.now() - killed);
  const { api } = survivors[0] as TestPeer;
  await until('a write', () => api.json('POST', paths.configMaps, configMap('after')), 10_000);
  figure('process: first write after kill -9', performance.now() - killed);
  await leader.start();
  await until('three nodes are ready', async () =>
    (await api.nodes()).filter(({ ready }) => ready === 'True').length === 3, 30_000);
  await until('three pods are ready', async () => (await readyPods(api, app)).length === replicas, 30_000);
  assert.equal(programs(cluster.peers), before, 'the same processes');
});

on('a lost peer\'s pods are replaced, and end when it is back', async (cluster) => {
  const lost = cluster.peer(2), others = [cluster.peer(1), cluster.peer(3)], { api } = cluster.peer(1);
  const before = programs(others), killed = performance.now();
  await lost.kill();
  await until('all replicas are ready on the survivors', async () => {
    const ready = await readyPods(api, app);
    return ready.length === replicas && ready.every(({ spec }) => spec.nodeName !== lost.name);
  }, 60_000);
  figure('process: replaced after kill -9', performance.now() - killed);
  const now = programs(others);
  assert.equal(before.filter((line) => !now.includes(line)), [], 'no other program is disturbed');
  assert.ok(programs([lost]).length > 0, 'the lost peer\'s run on');
  await lost.start();
  await until('they end', () => programs([lost]).length === 0, 30_000);
});

// ── npm start ────────────────────────────────────────────────────────────────────────────────────────────

const shoal = fileURLToPath(new URL('../../runtime/cli/shoal.ts', import.meta.url));

interface Terminal { readonly child: ChildProcess; text(): string; ended: Promise<number | null> }

function terminal(...args: string[]): Terminal {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', shoal, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const take = (data: Buffer): void => { text += data.toString(); };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return { child, text: () => text, ended: new Promise((done) => child.on('close', (code) => done(code))) };
}

/** Ctrl-C, and the code that it ends with. */
async function interrupt({ child, ended }: Terminal): Promise<number | null> {
  if (child.exitCode === null) child.kill('SIGINT');
  return ended;
}

test('dev --hello shows a page, a killed peer comes back by hand, Ctrl-C leaves nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-e2e-dev-')), start = performance.now();
  const port = String(await freePort());
  const dev = terminal('dev', '--hello', '--dir', dir, '--runtime', 'process', '--api-port', port);
  let hand: Terminal | null = null;
  try {
    const shown = (): boolean => dev.child.exitCode !== null || dev.text().includes('Ctrl-C stops');
    await until('the page', shown, 120_000);
    figure('process: dev --hello shows its page', performance.now() - start);
    const url = /^(\S+) answers through its Service: Hello from hello-\S+$/m.exec(dev.text())?.[1] ?? '';
    assert.ok(url !== '', dev.text());
    assert.match(await fetchPage(url), /^Hello from hello-/);
    for (const line of ['starting peer-1', 'starting peer-3', '3 peers running', 'kill -9 $(cat']) {
      assert.ok(dev.text().includes(line), `${line}: ${dev.text()}`);
    }
    const api = connectClient(join(dir, 'kubeconfig')), pid = join(dir, 'peer-2', 'pid');
    process.kill(Number(readFileSync(pid, 'utf8')), 'SIGKILL');
    const isReady = async (): Promise<boolean> =>
      (await api.nodes()).find((node) => node.name === 'peer-2')?.ready === 'True';
    await until('it is missed', async () => !await isReady(), 30_000);
    hand = terminal('start', '--dir', join(dir, 'peer-2'));
    await until('it is back', isReady, 30_000);
    const again = await terminal('start', '--dir', join(dir, 'peer-2')).ended;
    assert.is(again, 1, 'a peer runs once');
    assert.is(await interrupt(hand), 0);
    assert.not(existsSync(pid));
    const stopping = performance.now();
    assert.is(await interrupt(dev), 0, dev.text());
    figure('process: Ctrl-C ends dev', performance.now() - stopping);
  } finally {
    if (hand !== null) await interrupt(hand);
    await interrupt(dev);
    const owners = await Promise.all([1, 2, 3].map((n) => createNetworkIdentity(join(dir, `peer-${n}`))));
    const left = await leftovers(dir, owners);
    rmSync(dir, { recursive: true });
    assert.equal(left, [], 'nothing is left');
  }
});

test.run();
