// The cluster's certificate authority and what it signs: serving certificates of the peers' APIs, client
// certificates for the kubeconfig. Keys are ECDSA P-256.
// What always holds: a private key is only ever written to a file of mode 0600 or into a Secret of the state.

import 'reflect-metadata'; // tsyringe, inside @peculiar/x509, asks for it
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** Named in every call: other packages put a provider of their own in x509's global place. */
const provider = globalThis.crypto;

/** PEM texts. */
export interface KeyPair { readonly cert: string; readonly key: string }

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const day = 86_400_000;
/** Clocks of new machines differ: valid from an hour ago. */
const backdateMs = 3_600_000;
const authorityDays = 3650, leafDays = 365;
/** Leaves are issued anew this often by whoever runs that long. */
export const renewalMs = 30 * day;

/** A new self-signed authority for one cluster. */
export async function createAuthority(cluster: string): Promise<KeyPair> {
  const keys = await provider.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(), name: `CN=shoal-ca, OU=${cluster}`, ...validity(authorityDays),
    signingAlgorithm: algorithm, keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, provider),
    ],
  }, provider);
  return { cert: cert.toString('pem'), key: await privatePem(keys.privateKey) };
}

/** A serving certificate for these DNS names and IP addresses. */
export async function issueServing(
  authority: KeyPair, name: string, dns: readonly string[], ips: readonly string[],
): Promise<KeyPair> {
  const names: x509.JsonGeneralNames = [
    ...dns.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((value) => ({ type: 'ip' as const, value })),
  ];
  return issue(authority, `CN=${name}`, x509.ExtendedKeyUsage.serverAuth,
    [new x509.SubjectAlternativeNameExtension(names)]);
}

/** A client certificate: Kubernetes takes the user from CN and the groups from O. */
export async function issueClient(authority: KeyPair, user: string,
  groups: readonly string[]): Promise<KeyPair> {
  return issue(authority, [`CN=${user}`, ...groups.map((group) => `O=${group}`)].join(', '),
    x509.ExtendedKeyUsage.clientAuth, []);
}

async function issue(
  authority: KeyPair, subject: string, usage: x509.ExtendedKeyUsage, more: readonly x509.Extension[],
): Promise<KeyPair> {
  const issuer = new x509.X509Certificate(authority.cert);
  const signingKey = await provider.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(authority.key),
    algorithm, false, ['sign']);
  const keys = await provider.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(), subject, issuer: issuer.subject, ...validity(leafDays),
    signingAlgorithm: algorithm, publicKey: keys.publicKey, signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, provider),
      ...more,
    ],
  }, provider);
  return { cert: cert.toString('pem'), key: await privatePem(keys.privateKey) };
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - backdateMs), notAfter: new Date(now + days * day) };
}

/** Positive, 16 random bytes. */
function serial(): string {
  const bytes = provider.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0] ?? 0) & 0x7f | 1;
  return Buffer.from(bytes).toString('hex');
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await provider.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}
