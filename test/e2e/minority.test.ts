// What a peer without a quorum does: it keeps its pods running, answers reads and says how old they are,
// refuses writes and says whom it misses; and with a quorum again all is as before.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Pod, Service } from '../../cluster/api/types.ts';
import { clusterTests, figure, until } from './cluster.ts';
import type { TestPeer } from './cluster.ts';
import { processesIn } from './leftovers.ts';
import { configMap, deployment, fetchPage, paths, readyPods, service } from './workloads.ts';

const on = clusterTests(test, { peers: 3, runtime: 'process' });
const app = 'app=hello';
let last: TestPeer, lost: readonly TestPeer[];

/** The example's programs on a peer. */
const programs = (peer: TestPeer): number[] => processesIn(peer.dir)
  .filter((line) => /^process \d+: \S+\/tiny hello/.test(line))
  .map((line) => Number(/^process (\d+)/.exec(line)?.[1])).sort((a, b) => a - b);

on('with two of three peers killed, reads are answered and say how old they are', async (cluster) => {
  const { api } = cluster.peer(1);
  await api.json('POST', paths.deployments, deployment('hello', 3));
  await api.json('POST', paths.services, service('hello'));
  await api.json('POST', paths.configMaps, configMap('before', { a: '1' }));
  await until('ready pods', async () => (await readyPods(api, app)).length === 3, 30_000);
  const leader = await cluster.leader();
  last = cluster.peers.find((peer) => peer !== leader) as TestPeer;
  lost = cluster.peers.filter((peer) => peer !== last);
  await until('the last one has it all', async () => (await readyPods(last.api, app)).length === 3, 10_000);
  const before = programs(last), killed = performance.now();
  assert.ok(before.length > 0);
  await Promise.all(lost.map((peer) => peer.kill()));
  const ageOf = async (): Promise<number> => {
    const { status, headers, body } = await last.api.send('GET', `${paths.configMaps}/before`);
    assert.is(status, 200);
    assert.is((JSON.parse(body) as { data: { a: string } }).data.a, '1');
    const text = String(headers['warning'] ?? '');
    assert.match(text, /^299 - "/);
    for (const { name } of lost) assert.ok(text.includes(name), `${text} names ${name}`);
    return Number(/is (\d+) s old/.exec(text)?.[1]);
  };
  await until('a warning', async () => await ageOf() >= 0, 20_000);
  figure('minority: reads carry a warning after the kill', performance.now() - killed);
  const age = await ageOf();
  assert.ok(age * 1_000 <= performance.now() - killed + 2_000, `${age} s`);
  await until('it grows', async () => await ageOf() > age, 10_000);
  const list = await last.api.send('GET', paths.pods);
  assert.match(String(list.headers['warning']), /^299 - /, 'lists, too');
  assert.equal(programs(last), before, 'its containers run on');
});

on('writes are refused with 503, naming the voters out of reach', async () => {
  for (const [method, path, body] of [
    ['POST', paths.configMaps, configMap('refused')],
    ['PATCH', `${paths.configMaps}/before`, { data: { a: '2' } }],
    ['DELETE', `${paths.configMaps}/before`, undefined],
  ] as const) {
    const answer = await last.api.send(method, path, body);
    assert.is(answer.status, 503, `${method}: ${answer.body}`);
    const { kind, reason, message } = JSON.parse(answer.body) as Record<string, string>;
    assert.equal([kind, reason], ['Status', 'ServiceUnavailable']);
    for (const { name } of lost) assert.ok(message?.includes(name), `${message} names ${name}`);
  }
  await until('its status says so', async () => (await last.status())?.quorum === false, 10_000);
});

on('its pods are served, logged and started again', async (cluster) => {
  const mine = (await last.api.pods(app)).find(({ spec }) => spec.nodeName === last.name) as Pod;
  const { spec } = await last.api.json<Service>('GET', `${paths.services}/hello`);
  await until('a page', () => fetchPage(`http://${last.hostIP}:${spec.ports?.[0]?.nodePort}/`), 10_000);
  const { status, body } = await last.api.send('GET', `${paths.pods}/${mine.metadata.name}/log`);
  assert.is(status, 200);
  assert.match(body, /listening on port 8080/);
  const [pid = 0] = programs(last);
  process.kill(pid, 'SIGKILL');
  await until('another program', () => programs(last).some((each) => each !== pid), 20_000);
  assert.is(cluster.peers.filter((peer) => peer.pid() > 0).length, 1);
});

on('with one more peer back, writes succeed and nothing accepted is lost', async (cluster) => {
  const [back] = lost as [TestPeer], start = performance.now();
  await back.start();
  await until('a write', async () =>
    (await last.api.send('POST', paths.configMaps, configMap('after'))).status === 201, 30_000);
  figure('minority: a write after the second peer\'s start', performance.now() - start);
  const answer = await until('no warning', async () => {
    const found = await last.api.send('GET', `${paths.configMaps}/before`);
    return found.headers['warning'] === undefined && found;
  }, 10_000);
  assert.is((JSON.parse(answer.body) as { data: { a: string } }).data.a, '1');
  await until('the restart shows in the status', async () => (await last.api.pods(app)).some((pod) =>
    pod.spec.nodeName === last.name && pod.status?.containerStatuses?.[0]?.restartCount === 1), 20_000);
  await (lost[1] as TestPeer).start();
  await until('three ready pods on three nodes', async () => {
    const nodes = (await cluster.peer(1).api.nodes()).filter(({ ready }) => ready === 'True');
    return nodes.length === 3 && (await readyPods(cluster.peer(1).api, app)).length === 3;
  }, 30_000);
});

test.run();
