// ServiceAccount tokens as people use them: made by kubectl through one peer, shown to another, until the
// account is deleted.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { clusterTests, command, shoalCommand, until } from './cluster.ts';
import type { Cluster, Output, TestPeer } from './cluster.ts';

const found = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' });
if (found.status !== 0) console.log('SKIP kubectl is not installed');
const on = clusterTests(test, { peers: 3, runtime: 'process' },
  found.status === 0 ? test : (name) => test.skip(name));

const patienceMs = 10_000;

interface Place { readonly server: string; readonly ca: string }

/** How to reach a peer without the certificate of its administrator. */
function placeOf({ kubeconfig }: TestPeer): Place {
  const { clusters } = parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
  };
  const [{ cluster }] = clusters;
  const ca = Buffer.from(cluster['certificate-authority-data'], 'base64').toString();
  return { server: cluster.server, ca };
}

/** kubectl with nothing but a token. */
function asBearer(cluster: Cluster, peer: TestPeer, token: string, ...args: string[]): Promise<Output> {
  const { server, ca } = placeOf(peer), caFile = join(cluster.dir, `${peer.name}-ca.crt`);
  writeFileSync(caFile, ca);
  return command('kubectl', ['--kubeconfig', '/dev/null', '--server', server,
    '--certificate-authority', caFile, '--token', token,
    '--cache-dir', join(peer.dir, 'bearer-cache'), ...args]);
}

/** Status and body of a GET without a certificate. */
function get(peer: TestPeer, path: string, token?: string): Promise<{ status: number; body: string }> {
  const { server, ca } = placeOf(peer);
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Promise((done, fail) => {
    request(new URL(path, server), { ca, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => { body += part; });
      response.on('end', () => done({ status: response.statusCode ?? 0, body }));
    }).on('error', fail).end();
  });
}

on('a token made by kubectl opens every peer, until its account is deleted', async (cluster) => {
  const [one, two, three] = [cluster.peer(1), cluster.peer(2), cluster.peer(3)];
  await one.kubectlOk('create', 'serviceaccount', 'robot');
  const token = (await one.kubectlOk('create', 'token', 'robot', '--duration', '20m')).trim();
  // At once, on a peer that may not have heard of the account yet.
  const who = await asBearer(cluster, two, token, 'auth', 'whoami', '-o', 'json');
  assert.is(who.code, 0, who.stderr);
  const { userInfo } = (JSON.parse(who.stdout) as { status: { userInfo: Record<string, unknown> } }).status;
  assert.is(userInfo['username'], 'system:serviceaccount:default:robot');
  assert.equal(userInfo['groups'],
    ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated']);
  const discovery = await asBearer(cluster, three, token, 'api-versions');
  assert.is(discovery.code, 0, discovery.stderr);

  const rotated = await shoalCommand('token', 'rotate-keys', '--kubeconfig', three.kubeconfig);
  assert.is(rotated.code, 0, rotated.stderr);
  const newer = (await two.kubectlOk('create', 'token', 'robot')).trim();
  for (const peer of cluster.peers) {
    assert.is((await get(peer, '/apis', token)).status, 200, `the old key on ${peer.name}`);
    assert.is((await get(peer, '/apis', newer)).status, 200, `the new key on ${peer.name}`);
  }
  await two.kubectlOk('delete', 'serviceaccount', 'robot');
  for (const peer of cluster.peers) {
    await until('refused', async () => (await get(peer, '/api', token)).status === 401 || null, patienceMs);
    const { status, body } = await get(peer, '/api/v1/pods', newer);
    assert.is(status, 401);
    assert.equal(JSON.parse(body), {
      kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'Unauthorized',
      reason: 'Unauthorized', code: 401,
    });
    const refused = await asBearer(cluster, peer, token, 'get', 'pods');
    assert.is(refused.code, 1);
    assert.match(refused.stderr, 'You must be logged in to the server');
  }
});

on('who shows nothing sees health and version alone; a bad token opens nothing', async ({ peers }) => {
  const [peer] = peers as [TestPeer];
  for (const path of ['/healthz', '/livez', '/readyz', '/version']) {
    assert.is((await get(peer, path)).status, 200, path);
    assert.is((await get(peer, path, 'abc')).status, 401, `${path} with a bad token`);
  }
  const closed = [
    '/', '/api', '/apis', '/api/v1/namespaces', '/openapi/v3', '/shoal/v1/status', '/openid/v1/jwks',
  ];
  for (const path of closed) assert.is((await get(peer, path)).status, 401, path);
});

on('a token does not reach what only the administrator of the cluster may', async (cluster) => {
  const peer = cluster.peer(1);
  const token = (await peer.kubectlOk('create', 'token', 'default')).trim();
  const { status, body } = await get(cluster.peer(2), '/shoal/v1/status', token);
  assert.is(status, 403);
  assert.match(body, 'cannot get path');
});

// Conformance: [sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace
on('every namespace has the CA, and gets it back', async (cluster) => {
  const [one, two] = [cluster.peer(1), cluster.peer(2)], { ca } = placeOf(one);
  await one.kubectlOk('create', 'namespace', 'trusting');
  const read = async (): Promise<string | null> => {
    const { code, stdout } = await two.kubectl('-n', 'trusting', 'get', 'configmap', 'kube-root-ca.crt', '-o',
      'jsonpath={.data.ca\\.crt}');
    return code === 0 && stdout === ca ? stdout : null;
  };
  await until('there', read, patienceMs);
  await one.kubectlOk('-n', 'trusting', 'delete', 'configmap', 'kube-root-ca.crt');
  await until('back after its deletion', read, patienceMs);
  await one.kubectlOk('-n', 'trusting', 'patch', 'configmap', 'kube-root-ca.crt', '--type=merge', '-p',
    '{"data":{"ca.crt":"none"}}');
  await until('back after a change', read, patienceMs);
});

on('a Secret for a token gets one, and goes with the account', async (cluster) => {
  const peer = cluster.peer(1), file = join(cluster.dir, 'token-secret.yaml');
  await peer.kubectlOk('create', 'serviceaccount', 'old');
  writeFileSync(file, JSON.stringify({
    apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/service-account-token',
    metadata: { name: 'old-token', annotations: { 'kubernetes.io/service-account.name': 'old' } },
  }));
  await peer.kubectlOk('apply', '-f', file);
  const token = await until('filled', async () => {
    const text = await peer.kubectlOk('get', 'secret', 'old-token', '-o', 'jsonpath={.data.token}');
    return text === '' ? null : Buffer.from(text, 'base64').toString();
  }, patienceMs);
  assert.is((await get(cluster.peer(3), '/api', token)).status, 200);
  await peer.kubectlOk('delete', 'serviceaccount', 'old');
  const isGone = async (): Promise<boolean> => (await peer.kubectl('get', 'secret', 'old-token')).code === 1;
  await until('gone', isGone, patienceMs);
  assert.is((await get(peer, '/api', token)).status, 401);
});

test.run();
