// The kubeconfig that Shoal writes: one cluster and one context per peer, one user with a client certificate,
// so that every Kubernetes client can talk to any peer.

import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

export interface KubeconfigPeer { readonly name: string; readonly server: string }

/** Writes `path` with mode 0600; the current context is the first peer's. */
export function writeKubeconfig(
  path: string, ca: string, user: KeyPair, peers: readonly KubeconfigPeer[], current: string,
): void {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1', kind: 'Config', preferences: {}, 'current-context': current,
    clusters: peers.map(({ name, server }) => ({
      name, cluster: { server, 'certificate-authority-data': base64(ca) },
    })),
    users: [{
      name: 'admin',
      user: { 'client-certificate-data': base64(user.cert), 'client-key-data': base64(user.key) },
    }],
    contexts: peers.map(({ name }) => ({ name, context: { cluster: name, user: 'admin' } })),
  };
  writeFileSync(path, stringify(config), { mode: 0o600 });
}
