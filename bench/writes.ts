// Creates over a leader kill: ConfigMaps of unique names through the HTTPS API of three peers, the leader
// killed (SIGKILL) when half of them are done. Clients go on at the next peer when one does not answer; what
// was perhaps done is tried again under the same name, and a 409 then counts as done.
// Afterwards every survivor must list exactly what was acknowledged, each object as it was answered.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, TestPeer } from '../test/e2e/cluster.ts';
import type { ConfigMap } from '../cluster/api/types.ts';
import { configMap } from './load.ts';
import { connectRest, endpointOf } from './rest.ts';
import type { RestAnswer, RestConnection } from './rest.ts';

export interface WritesOptions {
  /** A namespace that is made for this run. */
  readonly namespace: string;
  readonly writes: number;
  readonly clients: number;
  readonly valueBytes: number;
}

export interface WritesResult {
  readonly acknowledged: Acknowledged;
  /** Tries that ended without an answer, or with one that leaves open whether it was done. */
  readonly uncertain: number;
  /** Of those, found done by the next try. */
  readonly foundDone: number;
  /** From the kill to the first acknowledgement of a write begun after it. */
  readonly outageMs: number;
  readonly seconds: number;
  /** By survivor: what is wrong; all must be empty. */
  readonly wrong: readonly string[];
}

/** The uid that was answered; empty where only a 409 told that it is done. */
export type Acknowledged = ReadonlyMap<string, string>;

export async function writesOverKill(cluster: Cluster, options: WritesOptions): Promise<WritesResult> {
  const { namespace, writes, clients } = options, leader = await cluster.leader();
  await leader.api.json('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  const peers = [leader, ...cluster.peers.filter((peer) => peer !== leader)];
  const done = new Map<string, string>(), text = 'v'.repeat(options.valueBytes);
  const tally = { uncertain: 0, foundDone: 0 };
  let next = 0, killedMs = Infinity, outageMs = Infinity;
  const startedMs = performance.now();

  async function client(who: number): Promise<void> {
    const user = createUser(peers, who);
    while (next < writes) {
      const n = next++, name = `w${n}`;
      if (n === writes >> 1) {
        killedMs = performance.now();
        await leader.kill();
      }
      const begunMs = performance.now();
      done.set(name, await createSurely(user, namespace, name, text, tally));
      if (begunMs >= killedMs) outageMs = Math.min(outageMs, performance.now() - killedMs);
    }
    user.close();
  }
  await Promise.all(Array.from({ length: clients }, (_, who) => client(who)));
  const seconds = (performance.now() - startedMs) / 1_000;
  const wrong = (await Promise.all(peers.slice(1).map((peer) => compare(peer, namespace, done)))).flat();
  return { acknowledged: done, ...tally, outageMs, seconds, wrong };
}

/** What differs between a peer's list and what was acknowledged. */
export async function compare(peer: TestPeer, namespace: string, done: Acknowledged): Promise<string[]> {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const { items } = await peer.api.json<{ items: ConfigMap[] }>('GET', path);
  const listed = new Map(items.map(({ metadata }) => [metadata.name, metadata.uid as string] as const));
  const wrong: string[] = [];
  if (listed.size !== items.length) wrong.push(`${items.length - listed.size} objects are listed twice`);
  for (const [name, uid] of done) {
    const found = listed.get(name);
    if (found === undefined) wrong.push(`${name} was acknowledged and is lost`);
    else if (uid !== '' && uid !== found) {
      wrong.push(`${name} was created twice: answered ${uid}, listed ${found}`);
    }
  }
  // What the cluster itself puts into each namespace.
  listed.delete('kube-root-ca.crt');
  for (const name of listed.keys()) if (!done.has(name)) wrong.push(`${name} was never asked for`);
  return wrong.map((text) => `${peer.name}: ${text}`);
}

// ── clients ──────────────────────────────────────────────────────────────────────────────────────────────

const retryMs = 20, giveUpMs = 60_000, silenceMs = 25_000;

/** Tries until it is known to be done. */
async function createSurely(
  user: User, namespace: string, name: string, text: string, tally: { uncertain: number; foundDone: number },
): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/configmaps`, body = configMap(name, text);
  let perhaps = false;
  for (const deadlineMs = performance.now() + giveUpMs; performance.now() < deadlineMs;) {
    const answer = await user.post(path, body);
    if (answer?.status === 201) return (JSON.parse(answer.body) as ConfigMap).metadata.uid;
    if (answer?.status === 409 && perhaps) {
      tally.foundDone += 1;
      return '';
    }
    if (answer !== null && answer.status !== 503 && answer.status !== 504 && answer.status !== 429) {
      throw new Error(`the create of ${name} was answered ${answer.status}: ${answer.body}`);
    }
    // 503 says that nothing was done, or that it is applied and its outcome unknown: taken as the worse.
    if (answer?.status !== 429) {
      perhaps = true;
      tally.uncertain += 1;
    }
    user.moveOn();
    await sleep(retryMs);
  }
  throw new Error(`${name} could not be created within ${giveUpMs} ms`);
}

interface User {
  /** Null: no answer, and nobody knows whether the request was carried out. */
  post(path: string, body: string): Promise<RestAnswer | null>;
  /** To the next peer. */
  moveOn(): void;
  close(): void;
}

function createUser(peers: readonly TestPeer[], who: number): User {
  let at = who % peers.length, connection: RestConnection | null = null;
  function moveOn(): void {
    connection?.close();
    connection = null;
    at = (at + 1) % peers.length;
  }
  return {
    moveOn,
    close: () => connection?.close(),
    async post(path, body) {
      const { endpoint, identity } = endpointOf(peers[at] as TestPeer);
      const silence = setTimeout(() => connection?.close(), silenceMs);
      try {
        if (connection === null || !connection.open) connection = await connectRest(endpoint, identity);
        return await connection.post(path, body);
      } catch {
        return null;
      } finally {
        clearTimeout(silence);
      }
    },
  };
}
