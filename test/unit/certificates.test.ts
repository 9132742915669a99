// Certificate signing requests: read as OpenSSL and Go write them, proved by their own key, signed by the
// cluster's CA with what their signer allows; what comes out is judged by Node's own reader.

import 'reflect-metadata'; // x509 asks for it
import { X509Certificate, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  childrenOf, der, integer, oid, oidOf, readDer, text, textOf, time, timeOf,
} from '../../cluster/api/certificates/der.ts';
import { issueCertificate } from '../../cluster/api/certificates/issue.ts';
import type { Usage } from '../../cluster/api/certificates/issue.ts';
import { parseRequest } from '../../cluster/api/certificates/request.ts';
import type { CertificateRequest } from '../../cluster/api/certificates/request.ts';
import { accepted } from '../../cluster/api/certificates/signers.ts';
import { createRandom } from '../../cluster/random.ts';
import { createAuthority } from '../../runtime/http/certificates.ts';

const provider = globalThis.crypto;
const now = Math.floor(Date.now() / 1000) * 1000;

const algorithms: readonly (webcrypto.RsaHashedKeyGenParams | webcrypto.EcKeyGenParams & { hash: string }
  | { name: 'Ed25519' })[] = [
  { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-512' },
  { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1), modulusLength: 2048 },
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512', publicExponent: Uint8Array.of(1, 0, 1), modulusLength: 3072 },
  { name: 'Ed25519' },
];

const usual = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const named = 'CN=jane, O=developers, O=ops';

async function requestFor(
  name = named, algorithm: (typeof algorithms)[number] = usual,
  names: x509.JsonGeneralNames = [],
): Promise<string> {
  const keys = await provider.subtle.generateKey(algorithm as webcrypto.EcKeyGenParams, true,
    ['sign', 'verify']) as webcrypto.CryptoKeyPair;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name, keys, signingAlgorithm: algorithm,
    extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
  }, provider);
  return request.toString('pem');
}

function parsed(pem: string): CertificateRequest {
  const request = parseRequest(pem);
  if (typeof request === 'string') throw new Error(request);
  return request;
}

const everyName: x509.JsonGeneralNames = [
  { type: 'dns', value: 'node-1.example.com' }, { type: 'ip', value: '10.0.0.1' },
  { type: 'ip', value: '2001:db8::1' }, { type: 'email', value: 'a@example.com' },
  { type: 'url', value: 'https://example.com/a' },
];

test('requests with all kinds of keys are proved; one changed bit is not', async () => {
  for (const algorithm of algorithms) {
    const pem = await requestFor(named, algorithm), what = JSON.stringify(algorithm);
    const request = parsed(pem);
    assert.is(request.commonName, 'jane', what);
    assert.equal(request.organizations, ['developers', 'ops'], what);
    const bytes = Buffer.from(new x509.Pkcs10CertificateRequest(pem).rawData);
    for (const at of [30, bytes.length - 5]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.type(parseRequest(x509.PemConverter.encode(changed, 'CERTIFICATE REQUEST')), 'string', what);
    }
  }
});

test('all names that are asked for are read', async () => {
  const request = parsed(await requestFor(named, undefined, everyName));
  assert.equal(request.dnsNames, ['node-1.example.com']);
  assert.equal(request.emails, ['a@example.com']);
  assert.equal(request.uris, ['https://example.com/a']);
  assert.equal(request.ips.map((ip) => ip.length), [4, 16]);
});

