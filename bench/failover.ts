// How long a cluster of three goes without a leader, and without writes, when its leader's process is killed
// (SIGKILL): until a survivor leads and is ready, and until a write that was begun after the kill, at another
// peer, is acknowledged. The killed peer comes back before the next kill.

import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, until } from '../test/e2e/cluster.ts';
import type { Cluster, TestPeer } from '../test/e2e/cluster.ts';
import { median, ms, printTable, ratio } from './figures.ts';
import { configMap } from './load.ts';

const kills = 9, limitMs = 2_000, lookMs = 10, writeMs = 25, patienceMs = 30_000;

interface Failover { readonly leaderMs: number; readonly writeMs: number }

export async function benchFailover(): Promise<void> {
  const cluster = await startCluster({ peers: 3, runtime: 'process' });
  try {
    const found: Failover[] = [];
    for (let kill = 0; kill < kills; kill += 1) found.push(await failOver(cluster, kill));
    const row = (what: string, values: readonly number[]): string[] =>
      [what, ms(median(values)), ms(Math.min(...values)), ms(Math.max(...values)),
        ratio(Math.max(...values), limitMs)];
    printTable(`failover: the leader of three killed, ${kills} times`,
      ['', 'median ms', 'min ms', 'max ms', 'max of 2 s'],
      [row('to a new leader', found.map((each) => each.leaderMs)),
        row('to the first write at another peer', found.map((each) => each.writeMs))]);
  } finally {
    await cluster.close();
  }
}

async function failOver(cluster: Cluster, kill: number): Promise<Failover> {
  const leader = await cluster.leader();
  const survivors = cluster.peers.filter((peer) => peer !== leader);
  const killing = leader.kill(), killedMs = performance.now();
  const [leaderMs, writeMs] = await Promise.all([
    newLeader(survivors, leader, killedMs), firstWrite(survivors, kill, killedMs), killing,
  ]);
  await leader.start();
  await until('the killed peer has caught up', () => caughtUp(cluster), patienceMs);
  return { leaderMs, writeMs };
}

async function newLeader(survivors: readonly TestPeer[], old: TestPeer, killedMs: number): Promise<number> {
  for (const deadlineMs = killedMs + patienceMs; performance.now() < deadlineMs; await sleep(lookMs)) {
    const found = await Promise.all(survivors.map((peer) => peer.status()));
    if (found.some((status) => status?.role === 'leader' && status.id !== old.id())) {
      return performance.now() - killedMs;
    }
  }
  throw new Error(`no new leader within ${patienceMs} ms`);
}

/** Writes of their own are begun at both survivors all the time: the first that is acknowledged counts. */
async function firstWrite(survivors: readonly TestPeer[], kill: number, killedMs: number): Promise<number> {
  let done = Infinity, tries = 0;
  const path = '/api/v1/namespaces/default/configmaps';
  const attempt = async (peer: TestPeer): Promise<void> => {
    const body = JSON.parse(configMap(`failover-${kill}-${tries += 1}`, 'x')) as unknown;
    const answer = await peer.api.send('POST', path, body).catch(() => null);
    if (answer?.status === 201) done = Math.min(done, performance.now() - killedMs);
  };
  const under: Promise<void>[] = [];
  for (const deadlineMs = killedMs + patienceMs; done === Infinity && performance.now() < deadlineMs;) {
    for (const peer of survivors) under.push(attempt(peer));
    await sleep(writeMs);
  }
  await Promise.all(under);
  if (done === Infinity) throw new Error(`no write within ${patienceMs} ms`);
  return done;
}

async function caughtUp(cluster: Cluster): Promise<boolean> {
  const found = await Promise.all(cluster.peers.map((peer) => peer.status()));
  return found.every((status) => status !== null && status.phase === 'running' && status.survives === 1
    && status.members.every(({ liveness }) => liveness === 'alive'));
}
