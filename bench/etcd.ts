// Three members of etcd on this machine, where etcd is installed (Debian: etcd-server): what Shoal's log and
// API are measured against. Its members talk to each other over TLS, as Shoal's do; to the load too where
// Shoal's load does.

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../test/ports.ts';

export interface Etcd {
  readonly secure: boolean;
  readonly version: string;
  /** Client ports; the leader's is first. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  close(): Promise<void>;
}

const startTimeoutMs = 20_000;

/** Null where etcd is not installed. */
export async function startEtcd(dir: string, secure: boolean): Promise<Etcd | null> {
  const said = spawnSync('etcd', ['--version'], { encoding: 'utf8' }).stdout ?? '';
  const version = /Version: (\S+)/.exec(said)?.[1];
  if (version === undefined) return null;
  const ports = await freePorts(6);
  const clients = ports.slice(0, 3), peers = ports.slice(3);
  const scheme = secure ? 'https' : 'http';
  const cluster = peers.map((port, at) => `m${at}=https://127.0.0.1:${port}`).join(',');
  const members = clients.map((client, at) => spawn('etcd', [
    '--name', `m${at}`, '--data-dir', join(dir, `etcd-${at}`), '--initial-cluster', cluster,
    '--listen-client-urls', `${scheme}://127.0.0.1:${client}`,
    '--advertise-client-urls', `${scheme}://127.0.0.1:${client}`,
    '--listen-peer-urls', `https://127.0.0.1:${peers[at]}`,
    '--initial-advertise-peer-urls', `https://127.0.0.1:${peers[at]}`,
    // The default of 2 GB fills up during a long run.
    '--quota-backend-bytes', String(8 * 2 ** 30), '--log-level', 'error', '--logger', 'zap',
    '--peer-auto-tls', ...(secure ? ['--auto-tls'] : []),
  ], { stdio: 'ignore' }));
  try {
    const leader = await findLeader(clients, secure);
    return {
      version, secure, ports: [leader, ...clients.filter((port) => port !== leader)],
      pids: members.map(({ pid }) => pid ?? 0),
      close: () => stopAll(members),
    };
  } catch (error) {
    await stopAll(members);
    throw error;
  }
}

async function findLeader(ports: readonly number[], secure: boolean): Promise<number> {
  const deadlineMs = performance.now() + startTimeoutMs;
  while (performance.now() < deadlineMs) {
    const found = await Promise.all(ports.map((port) => leads(port, secure)));
    const leader = ports[found.indexOf(true)];
    if (leader !== undefined && !found.includes(null)) return leader;
    await sleep(100);
  }
  throw new Error(`etcd has no leader after ${startTimeoutMs} ms`);
}

/** Whether the member at this port leads; null while it doesn't answer. */
async function leads(port: number, secure: boolean): Promise<boolean | null> {
  const to = { host: '127.0.0.1', port, path: '/v3/maintenance/status', method: 'POST' };
  try {
    const answer = await new Promise<string>((done, fail) => {
      const sent = secure ? requestTls({ ...to, rejectUnauthorized: false }) : request(to);
      sent.on('response', (response) => { text(response).then(done, fail); });
      sent.on('error', fail);
      sent.end('{}');
    });
    const status = JSON.parse(answer) as { leader?: string; header?: { member_id?: string } };
    return status.leader !== undefined && status.leader === status.header?.member_id;
  } catch {
    return null;
  }
}

async function stopAll(members: readonly ChildProcess[]): Promise<void> {
  await Promise.all(members.map((member) => new Promise<void>((done) => {
    if (member.exitCode !== null || member.signalCode !== null) return done();
    member.once('exit', () => done());
    member.kill('SIGKILL');
  })));
}
