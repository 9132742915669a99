// How the HTTPS API of three peers does with many pods in the state: what a list takes in each form, what
// get, create and patch come to beside it, how late changes reach a thousand watchers, what an object takes
// of memory, and how long the event loop of the serving peer was held at most while it did all this. Nobody
// schedules the pods: they lie in the state as they were made. Creates beside etcd's puts are in `api.ts`.
//
// `SHOAL_BENCH_PODS=1000` measures with so many pods instead, for a look.
//
// What dominated, of the API's function alone, by its CPU time for a list of 20,000 pods (38 MB of JSON): as
// JSON 169 ms the first time, for turning objects into JSON, and 41 when their texts were kept; as a Table
// 91, for the JSON of metadata and cells; 10 for a selector that lets nothing through. The longest slice took
// 2 ms, but for the first of the Table, 17, before its code was compiled.
// A pod of 1,972 characters took 1.9 KB of
// heap (those were copies in all but name and uid), and as much again with its text.

import { startCluster } from '../test/e2e/cluster.ts';
import type { Cluster, TestPeer } from '../test/e2e/cluster.ts';
import { count, ms, percentile, printTable } from './figures.ts';
import { residentBytes } from './process.ts';
import { openClient } from './client.ts';
import type { Answer, Client } from './client.ts';
import { endpointOf } from './rest.ts';

const clientCounts = [1, 32, 256] as const, operations = 2_000;
const watchers = 1_000, changesPerSecond = 1_000, watchSeconds = 5;

function sizes(): readonly number[] {
  const given = Number(process.env['SHOAL_BENCH_PODS'] ?? 0);
  return given > 0 ? [given] : [10_000, 100_000];
}

export async function benchStates(): Promise<void> {
  for (const pods of sizes()) {
    const cluster = await startCluster({ peers: 3, runtime: 'process' });
    try {
      await measure(cluster, pods);
    } finally {
      await cluster.close();
    }
  }
}

async function measure(cluster: Cluster, pods: number): Promise<void> {
  const leader = await cluster.leader(), peer = cluster.peers.find((each) => each !== leader) ?? leader;
  const { endpoint, identity } = endpointOf(peer);
  const connections = Array.from({ length: 8 }, () => openClient(endpoint, identity));
  const before = residentBytes(peer.pid()) ?? 0;
  await each(pods, 256, connections, (n, connection) => create(connection, `p-${n}`));
  const grown = (residentBytes(peer.pid()) ?? 0) - before;
  await stallMs(peer);
  const title = `${count(pods)} pods in the state of three peers, at a follower`;
  const lists: string[][] = [];
  for (const [form, accept] of forms) {
    for (const time of ['first', 'again']) {
      const startedMs = performance.now(), answer = await connections[0]?.call('GET', podsPath, { accept });
      const tookMs = performance.now() - startedMs;
      if (answer?.status !== 200) throw new Error(`a list was answered ${answer?.status ?? 0}`);
      lists.push([form, time, ms(tookMs), (answer.bytes / 2 ** 20).toFixed(1), ms(await stallMs(peer))]);
    }
  }
  printTable(`${title}: lists`, ['form', 'time', 'ms', 'MB', 'longest stall ms'], lists);
  const rates: string[][] = [];
  for (const clients of clientCounts) rates.push(await ratesOf(clients, pods, connections, peer));
  printTable(`${title}: requests a second (${count(operations)} each)`,
    ['clients', 'get', 'create', 'patch', 'longest stall ms'], rates);
  printTable(`${title}: memory`, ['resident MB', 'KB a pod (growth of resident memory)'],
    [[count((residentBytes(peer.pid()) ?? 0) / 2 ** 20), (grown / 1_024 / pods).toFixed(1)]]);
  for (const connection of connections) connection.close();
  await measureWatches(peer, title);
}

