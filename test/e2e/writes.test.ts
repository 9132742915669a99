// Writes over a leader kill: what three peers acknowledged through their HTTPS API is there afterwards, once,
// on every peer, also on the one that was killed and came back.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compare, writesOverKill } from '../../bench/writes.ts';
import { clusterTests, figure } from './cluster.ts';

const onPeers = clusterTests(test, { peers: 3, runtime: 'process' });
const writes = 2_000, valueBytes = 1_024;

onPeers('creates by 256 clients, the leader killed: none is lost, none doubled', async (cluster) => {
  const result = await writesOverKill(cluster, { namespace: 'many', writes, clients: 256, valueBytes });
  assert.equal(result.wrong, []);
  assert.is(result.acknowledged.size, writes);
  figure('no writes after the kill, 256 clients', result.outageMs);

  const killed = cluster.peers.find((peer) => peer.pid() === 0);
  assert.ok(killed, 'a peer was killed');
  await killed.start();
  assert.equal(await compare(killed, 'many', result.acknowledged), []);
});

onPeers('creates one after the other, the next leader killed', async (cluster) => {
  const result = await writesOverKill(cluster, { namespace: 'one', writes, clients: 1, valueBytes });
  assert.equal(result.wrong, []);
  assert.is(result.acknowledged.size, writes);
  figure('no writes after the kill, one client', result.outageMs);
});

test.run();
