// How fast the log alone takes entries of 1 KB: three members as processes, with the real disk and the real
// network (libp2p, TLS between members), beside three members of etcd on the same disk in the same run. The
// load is a process of its own in both cases, on a plain socket; etcd is spoken to by frames written by hand
// (`grpc.ts`), the cheapest client there is for it; its members talk to each other over TLS too.
//
// What dominated, found with `perf` and `strace -c`: packets, and the wake-ups that each costs two processes.
// yamux answered every frame with a window update (`libp2p/window.ts`), and a frame's header and content went
// out as two TLS records, the second a turn of the event loop later (`libp2p/channel.ts`): 10 writes of the
// leader per entry of a single client became 6. What is left is system calls and scheduling: 330 to 480 µs of
// CPU a member and entry at one client, 11 µs at 256. Writing small frames to disk by a blocking call, which
// spares two switches of threads, gained nothing: three disks then wait where they overlapped.

import { mkdtemp, rm } from 'node:fs/promises';
import type { ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEtcd } from './etcd.ts';
import type { Etcd } from './etcd.ts';
import { count, printTable } from './figures.ts';
import { headOf, rowOf, runLoad, startRole } from './load.ts';
import type { LoadResult, LoadTarget } from './load.ts';
import { createMemberIdentity } from './member.ts';
import { freePorts } from '../test/ports.ts';

const rounds = 3, valueBytes = 1_024;
const loads = [
  { clients: 1, writes: 3_000 }, { clients: 32, writes: 20_000 }, { clients: 256, writes: 40_000 },
] as const;

export async function benchLog(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-bench-log-'));
  const log = await startLog(dir);
  let etcd: Etcd | null = null;
  try {
    etcd = await startEtcd(dir, false);
    await warmUp(log, etcd);
    const rows: string[][] = [];
    for (const { clients, writes } of loads) {
      const ours: LoadResult[] = [], theirs: LoadResult[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const spec = { clients, writes, warmup: writes / 5, valueBytes, prefix: `${clients}-${round}-` };
        ours.push(await runLoad({ ...spec, target: { kind: 'log', port: log.port } }, log.pids));
        if (etcd === null) continue;
        theirs.push(await runLoad({ ...spec, target: etcdLeader(etcd, clients) }, etcd.pids));
      }
      rows.push([count(clients), ...rowOf(ours, theirs)]);
    }
    printTable(`log: entries of 1 KB over three members, at the leader (medians of ${rounds}, min to max)`,
      ['clients', ...headOf('log', etcd?.version)], rows);
  } finally {
    await Promise.all([etcd?.close(), log.close()]);
    await rm(dir, { recursive: true, force: true });
  }
}

/** Both serve for a while before anything is measured, as they would have where they are used. */
async function warmUp(log: RunningLog, etcd: Etcd | null): Promise<void> {
  const spec = { clients: 32, writes: 20_000, warmup: 0, valueBytes, prefix: 'first-' };
  await runLoad({ ...spec, target: { kind: 'log', port: log.port } }, []);
  if (etcd !== null) await runLoad({ ...spec, target: etcdLeader(etcd, spec.clients) }, []);
}

/** To one server. Measured: more than four give etcd no more writes at 256 clients. */
export const connectionsMax = 4;

const etcdLeader = (etcd: Etcd, clients: number): LoadTarget => etcdTarget(etcd, clients, 'leader');

export function etcdTarget(etcd: Etcd, clients: number, where: 'leader' | 'any'): LoadTarget {
  const ports = where === 'leader' ? etcd.ports.slice(0, 1) : etcd.ports;
  return { kind: 'etcd', ports, secure: etcd.secure, connections: Math.min(clients, connectionsMax) };
}

interface RunningLog {
  readonly port: number;
  readonly pids: readonly number[];
  close(): Promise<void>;
}

async function startLog(dir: string): Promise<RunningLog> {
  const ports = await freePorts(3);
  const dirs = await Promise.all(ports.map((_, at) => mkdtemp(join(dir, `member-${at}-`))));
  const members = await Promise.all(ports.map(async (port, at) => ({
    id: await createMemberIdentity(dirs[at] ?? ''), name: `member-${at}`,
    addresses: [`127.0.0.1:${port}`], voter: true,
  })));
  const children = dirs.map(() => startRole('member'));
  const leads = new Promise<number>((done, fail) => {
    children.forEach((child, at) => {
      child.on('message', (message: { leads: number }) => done(message.leads));
      child.on('exit', (code) => fail(new Error(`a member of the log ended with ${code}`)));
      child.send({ dir: dirs[at], port: ports[at], members });
    });
  });
  const close = async (): Promise<void> => { await Promise.all(children.map(stop)); };
  try {
    return { port: await leads, pids: children.map(({ pid }) => pid ?? 0), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Ends a process and waits until it is gone. */
export function stop(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    child.removeAllListeners('exit');
    child.once('exit', () => done());
    child.disconnect();
  });
}
