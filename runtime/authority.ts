// The cluster's CA on one peer: made by the founding peer, taken from the state by every other, kept on disk
// so that a peer that starts without a quorum can still serve reads.

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { authoritySecret } from '../cluster/api/access/authority.ts';
import { foundingKeys, tokenKeysResource } from '../cluster/api/access/keys.ts';
import { resources } from '../cluster/api/objects.ts';
import type { FoundingObject } from '../actors/peer/core.ts';
import { issueClient, issueServing } from './http/certificates.ts';
import type { KeyPair } from './http/certificates.ts';
import type { Settings } from './settings.ts';

/** The Secret in kube-system that carries the CA to every member. */
export function authorityObject(authority: KeyPair): FoundingObject {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return {
    resource: resources.secrets,
    object: {
      apiVersion: 'v1', kind: 'Secret', metadata: authoritySecret, ...{
        type: 'kubernetes.io/tls',
        data: { 'tls.crt': base64(authority.cert), 'tls.key': base64(authority.key) },
      },
    },
  };
}

/** Keys for ServiceAccount tokens, for a cluster that has none yet; most are never used. */
export function tokenKeysObject(): FoundingObject {
  return { resource: tokenKeysResource, object: foundingKeys(() => randomUUID(), Date.now()) };
}

export function readAuthority(dir: string): KeyPair | null {
  const cert = join(dir, 'tls', 'ca.crt'), key = join(dir, 'tls', 'ca.key');
  if (!existsSync(cert) || !existsSync(key)) return null;
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

export function keepAuthority(dir: string, authority: KeyPair): void {
  mkdirSync(join(dir, 'tls'), { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, 'tls', 'ca.crt'), authority.cert, { mode: 0o600 });
  writeFileSync(join(dir, 'tls', 'ca.key'), authority.key, { mode: 0o600 });
}

/** What this peer shows its clients: good for every name and address that they may call it by. */
export function servingCertificate(authority: KeyPair, settings: Settings): Promise<KeyPair> {
  const dns = ['localhost', settings.name, 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local'];
  const ips = new Set(['127.0.0.1', '10.96.0.1', settings.hostIP, ...settings.apiHosts]);
  ips.delete('0.0.0.0');
  return issueServing(authority, settings.name, dns, [...ips]);
}

export function adminCertificate(authority: KeyPair): Promise<KeyPair> {
  return issueClient(authority, 'kubernetes-admin', ['system:masters']);
}
