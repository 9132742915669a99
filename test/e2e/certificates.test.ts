// A certificate by way of `kubectl certificate approve`: asked for, approved through one peer, signed by the
// leader, shown to another.

import 'reflect-metadata'; // x509 asks for it
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { clusterTests, command, until } from './cluster.ts';

const found = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' });
if (found.status !== 0) console.log('SKIP kubectl is not installed');
const on = clusterTests(test, { peers: 3, runtime: 'process' },
  found.status === 0 ? test : (name) => test.skip(name));

on('a certificate that is asked for, approved and signed is who it says', async (cluster) => {
  const [one, two, three] = [cluster.peer(1), cluster.peer(2), cluster.peer(3)];
  const file = (name: string, text: string): string => {
    const path = join(cluster.dir, name);
    writeFileSync(path, text);
    return path;
  };
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await globalThis.crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: 'CN=jane, O=developers, O=ops', keys, signingAlgorithm: algorithm }, globalThis.crypto);
  await one.kubectlOk('apply', '-f', file('csr.yaml', JSON.stringify({
    apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'jane' },
    spec: {
      request: Buffer.from(request.toString('pem')).toString('base64'), expirationSeconds: 86_400,
      signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'],
    },
  })));
  await two.kubectlOk('certificate', 'approve', 'jane');
  const pem = await until('signed', async () => {
    const text = await three.kubectlOk('get', 'csr', 'jane', '-o', 'jsonpath={.status.certificate}');
    return text === '' ? null : Buffer.from(text, 'base64').toString();
  }, 10_000);
  assert.match(await one.kubectlOk('get', 'csr'), /jane .*kubernetes-admin .*Approved,Issued/);
  const config = parse(readFileSync(three.kubeconfig, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
  };
  const [{ cluster: { server, 'certificate-authority-data': ca } }] = config.clusters;
  const pkcs8 = await globalThis.crypto.subtle.exportKey('pkcs8', keys.privateKey);
  const who = await command('kubectl', [
    '--kubeconfig', '/dev/null', '--server', server, '--cache-dir', join(cluster.dir, 'cache'),
    '--certificate-authority', file('ca.crt', Buffer.from(ca, 'base64').toString()),
    '--client-certificate', file('jane.crt', pem),
    '--client-key', file('jane.key', x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')),
    'auth', 'whoami', '-o', 'json',
  ]);
  assert.is(who.code, 0, who.stderr);
  const { userInfo } = (JSON.parse(who.stdout) as { status: { userInfo: Record<string, unknown> } }).status;
  assert.is(userInfo['username'], 'jane');
  assert.equal(userInfo['groups'], ['developers', 'ops', 'system:authenticated']);
  const late = await one.kubectl('certificate', 'deny', 'jane');
  assert.is(late.code, 1, `${late.stdout}${late.stderr}`);
  assert.match(late.stderr, 'Approved');
});

test.run();
