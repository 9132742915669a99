// The one door: who knows a token comes in, all others get nothing. And the way out: `shoal leave`.

import { createSecureContext, connect } from 'node:tls';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PeerStatus } from '../../actors/peer/status.ts';
import type { NetworkEvent } from '../../cluster/ports.ts';
import { createNetwork } from '../../runtime/ports/libp2p.ts';
import { freePort } from '../ports.ts';
import { clientOf, readCredentials } from './client.ts';
import { clusterTests, figure, shoalCommand, until } from './cluster.ts';
import type { TestPeer } from './cluster.ts';
import { configMap, paths } from './workloads.ts';

const on = clusterTests(test, { peers: 2, runtime: 'process' });

/** A command that asks a peer, and must succeed; what it prints. */
async function ask(peer: TestPeer, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await shoalCommand(...args, '--kubeconfig', peer.kubeconfig);
  assert.is(code, 0, `shoal ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

const membersOf = async (peer: TestPeer): Promise<string[]> =>
  (JSON.parse(await ask(peer, 'status', '-o', 'json')) as PeerStatus).members.map(({ name }) => name).sort();

on('status says who is there, who leads, and what the cluster survives', async (cluster) => {
  const text = await ask(cluster.peer(2), 'status');
  assert.match(text, /^NAME +ROLE +LIVENESS +APPLIED +ADDRESSES$/m);
  assert.match(text, /^peer-1 +(leader|voter|learner) +alive +\d+ /m);
  assert.match(text, /^peer-2 +(leader|voter|learner) +alive +\d+ /m);
  assert.match(text, /^Leader: peer-1, term \d+\. This peer \(peer-2\) has applied \d+\.$/m);
  assert.match(text, /The loss of one more voter would stop writes\./);
  const { members } = JSON.parse(await ask(cluster.peer(2), 'status', '-o', 'json')) as PeerStatus;
  const votes = members.map(({ name, voter }) => `${name} ${voter}`).sort();
  assert.equal(votes, ['peer-1 true', 'peer-2 false']);
});

on('tokens are made, listed and made void', async (cluster) => {
  const peer = cluster.peer(1), token = (await ask(peer, 'token', 'create', '--ttl', '30m')).trim();
  assert.match(token, /^[a-z0-9]{6}\.[a-z0-9]{16}$/);
  const [id = ''] = token.split('.');
  assert.match(await ask(cluster.peer(2), 'token', 'list'), new RegExp(`^${id} +29m`, 'm'));
  assert.match(await ask(peer, 'token', 'delete', id), /is void/);
  assert.not((await ask(peer, 'token', 'list')).includes(id));
  const odd = await shoalCommand('token', 'create', '--ttl', 'soon', '--kubeconfig', peer.kubeconfig);
  assert.equal([odd.code, odd.stdout], [1, '']);
  assert.match(odd.stderr, /not a duration: soon/);
});

on('who does not know a token stays outside, with nothing', async (cluster) => {
  const peer = cluster.peer(1), good = (await ask(peer, 'token', 'create')).trim();
  const short = (await ask(peer, 'token', 'create', '--ttl', '1s')).trim(), made = Date.now();
  await until('it has expired', () => Date.now() > made + 1_000, 5_000);
  const tries: [string, string, RegExp][] = [
    ['wrong secret', `${good.slice(0, 7)}${'0'.repeat(16)}`, /wrong token/],
    ['expired', short, /token/],
    ['no token at all', 'let-me-in', /not a token/],
  ];
  await Promise.all(tries.map(async ([what, token, words]): Promise<void> => {
    const name = what.replaceAll(' ', '-'), flags = await cluster.flags(name);
    const outcome = await shoalCommand('join', peer.listen, '--token', token, ...flags);
    assert.is(outcome.code, 1, `${what}: ${outcome.stdout}${outcome.stderr}`);
    assert.match(outcome.stdout + outcome.stderr, words, what);
    const dir = join(cluster.dir, name);
    for (const file of ['kubeconfig', 'tls']) assert.not(existsSync(join(dir, file)), `${what}: ${file}`);
  }));
  assert.equal(await membersOf(peer), ['peer-1', 'peer-2']);
  assert.equal((await peer.api.nodes()).map(({ name }) => name), ['peer-1', 'peer-2']);
});

on('a stranger on the peers\' port is hung up on and hears nothing', async (cluster) => {
  const peer = cluster.peer(1), dir = mkdtempSync(join(tmpdir(), 'shoal-stranger-'));
  const events: NetworkEvent[] = [];
  const stranger = await createNetwork({
    dir, listen: [`127.0.0.1:${await freePort()}`], deliver: (event) => events.push(event),
  });
  try {
    // It takes the peer for a member of its own, and speaks to it as members do.
    stranger.setMembers([{ id: peer.id() as typeof stranger.peerId, addresses: [peer.listen] }]);
    stranger.send(peer.id() as typeof stranger.peerId, new Uint8Array([1, 2, 3]));
    stranger.dial(peer.listen);
    await until('it is hung up on', () => events.some(({ type }) => type === 'disconnected'), 20_000);
    const words: readonly string[] = ['message', 'feed', 'join-message'];
    assert.equal(events.filter(({ type }) => words.includes(type)), []);
  } finally {
    await stranger.close();
    rmSync(dir, { recursive: true });
  }
});

on('without a certificate of the cluster the API tells no more than its version', async (cluster) => {
  const { api, kubeconfig } = cluster.peer(2), { ca, server } = readCredentials(kubeconfig);
  const nobody = clientOf(server, { ca });
  assert.is((await nobody.send('GET', '/version')).status, 200);
  for (const path of ['/api/v1/secrets', '/api', '/shoal/v1/status', paths.configMaps]) {
    const { status, body } = await nobody.send('GET', path);
    assert.is(status, 401, path);
    assert.is((JSON.parse(body) as { message: string }).message, 'Unauthorized');
  }
  assert.is((await nobody.send('POST', paths.configMaps, configMap('mine'))).status, 401);
  assert.is((await api.send('GET', `${paths.configMaps}/mine`)).status, 404);
  const { hostname, port } = new URL(server);
  const blind = await new Promise<string>((done) => {
    const socket = connect({ host: hostname, port: Number(port), secureContext: createSecureContext() });
    socket.on('error', (error) => done(error.message));
    socket.on('secureConnect', () => done('trusted'));
  });
  assert.is.not(blind, 'trusted', 'who does not know the cluster\'s CA does not trust its server');
});

on('a third peer comes in, and leaves', async (cluster) => {
  const start = performance.now(), third = await cluster.join();
  figure('join: a peer is in and serves its API', performance.now() - start);
  await until('three nodes', async () =>
    (await third.api.nodes()).filter(({ ready }) => ready === 'True').length === 3, 20_000);
  await until('three voters', async () =>
    (await third.status())?.members.filter(({ voter }) => voter).length === 3, 20_000);
  assert.match(await ask(third, 'status'), /The cluster survives 1 more failure at once\./);
  const token = `aaaaaa.${'0'.repeat(16)}`;
  const twice = await shoalCommand('join', cluster.peer(1).listen, '--token', token, '--dir', third.dir);
  assert.is(twice.code, 1);
  assert.match(twice.stderr, /is running already, as process \d+/);
  assert.match(await ask(third, 'leave'), /peer-3 leaves the cluster/);
  await until('its process ends', () => third.pid() === 0, 20_000);
  assert.match(third.log(), /left the cluster/);
  assert.equal(await membersOf(cluster.peer(1)), ['peer-1', 'peer-2']);
  await until('its node is gone', async () => (await cluster.peer(2).api.nodes()).length === 2, 20_000);
});

on('it comes in again, is killed, taken out by name, and has no part in it any more', async (cluster) => {
  const third = cluster.peer(3);
  await third.join(cluster.peer(2));
  await until('three nodes', async () => (await third.api.nodes()).length === 3, 20_000);
  await third.kill();
  assert.match(await ask(cluster.peer(1), 'leave', 'peer-3'), /peer-3 leaves the cluster/);
  await until('two members', async () => (await membersOf(cluster.peer(2))).length === 2, 20_000);
  await cluster.peer(1).api.json('POST', paths.configMaps, configMap('after-it-left'));
  const absent = await shoalCommand('leave', 'nobody', '--kubeconfig', cluster.peer(1).kubeconfig);
  assert.is(absent.code, 1);
  assert.match(absent.stderr, /no member is named "nobody"/);
  await third.start();
  // It is told that it was taken out, or asks, and stops.
  await until('it ends', async () => third.pid() === 0, 60_000);
  assert.equal(await membersOf(cluster.peer(1)), ['peer-1', 'peer-2']);
});

on('a learner whose only voter is gone reads, and refuses to write', async (cluster) => {
  const voter = cluster.peer(1), { api } = cluster.peer(2);
  await voter.kill();
  const alone = async (): Promise<boolean> => (await cluster.peer(2).status())?.quorum === false;
  await until('it finds itself alone', alone, 20_000);
  const refused = await until('a write is refused', async () => {
    const { status, body } = await api.send('POST', paths.configMaps, configMap('alone'));
    return status === 503 && body;
  }, 60_000);
  assert.match(refused, /peer-1/);
  const start = performance.now(), read = await api.send('GET', `${paths.configMaps}/after-it-left`);
  assert.is(read.status, 200);
  assert.match(String(read.headers['warning']), /no quorum \(voters out of reach: peer-1\)/);
  figure('join: a read without a quorum', performance.now() - start);
  await voter.start();
  await until('a write', async () =>
    (await api.send('POST', paths.configMaps, configMap('together'))).status === 201, 30_000);
});

test.run();
