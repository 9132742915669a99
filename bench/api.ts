// How fast the HTTPS API of three peers takes creates of ConfigMaps with 1 KB of data, at the leader and at
// any peer, beside puts of 1 KB into three members of etcd on the same disk in the same run; and whether what
// it acknowledged is there after the leader was killed in the middle of them.
// Peers are started as a user would, by the command line; the load is a process of its own that shares a few
// HTTP/2 connections among its clients, for etcd and for Shoal alike. All that travels is encrypted, for
// both: etcd without any TLS took 12 % more at one client and 80 % more at 256 (at the leader).
//
// What dominated, found with `--cpu-prof` and `perf`, in µs of the leader's CPU a create at 256 clients, from
// 250 to about 140: Node's compatibility layer over HTTP/2 and answers in two pieces (40), a weak map that
// kept every answer's text for the garbage collector to trace (15), the scheduler's machine woken by changes
// that don't concern it (at one client 45). What is left is flat: a quarter system calls, a tenth garbage
// collection, 50 for the API's function, the command's encoding and `apply`; compiling, for the first ten
// thousand requests; and, while the state grows, its snapshots.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '../test/e2e/cluster.ts';
import type { Cluster } from '../test/e2e/cluster.ts';
import { startEtcd } from './etcd.ts';
import type { Etcd } from './etcd.ts';
import { count, ms, printTable } from './figures.ts';
import { headOf, rowOf, runLoad } from './load.ts';
import type { LoadResult, LoadTarget } from './load.ts';
import { connectionsMax, etcdTarget } from './log.ts';
import { endpointOf } from './rest.ts';
import { writesOverKill } from './writes.ts';

const valueBytes = 1_024, writes = 10_000;
const loads = [{ clients: 1, rounds: 1 }, { clients: 32, rounds: 3 }, { clients: 256, rounds: 3 }] as const;
const wheres = ['leader', 'any'] as const;

export async function benchApi(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-bench-api-'));
  const rows: string[][] = [];
  let etcd: Etcd | null = null;
  try {
    etcd = await startEtcd(dir, true);
    for (const load of loads) rows.push(...await measure(load, etcd));
  } finally {
    await etcd?.close();
    await rm(dir, { recursive: true, force: true });
  }
  printTable(`api: creates of 1 KB ConfigMaps over three peers, HTTPS (${count(writes)} a round, min to max)`,
    ['clients', 'at', ...headOf('shoal', etcd?.version)], rows);
  await benchKill();
}

/** One load on a fresh cluster, so that none pays for what another left. */
async function measure(
  { clients, rounds }: { readonly clients: number; readonly rounds: number }, etcd: Etcd | null,
): Promise<string[][]> {
  const cluster = await startCluster({ peers: 3, runtime: 'process' });
  try {
    const rows: string[][] = [];
    await warmUp(cluster);
    for (const where of wheres) {
      const ours: LoadResult[] = [], theirs: LoadResult[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const prefix = `c${clients}-${where}-${round}-`;
        const spec = { clients, writes, warmup: 1_000, valueBytes, prefix };
        const pids = cluster.peers.map((peer) => peer.pid());
        ours.push(await runLoad({ ...spec, target: await peersOf(cluster, clients, where) }, pids));
        if (etcd === null) continue;
        theirs.push(await runLoad({ ...spec, target: etcdTarget(etcd, clients, where) }, etcd.pids));
      }
      rows.push([count(clients), where, ...rowOf(ours, theirs)]);
    }
    return rows;
  } finally {
    await cluster.close();
  }
}

/** Peers have served for a while before anything is measured: their code is compiled, as it is in use. */
async function warmUp(cluster: Cluster): Promise<void> {
  const clients = 32, target = await peersOf(cluster, clients, 'any');
  await runLoad({ target, clients, writes: 10_000, warmup: 0, valueBytes, prefix: 'first-' }, []);
}

async function peersOf(cluster: Cluster, clients: number, where: 'leader' | 'any'): Promise<LoadTarget> {
  const leader = await cluster.leader();
  const peers = where === 'leader' ? [leader] : cluster.peers;
  const { identity } = endpointOf(leader);
  const connections = Math.min(clients, connectionsMax);
  return { kind: 'api', peers: peers.map((peer) => endpointOf(peer).endpoint), identity, connections };
}

// ── the leader killed ────────────────────────────────────────────────────────────────────────────────────

async function benchKill(): Promise<void> {
  const rows: string[][] = [], wrong: string[] = [];
  for (const clients of [1, 256]) {
    const cluster = await startCluster({ peers: 3, runtime: 'process' });
    try {
      const namespace = `kill-${clients}`;
      const result = await writesOverKill(cluster, { namespace, writes, clients, valueBytes });
      rows.push([
        count(clients), count(result.acknowledged.size), count(result.uncertain), count(result.foundDone),
        String(result.wrong.length), ms(result.outageMs), count(writes / result.seconds),
      ]);
      wrong.push(...result.wrong);
    } finally {
      await cluster.close();
    }
  }
  printTable(`api: ${count(writes)} creates at any peer, the leader killed in the middle`,
    ['clients', 'acknowledged', 'uncertain tries', 'found done', 'lost or doubled', 'ms without writes',
      'writes/s'], rows);
  if (wrong.length === 0) return;
  console.log(wrong.slice(0, 10).join('\n'));
  throw new Error(`${wrong.length} writes were lost or doubled`);
}