test('a certificate is good for what it was signed for, under the CA, and no longer than that', async () => {
  const authority = await createAuthority('test'), ca = new X509Certificate(authority.cert);
  for (const algorithm of algorithms) {
    const request = parsed(await requestFor('CN=jäne, O=developers, O=ops, OU=x', algorithm, everyName));
    const issue = {
      request, usages: ['digital signature', 'key encipherment', 'client auth'] as const, seconds: 86_400,
      nowWallMs: now, chance: 'a',
    };
    const issued = issueCertificate(authority, issue);
    if (typeof issued === 'string') throw new Error(issued);
    assert.equal(issueCertificate(authority, issue), issued, 'the same again');
    const cert = new X509Certificate(issued.pem);
    assert.ok(cert.verify(ca.publicKey) && cert.checkIssued(ca), 'signed by the CA');
    assert.not.ok(cert.ca);
    assert.equal(cert.subject.split('\n'), ['O=developers', 'O=ops', 'OU=x', 'CN=jäne']);
    assert.is(cert.subjectAltName, 'DNS:node-1.example.com, email:a@example.com, IP Address:10.0.0.1, '
      + 'IP Address:2001:DB8:0:0:0:0:0:1, URI:https://example.com/a');
    assert.equal(cert.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.is(Math.round((Date.parse(cert.validTo) - now) / 1000), 86_400 - 300);
    assert.is(Math.round((now - Date.parse(cert.validFrom)) / 1000), 300);
    assert.equal(cert.publicKey.export({ type: 'spki', format: 'der' }), Buffer.from(request.publicKey));
  }
});

test('no certificate outlives the CA, and a short one is not cut by being backdated', async () => {
  const authority = await createAuthority('test'), ca = new X509Certificate(authority.cert);
  const request = parsed(await requestFor());
  const until = (seconds: number, nowWallMs = now): number => {
    const issued = issueCertificate(authority,
      { request, usages: ['client auth'], seconds, nowWallMs, chance: 'b' });
    if (typeof issued === 'string') throw new Error(issued);
    return Date.parse(new X509Certificate(issued.pem).validTo);
  };
  assert.is(Math.round((until(600) - now) / 1000), 600);
  assert.is(until(100 * 365 * 86_400), Date.parse(ca.validTo));
  const late = issueCertificate(authority,
    { request, usages: ['client auth'], seconds: 600, nowWallMs: now + 4000 * 86_400_000, chance: 'c' });
  assert.is(late, 'refusing to sign a certificate that expired in the past');
  assert.match(String(issueCertificate({ cert: 'x', key: 'y' },
    { request, usages: [], seconds: 600, nowWallMs: now, chance: 'd' })), "can't be read");
});

test('each signer signs what it is for', async () => {
  const client: Usage[] = ['digital signature', 'key encipherment', 'client auth'];
  const serving: Usage[] = ['digital signature', 'key encipherment', 'server auth'];
  const person = parsed(await requestFor());
  const node = parsed(await requestFor('CN=system:node:a, O=system:nodes'));
  const server = parsed(await requestFor('CN=system:node:a, O=system:nodes', undefined,
    [{ type: 'dns', value: 'a' }]));
  const short = {
    api: 'kube-apiserver-client', kubelet: 'kube-apiserver-client-kubelet', serving: 'kubelet-serving',
  };
  const judged = (signer: keyof typeof short, request: CertificateRequest,
    usages: readonly string[]): unknown =>
    accepted(`kubernetes.io/${short[signer]}`, request, usages);
  assert.equal(judged('api', person, client), client);
  assert.equal(judged('api', person, ['client auth']), ['client auth']);
  assert.is(judged('api', person, ['digital signature']),
    'missing required usage for client certificate: client auth');
  assert.is(judged('api', person, serving), 'invalid usage for client certificate: server auth');
  assert.equal(judged('kubelet', node, client), client);
  assert.equal(judged('kubelet', node, ['client auth', 'digital signature']),
    ['digital signature', 'client auth']);
  assert.is(judged('kubelet', person, client), 'subject organization is not system:nodes');
  assert.is(judged('kubelet', server, client), 'DNS subjectAltNames are not allowed');
  assert.is(judged('kubelet', parsed(await requestFor('CN=a, O=system:nodes')), client),
    'subject common name does not begin with system:node:');
  assert.is(judged('kubelet', node, serving),
    'usages did not match [client auth digital signature key encipherment]');
  assert.equal(judged('serving', server, serving), serving);
  assert.is(judged('serving', node, serving), 'DNS or IP subjectAltName is required');
  assert.is(accepted('example.com/mine', person, client), null);
});

test('an organisation in any alphabet is read as what it says', () => {
  const bmp = Buffer.from('system:masters', 'utf16le').swap16();
  const element = readDer(der(0x1e, bmp));
  assert.is(element === null ? null : textOf(element), 'system:masters');
});

test('what is written is what is read', () => {
  for (const name of ['1.2.840.113549.1.9.14', '2.5.4.3', '2.999.3', '1.3.101.112']) {
    assert.is(oidOf(readDer(oid(name)) ?? undefined), name);
  }
  const times = [
    '1999-12-31T23:59:59Z', '2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z', '2163-01-01T00:00:00Z',
  ];
  for (const at of times) {
    assert.is(timeOf(readDer(time(Date.parse(at))) ?? undefined), Date.parse(at), at);
  }
  assert.is(Buffer.from(integer(Uint8Array.of(0, 0, 0x80))).toString('hex'), '02020080');
  for (const length of [0, 127, 128, 255, 256, 70_000]) {
    const element = readDer(der(0x04, new Uint8Array(length)));
    assert.is(element === null ? -1 : element.to - element.from, length);
  }
  assert.is(readDer(text('a'))?.tag, 0x13);
  assert.is(readDer(text('ä'))?.tag, 0x0c);
});

test('no bytes make reading fail otherwise than by saying so', async () => {
  const random = createRandom(7);
  const pem = await requestFor(named, usual, everyName);
  const good = Buffer.from(new x509.Pkcs10CertificateRequest(pem).rawData);
  for (let n = 0; n < 3_000; n += 1) {
    const length = random.below(4) === 0 ? random.below(good.length) : good.length;
    const bad = Buffer.from(good.subarray(0, length));
    for (let times = random.below(4); times >= 0 && bad.length > 0; times -= 1) {
      bad[random.below(bad.length)] = random.below(256);
    }
    const found = parseRequest(x509.PemConverter.encode(bad, 'CERTIFICATE REQUEST'));
    if (!bad.equals(good)) assert.type(found, 'string');
  }
  const deep = Buffer.alloc(4_000, 0x30);
  assert.type(parseRequest(x509.PemConverter.encode(deep, 'CERTIFICATE REQUEST')), 'string');
  const element = readDer(der(0x30, ...Array.from({ length: 5_000 }, () => der(0x05))));
  assert.is(element === null ? 'none' : childrenOf(element), null, 'more values than any certificate has');
  const none = [
    '', 'x', '-----BEGIN CERTIFICATE REQUEST-----',
    '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----',
    '-----BEGIN CERTIFICATE REQUEST-----\n!\n-----END CERTIFICATE REQUEST-----',
  ];
  for (const text of none) {
    assert.is(parseRequest(text), 'PEM block type must be CERTIFICATE REQUEST');
  }
});

test.run();
