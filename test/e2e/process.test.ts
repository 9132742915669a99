// The embedded runtime: three peers whose containers are plain processes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../cluster/api/types.ts';
import { clusterTests, figure, until } from './cluster.ts';
import type { TestPeer } from './cluster.ts';
import { processesIn } from './leftovers.ts';
import { answering, configMap, deployment, paths, readyPods, service } from './workloads.ts';

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

test.run();
