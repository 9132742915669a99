// `shoal recover` by the command line: two of three machines are gone for good, the third goes on, and a new
// one takes the place of one that was lost.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterTests, figure, shoalCommand, until } from './cluster.ts';
import type { TestPeer } from './cluster.ts';
import { configMap, paths } from './workloads.ts';

const on = clusterTests(test, { peers: 3, runtime: 'process' });
let last: TestPeer;

on('while the cluster has a leader there is nothing to recover', async (cluster) => {
  const { code, stderr } = await shoalCommand('recover', '--yes', '--kubeconfig', cluster.peer(1).kubeconfig);
  assert.is(code, 1);
  assert.match(stderr, /peer-\d leads: there is nothing to recover/);
});

on('the last of three shows what is left, asks, and goes on', async (cluster) => {
  const leader = await cluster.leader();
  await leader.api.json('POST', paths.configMaps, configMap('before'));
  await until('all three vote', async () => (await leader.status())?.survives === 1, 30_000);
  last = cluster.peers.find((peer) => peer !== leader) as TestPeer;
  await until('the last one has it', async () =>
    (await last.api.send('GET', `${paths.configMaps}/before`)).status === 200, 10_000);
  await Promise.all(cluster.peers.filter((peer) => peer !== last).map((peer) => peer.kill()));
  await until('it is alone', async () => (await last.status())?.leader === null, 10_000);
  const { kubeconfig } = last;
  const unsure = await shoalCommand('recover', '--kubeconfig', kubeconfig);
  assert.is(unsure.code, 1);
  assert.match(unsure.stderr, /nothing was changed: say --yes/);
  const lost = cluster.peers.filter((peer) => peer !== last).map(({ name }) => name).sort().join(', ');
  assert.ok(unsure.stdout.includes(`What only ${lost} held is lost`), unsure.stdout);
  const started = performance.now();
  // Gossip takes a few seconds to find the dead dead: until then the peer itself refuses.
  const done = await until('recovered', async () => {
    const tried = await shoalCommand('recover', '--yes', '--kubeconfig', kubeconfig);
    if (tried.code !== 0) assert.match(tried.stderr, /can be reached, voters enough/);
    return tried.code === 0 && tried;
  }, 30_000);
  figure('recover: the last of three takes writes again', performance.now() - started);
  assert.match(done.stdout, /leads in term \d+; the others follow/);
  assert.is((await last.api.send('GET', `${paths.configMaps}/before`)).status, 200);
  await last.api.json('POST', paths.configMaps, configMap('after'));
  const status = await last.status();
  assert.is(status?.epoch, 1);
  assert.equal(status?.members.map(({ name }) => name), [last.name]);
});

on('a new peer joins it', async (cluster) => {
  const fourth = await cluster.join(last);
  assert.is((await fourth.api.send('GET', `${paths.configMaps}/after`)).status, 200);
});

test.run();
