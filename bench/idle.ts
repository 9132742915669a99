// What three peers at rest take of the machine: memory, CPU and the bytes that they send each other, over
// half a minute; beside the limits that Shoal sets itself, and beside three members of etcd at rest.
//
// What dominated, found with `perf`: code that runs seven times a second takes V8 most of a minute to compile
// well. A leader took 2.0 % in the half minute that began ten seconds after its start, 1.3 to 1.4 % in the
// next and all later ones; so peers rest a minute before they are measured.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../test/e2e/cluster.ts';
import type { TestPeer } from '../test/e2e/cluster.ts';
import { startEtcd } from './etcd.ts';
import { count, printTable, ratio } from './figures.ts';
import { cpuMs, residentBytes } from './process.ts';

const settleMs = 60_000, measureMs = 30_000;
const residentBytesMax = 180 * 1024 * 1024, cpuPercentMax = 2;

interface Idle { readonly name: string; readonly pid: number; readonly sent: () => Promise<number | null> }

export async function benchIdle(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-bench-idle-'));
  const cluster = await startCluster({ peers: 3, runtime: 'process' });
  try {
    const etcd = await startEtcd(dir, true);
    try {
      const leader = await cluster.leader();
      const peers = cluster.peers.map((peer): Idle => ({
        name: `${peer.name}${peer === leader ? ' (leads)' : ''}`, pid: peer.pid(), sent: () => sentBy(peer),
      }));
      const members = (etcd?.pids ?? []).map((pid, at): Idle =>
        ({ name: `etcd ${etcd?.version ?? ''} ${at + 1}`, pid, sent: async () => null }));
      const rows = await measure([...peers, ...members]);
      if (etcd === null) rows.push(['etcd: not installed']);
      printTable(`idle: three peers at rest for ${measureMs / 1_000} s`,
        ['peer', 'resident MB', 'of 180 MB', 'cpu % of a core', 'of 2 %', 'bytes/s sent'], rows);
    } finally {
      await etcd?.close();
    }
  } finally {
    await cluster.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Bytes of frames before encryption, by the peer's own count. */
async function sentBy(peer: TestPeer): Promise<number | null> {
  return (await peer.status())?.network?.bytesOut ?? null;
}

async function measure(processes: readonly Idle[]): Promise<string[][]> {
  await sleep(settleMs);
  const look = async ({ pid, sent }: Idle): Promise<{ cpu: number | null; bytes: number | null }> =>
    ({ bytes: await sent(), cpu: cpuMs(pid) });
  const before = await Promise.all(processes.map(look)), startedMs = performance.now();
  await sleep(measureMs);
  const after = await Promise.all(processes.map(look)), ms = performance.now() - startedMs;
  return processes.map(({ name, pid }, at) => {
    const resident = residentBytes(pid), was = before[at], is = after[at];
    const cpu = difference(is?.cpu, was?.cpu), bytes = difference(is?.bytes, was?.bytes);
    return [
      name, resident === null ? '-' : count(resident / 2 ** 20),
      resident === null ? '-' : ratio(resident, residentBytesMax),
      cpu === null ? '-' : ((cpu * 100) / ms).toFixed(2),
      cpu === null ? '-' : ratio((cpu * 100) / ms, cpuPercentMax),
      bytes === null ? '-' : count((bytes * 1_000) / ms),
    ];
  });
}

function difference(after: number | null | undefined, before: number | null | undefined): number | null {
  if (after === null || after === undefined || before === null || before === undefined) return null;
  return after - before;
}
