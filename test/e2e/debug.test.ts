// kubectl top, debug and describe node, in processes: what is used, what is added to a pod that runs, Leases.
//
// Conformance tests of Kubernetes that this covers: "Ephemeral Containers will start an ephemeral container
// in an existing pod".

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Lease, Pod } from '../../cluster/api/types.ts';
import { clusterTests, command, until } from './cluster.ts';
import type { Output, TestPeer } from './cluster.ts';
import { paths } from './workloads.ts';

const on = clusterTests(test, { peers: 2, runtime: 'process' });
const host = 'shoal.dev/host', name = 'busy';

const kubectl = (peer: TestPeer, ...args: string[]): Promise<Output> =>
  command('kubectl', ['--kubeconfig', peer.kubeconfig, '--cache-dir', `${peer.dir}/kubectl-cache`, ...args]);

/** Lines of words. */
const table = ({ stdout }: Output): readonly (readonly string[])[] =>
  stdout.trim().split('\n').map((line) => line.trim().split(/\s+/));

on('top: of nodes, pods and containers, on any peer', async (cluster) => {
  const first = cluster.peer(1), second = cluster.peer(2);
  const container = (of: string, script: string): object =>
    ({ name: of, image: host, command: ['/bin/sh', '-c', script] });
  await first.api.json('POST', paths.pods, {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } },
    spec: {
      nodeName: 'peer-2', terminationGracePeriodSeconds: 0,
      containers: [container('spins', 'while :; do :; done'), container('rests', 'sleep 600')],
    },
  });
  await until('it runs', async () =>
    (await first.api.json<Pod>('GET', `${paths.pods}/${name}`)).status?.phase === 'Running', 30_000);
  await new Promise((done) => { setTimeout(done, 1_500); });
  const nodes = await kubectl(first, 'top', 'node');
  assert.is(nodes.code, 0, nodes.stderr);
  assert.equal(table(nodes).slice(1).map(([node]) => node), ['peer-1', 'peer-2']);
  for (const [, cpu = '', share = '', memory = ''] of table(nodes).slice(1)) {
    assert.match(`${cpu} ${share} ${memory}`, /^[1-9]\d*m \d+% [1-9]\d*Mi$/);
  }
  // Peer 1 knows of peer 2's machine by now, but has not asked for its pods.
  for (const peer of [first, second]) {
    const containers = await kubectl(peer, 'top', 'pod', '--containers', '-l', `app=${name}`);
    const shown = table(containers).slice(1);
    assert.equal(shown.map(([pod, each]) => `${pod}/${each}`).sort(), [`${name}/rests`, `${name}/spins`]);
    const milli = (of: string): number => parseInt(shown.find((row) => row[1] === of)?.[2] ?? '', 10);
    assert.ok(milli('spins') > milli('rests'), containers.stdout);
  }
  const sorted = await kubectl(first, 'top', 'pod', '-A', '--sort-by=cpu');
  assert.ok(table(sorted).some((row) => row.includes(name)), sorted.stdout);
  const none = await kubectl(first, 'top', 'pod', '-n', 'kube-public');
  assert.match(none.stderr, /No resources found in kube-public namespace/);
  const missing = await kubectl(first, 'top', 'pod', 'missing');
  assert.match(missing.stderr, /\(NotFound\): pods "missing" not found/);
});

on('a node has a Lease, renewed by beats and not by the log', async (cluster) => {
  const peer = cluster.peer(1), path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  const renewed = async (): Promise<number> =>
    Date.parse((await peer.api.json<Lease>('GET', `${path}/peer-2`)).spec?.renewTime ?? '');
  const before = await until('a beat was heard', async () => await renewed() || null, 10_000);
  await until('the next one', async () => await renewed() > before, 20_000);
  const described = await kubectl(peer, 'describe', 'node', 'peer-2');
  assert.match(described.stdout, /HolderIdentity: +peer-2\n +AcquireTime: +<unset>\n +RenewTime: +\w+, \d+/);
  assert.not.match(described.stderr, /Failed to get lease/);
});

on('debug: a container is added to a pod that runs, told of, and never started again', async (cluster) => {
  const peer = cluster.peer(1), debug = ['debug', name, '--image', host, '--target', 'rests'];
  const ran = await kubectl(peer, ...debug, '-c', 'looks', '--', '/bin/sh', '-c', 'echo seen; exit 4');
  assert.is(ran.code, 0, ran.stderr);
  const pod = await until('it has ended', async () => {
    const now = await peer.api.json<Pod>('GET', `${paths.pods}/${name}`);
    const status = now.status?.ephemeralContainerStatuses?.find((each) => each.name === 'looks');
    return status?.state?.terminated === undefined ? null : now;
  }, 30_000);
  const [status] = pod.status?.ephemeralContainerStatuses ?? [];
  assert.is(status?.state?.terminated?.exitCode, 4);
  assert.is(status?.restartCount, 0);
  assert.is(pod.status?.phase, 'Running');
  assert.is((await kubectl(peer, 'logs', name, '-c', 'looks')).stdout.trim(), 'seen');
  const stays = await kubectl(peer, ...debug, '-c', 'stays', '--', '/bin/sleep', '600');
  assert.is(stays.code, 0, stays.stderr);
  await until('it can be entered', async () => {
    const inside = await kubectl(peer, 'exec', name, '-c', 'stays', '--', '/bin/echo', 'inside');
    return inside.stdout === 'inside\n';
  }, 30_000);
  const terminal = await kubectl(peer, 'debug', name, '--image', host, '--profile', 'general', '-c', 'cap');
  assert.is(terminal.code, 0, terminal.stderr);
  await until('what the runtime can not do is said', async () =>
    /capabilities need Docker/.test((await kubectl(peer, 'describe', 'pod', name)).stdout), 30_000);
  const node = await kubectl(peer, 'debug', 'node/peer-1', '--image', host, '--profile', 'general');
  assert.match(node.stderr, /hostPID is not supported by Shoal yet/);
});

test.run();
