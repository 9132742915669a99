// The JavaScript client of Kubernetes as it comes: its informer and its watch go on with another peer when
// the one that they talk to dies, and miss nothing.

import { readFileSync } from 'node:fs';
import { CoreV1Api, KubeConfig, makeInformer, Watch } from '@kubernetes/client-node';
import type { V1ConfigMap, V1ConfigMapList } from '@kubernetes/client-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { clusterTests, figure, until } from './cluster.ts';
import type { Cluster, TestPeer } from './cluster.ts';
import { configMap, paths } from './workloads.ts';

const on = clusterTests(test, { peers: 3, runtime: 'process' });

/** A KubeConfig with a context for each peer, the given one current. */
function configOf(peers: readonly TestPeer[], current: TestPeer): KubeConfig {
  const each = peers.map((peer) => parse(readFileSync(peer.kubeconfig, 'utf8')) as Record<string, object[]>);
  const config = new KubeConfig();
  config.loadFromString(JSON.stringify({
    apiVersion: 'v1', kind: 'Config', users: each[0]?.['users'],
    clusters: each.flatMap(({ clusters }) => clusters), contexts: each.flatMap(({ contexts }) => contexts),
    'current-context': current.name,
  }));
  return config;
}

interface Write {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly name: string;
  readonly revision: number;
}

/** What a client sees of the ConfigMaps of the default namespace, from one peer after the other. */
interface Viewer { readonly seen: Write[]; stop(): void }

/** A watch that goes on where it was, with the next peer, whenever it ends. */
async function watchOn(config: KubeConfig, next: () => TestPeer, from: string): Promise<Viewer> {
  const seen: Write[] = [];
  let revision = from, stopped = false, request: AbortController | null = null;
  const begin = async (): Promise<void> => {
    const current = await new Watch(config).watch(paths.configMaps, { resourceVersion: revision },
      (type: string, { metadata }: V1ConfigMap) => {
        revision = metadata?.resourceVersion ?? '';
        seen.push({ type: type as Write['type'], name: metadata?.name ?? '', revision: Number(revision) });
      },
      () => {
        if (stopped) return;
        config.setCurrentContext(next().name);
        void begin();
      });
    request = current;
    if (stopped) current.abort();
  };
  await begin();
  return {
    seen,
    stop() {
      stopped = true;
      request?.abort();
    },
  };
}

/** Creates, changes and deletes ConfigMaps through peers in turn until told to end; what was answered. */
async function write(peers: readonly TestPeer[], going: () => boolean): Promise<Write[]> {
  const done: Write[] = [];
  /** The revision of the answer. */
  const send = async (n: number, method: string, path: string, body?: object): Promise<number> => {
    const { api } = peers[n % peers.length] as TestPeer;
    return Number((await api.json<V1ConfigMap>(method, path, body)).metadata?.resourceVersion);
  };
  for (let n = 0; going(); n++) {
    const name = `note-${n}`, path = `${paths.configMaps}/${name}`;
    const made = await send(n, 'POST', paths.configMaps, configMap(name));
    const changed = await send(n + 1, 'PATCH', path, { data: { n: String(n) } });
    done.push({ type: 'ADDED', name, revision: made }, { type: 'MODIFIED', name, revision: changed });
    if (n % 3 !== 0) continue;
    await send(n, 'DELETE', path);
    done.push({ type: 'DELETED', name, revision: 0 });
  }
  return done;
}

/** The peer that dies, and the others. The leader: its death is the hardest on everybody. */
async function cast(cluster: Cluster): Promise<{ victim: TestPeer; others: readonly TestPeer[] }> {
  const victim = await cluster.leader();
  return { victim, others: cluster.peers.filter((peer) => peer !== victim) };
}

const describe = ({ type, name }: Write): string => `${type} ${name}`;

on('a watch goes on with another peer and misses nothing', async (cluster) => {
  const { victim, others } = await cast(cluster), config = configOf(cluster.peers, victim);
  const list = await config.makeApiClient(CoreV1Api).listNamespacedConfigMap({ namespace: 'default' });
  let turn = 0, going = true;
  const viewer = await watchOn(config, () => others[turn++ % others.length] as TestPeer,
    list.metadata?.resourceVersion ?? '');
  const writing = write(others, () => going);
  await until('fifty events', () => viewer.seen.length >= 50, 30_000);
  const killed = performance.now(), before = viewer.seen.length;
  await victim.kill();
  await until('a hundred more', () => viewer.seen.length >= before + 100, 30_000);
  figure('client-node: a hundred events after kill -9 of the watched leader', performance.now() - killed);
  going = false;
  const written = await writing;
  await until('the last event', () => viewer.seen.length >= written.length, 10_000);
  viewer.stop();
  assert.equal(viewer.seen.map(describe), written.map(describe), 'every write once, in order');
  // The answer to a deletion carries the object as it last was.
  const revisions = (writes: readonly Write[]): number[] =>
    writes.filter(({ type }) => type !== 'DELETED').map(({ revision }) => revision);
  assert.equal(revisions(viewer.seen), revisions(written), 'as they were answered');
  await victim.start();
});

on('an informer goes on with another peer and ends with what is there', async (cluster) => {
  await until('three nodes', async () =>
    (await cluster.peer(1).api.nodes()).filter(({ ready }) => ready === 'True').length === 3, 30_000);
  const { victim, others } = await cast(cluster), config = configOf(cluster.peers, victim);
  const list = () => config.makeApiClient(CoreV1Api).listNamespacedConfigMap({ namespace: 'default' });
  let turn = 0, going = true, stopped = false, added = 0, deleted = 0;
  const informer = makeInformer<V1ConfigMap>(config, paths.configMaps, list);
  // Each namespace has one that comes back when it is deleted.
  const counts = ({ metadata }: V1ConfigMap): number => (metadata?.name === 'kube-root-ca.crt' ? 0 : 1);
  informer.on('add', (object) => { added += counts(object); });
  informer.on('delete', (object) => { deleted += counts(object); });
  informer.on('error', () => {
    if (stopped) return;
    config.setCurrentContext((others[turn++ % others.length] as TestPeer).name);
    void informer.start();
  });
  const view = (objects: readonly V1ConfigMap[]): string[] =>
    objects.map(({ metadata: meta, data }) => `${meta?.name} ${meta?.resourceVersion} ${data?.['n']}`).sort();
  try {
    await informer.start();
    const had = added;
    assert.ok(had > 0, 'what the last test left');
    await cluster.peer(1).api.json('DELETE', paths.configMaps);
    await until('the deletions', () => deleted === had, 30_000);
    const writing = write(others, () => going);
    await until('twenty objects', () => added >= had + 20, 30_000);
    const before = added;
    await victim.kill();
    await until('forty more', () => added >= before + 40, 30_000);
    going = false;
    const written = await writing;
    const { items } = await (others[0] as TestPeer).api.json<V1ConfigMapList>('GET', paths.configMaps);
    const all = view(items).join();
    await until('what is there', () => view(informer.list()).join() === all, 10_000);
    const count = (type: Write['type']): number => written.filter((each) => each.type === type).length;
    assert.equal([added - had, deleted - had], [count('ADDED'), count('DELETED')], 'each once');
  } finally {
    stopped = true;
    await informer.stop();
  }
});

test.run();