const podsPath = '/api/v1/namespaces/default/pods';
const forms = [
  ['JSON', 'application/json'],
  ['Table', 'application/json;as=Table;v=v1;g=meta.k8s.io'],
  ['metadata', 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'],
] as const;

/** As a Deployment would make it, for a scheduler that nobody runs. */
function pod(name: string): string {
  return JSON.stringify({
    apiVersion: 'v1', kind: 'Pod',
    metadata: { name, labels: { app: 'bench', 'pod-template-hash': '5d4f8c7b9' } },
    spec: {
      schedulerName: 'nobody',
      containers: [{
        name: 'web', image: 'registry.example/web:1.2.3', ports: [{ containerPort: 8080 }],
        env: [{ name: 'MODE', value: 'production' }],
        resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
      }],
    },
  });
}

async function create(connection: Client, name: string): Promise<void> {
  const { status, text } = await connection.call('POST', podsPath, sent, pod(name));
  if (status !== 201) throw new Error(`a create was answered ${status}: ${text}`);
}

async function ratesOf(
  clients: number, pods: number, connections: readonly Client[], peer: TestPeer,
): Promise<string[]> {
  const rate = async (work: (n: number, connection: Client) => Promise<void>): Promise<string> => {
    const startedMs = performance.now();
    await each(operations, clients, connections, work);
    return count((operations * 1_000) / (performance.now() - startedMs));
  };
  const ok = async (answer: Promise<Answer>): Promise<void> => {
    const { status, text } = await answer;
    if (status !== 200) throw new Error(`answered ${status}: ${text}`);
  };
  const gets = await rate((n, connection) => ok(connection.call('GET', `${podsPath}/p-${n % pods}`)));
  const creates = await rate((n, connection) => create(connection, `c${clients}-${n}`));
  const patches = await rate((n, connection) => ok(connection.call('PATCH', `${podsPath}/p-${n % pods}`,
    { 'content-type': 'application/merge-patch+json' }, `{"metadata":{"labels":{"round":"${clients}"}}}`)));
  return [count(clients), gets, creates, patches, ms(await stallMs(peer))];
}

const sent = { 'content-type': 'application/json' } as const;

/** `total` pieces of work by so many clients, each with one under way. */
async function each(
  total: number, clients: number, connections: readonly Client[],
  work: (n: number, connection: Client) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(clients, total) }, async (_, who) => {
    const connection = connections[who % connections.length] as Client;
    while (next < total) await work(next++, connection);
  }));
}

/** How long the peer's event loop was held at most since this was asked last. */
async function stallMs(peer: TestPeer): Promise<number> {
  return (await peer.api.json<{ longestMs: number }>('GET', '/shoal/v1/loop')).longestMs;
}

// ── watches ──────────────────────────────────────────────────────────────────────────────────────────────

/** Many watchers of the same few changes, and few of many: each change is told to all of them. */
async function measureWatches(peer: TestPeer, title: string): Promise<void> {
  const rows: string[][] = [];
  for (const [open, perSecond] of [[watchers, 10], [10, changesPerSecond]] as const) {
    rows.push(await watchRow(peer, open, perSecond));
  }
  printTable(`${title}: watches`,
    ['watchers', 'changes/s', 'told', 'lost', 'p50 ms', 'p99 ms', 'longest stall ms'], rows);
}

async function watchRow(peer: TestPeer, open: number, perSecond: number): Promise<string[]> {
  const { endpoint, identity } = endpointOf(peer), lags: number[] = [];
  const path = '/api/v1/namespaces/default/configmaps', prefix = `w${open}-`;
  const streams = Array.from({ length: 8 }, () => openClient(endpoint, identity));
  const writer = openClient(endpoint, identity), wanted = perSecond * watchSeconds;
  const started = Array.from({ length: open }, (_, n) => (streams[n % streams.length] as Client)
    .watch(`${path}?watch=true&fieldSelector=metadata.namespace%3Ddefault`, (line) => {
      const sentMs = /"sent":"([\d.]+)"/.exec(line)?.[1];
      if (sentMs === undefined || !line.includes(`"name":"${prefix}`)) return;
      lags.push(performance.now() - Number(sentMs));
    }));
  await Promise.all(started);
  await stallMs(peer);
  const startMs = performance.now(), under: Promise<unknown>[] = [];
  for (let n = 0; n < wanted; n += 1) {
    const dueMs = startMs + (n * 1_000) / perSecond, waitMs = dueMs - performance.now();
    if (waitMs > 1) await new Promise((done) => { setTimeout(done, waitMs); });
    under.push(writer.call('POST', path, sent, JSON.stringify({
      apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${prefix}${n}` },
      data: { sent: String(performance.now()) },
    })));
  }
  await Promise.all(under);
  const seconds = (performance.now() - startMs) / 1_000;
  for (let waits = 0; lags.length < wanted * open && waits < 100; waits += 1) {
    await new Promise((done) => { setTimeout(done, 100); });
  }
  for (const connection of [...streams, writer]) connection.close();
  const sorted = Float64Array.from(lags).sort();
  return [
    count(open), count(wanted / seconds), count(lags.length), count(wanted * open - lags.length),
    ms(percentile(sorted, 50)), ms(percentile(sorted, 99)), ms(await stallMs(peer)),
  ];
}
