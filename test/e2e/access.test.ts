// Who may do what, as people meet it: a certificate of the cluster's CA for somebody who may nothing yet, a
// binding made through one peer and felt at another, acting as somebody else, and the audit log of it all.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { issueClient } from '../../runtime/http/certificates.ts';
import { writeKubeconfig } from '../../runtime/http/kubeconfig.ts';
import { readSettings, writeSettings } from '../../runtime/settings.ts';
import { clientOf, readCredentials } from './client.ts';
import { clusterTests, command, figure, until } from './cluster.ts';
import type { Cluster, Output, TestPeer } from './cluster.ts';

const found = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' });
if (found.status !== 0) console.log('SKIP kubectl is not installed');
const on = clusterTests(test, { peers: 3, runtime: 'process' },
  found.status === 0 ? test : (name) => test.skip(name));

const patienceMs = 10_000;

/** A kubeconfig for a user of these groups, as whoever holds the CA makes one. */
async function kubeconfigOf(peer: TestPeer, user: string, groups: readonly string[]): Promise<string> {
  const path = join(peer.dir, `kubeconfig-${user}`), { server } = readCredentials(peer.kubeconfig);
  if (existsSync(path)) return path;
  const read = (name: string): string => readFileSync(join(peer.dir, 'tls', name), 'utf8');
  const authority = { cert: read('ca.crt'), key: read('ca.key') };
  const own = await issueClient(authority, user, groups);
  writeKubeconfig(path, authority.cert, own, [{ name: peer.name, server }], peer.name);
  return path;
}

async function asJane(peer: TestPeer, ...args: string[]): Promise<Output> {
  const path = await kubeconfigOf(peer, 'jane', ['dev']);
  return command('kubectl', ['--kubeconfig', path, '--cache-dir', join(peer.dir, 'jane-cache'), ...args]);
}

/** The same through all peers; what they say is the same. */
async function everywhere(cluster: Cluster, ...args: string[]): Promise<readonly Output[]> {
  return Promise.all(cluster.peers.map((peer) => asJane(peer, ...args)));
}

on('the default roles are there', async (cluster) => {
  const admin = cluster.peer(2);
  const rules = await until('the roles that gather have gathered', async () => {
    const text = await admin.kubectlOk('get', 'clusterrole', 'admin', '-o', 'jsonpath={.rules}');
    return text.includes('rolebindings') && text.includes('endpointslices') ? text : undefined;
  }, patienceMs);
  assert.match(rules, 'pods/exec');
  const bindings = await admin.kubectlOk('get', 'clusterrolebindings', '-o', 'wide');
  assert.match(bindings, /^cluster-admin +ClusterRole\/cluster-admin .* system:masters/m);
  assert.is((await admin.kubectlOk('auth', 'can-i', '*', '*')).trim(), 'yes');
});

on('who has nothing is told so by every peer; a binding made through one opens all', async (cluster) => {
  for (const { code, stderr } of await everywhere(cluster, 'get', 'pods')) {
    assert.is(code, 1);
    assert.is(stderr, 'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource '
      + '"pods" in API group "" in the namespace "default"\n');
  }
  const [who] = await everywhere(cluster, 'auth', 'whoami');
  assert.match(who?.stdout ?? '', /Username +jane\n/);
  assert.match(who?.stdout ?? '', /Groups +\[dev system:authenticated\]/);
  await cluster.peer(1).kubectlOk('create', 'rolebinding', 'devs', '--clusterrole=edit', '--group=dev');
  await until('the binding is felt everywhere', async () =>
    (await everywhere(cluster, 'get', 'pods')).every(({ code }) => code === 0), patienceMs);
  const made = await asJane(cluster.peer(3), 'create', 'configmap', 'hers', '--from-literal=a=b');
  assert.is(made.code, 0, made.stderr);
  const elsewhere = await asJane(cluster.peer(3), '-n', 'kube-system', 'get', 'secrets');
  assert.match(elsewhere.stderr, 'cannot list resource "secrets" in API group "" in the namespace "kube-sys');
});

on('she can not give herself more', async (cluster) => {
  await cluster.peer(1).kubectlOk('create', 'role', 'role-maker', '--verb=create,get,list,update,patch',
    '--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io');
  await cluster.peer(1).kubectlOk('create', 'rolebinding', 'role-maker', '--role=role-maker', '--user=jane');
  const may = async (): Promise<true | undefined> =>
    (await asJane(cluster.peer(2), 'auth', 'can-i', 'create', 'roles')).code === 0 || undefined;
  await until('she may write roles', may, patienceMs);
  const role = await asJane(cluster.peer(2), 'create', 'role', 'more', '--verb=get', '--resource=nodes');
  assert.is(role.code, 1);
  assert.match(role.stderr, 'is attempting to grant RBAC permissions not currently held:\n'
    + '{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}');
  const binding = await asJane(cluster.peer(2), 'create', 'rolebinding', 'more', '--clusterrole=admin',
    '--user=jane');
  assert.match(binding.stderr, 'is attempting to grant RBAC permissions not currently held');
  const same = await asJane(cluster.peer(2), 'create', 'role', 'same', '--verb=get', '--resource=pods');
  assert.is(same.code, 0, same.stderr);
});

on('acting as somebody else, and reconciling roles from a file', async (cluster) => {
  const admin = cluster.peer(2);
  const { stderr } = await admin.kubectl('get', 'nodes', '--as=joe', '--as-group=dev');
  assert.match(stderr, 'nodes is forbidden: User "joe" cannot list resource "nodes"');
  assert.match(await admin.kubectlOk('auth', 'whoami', '--as=joe', '--as-group=dev', '--as-group=a, b',
    '--as-uid=7'), /Groups +\[dev a, b system:authenticated\]/);
  const refused = await asJane(admin, 'get', 'pods', '--as=root');
  assert.match(refused.stderr, 'users "root" is forbidden: User "jane" cannot impersonate resource "users" '
    + 'in API group "" at the cluster scope');
  const path = join(cluster.dir, 'roles.yaml');
  writeFileSync(path, `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: node-reader}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: node-readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: node-reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: joe}]
`);
  assert.match(await admin.kubectlOk('auth', 'reconcile', '-f', path), 'node-readers reconciled');
  await until('joe sees nodes', async () =>
    (await admin.kubectl('get', 'nodes', '--as=joe')).code === 0 || undefined, patienceMs);
  const allowed = await admin.kubectlOk('auth', 'can-i', '--list', '--as=joe');
  assert.match(allowed, /^nodes +\[\] +\[\] +\[get list watch\]/m);
});

on('a peer writes down what its policy says, and who it was', async (cluster) => {
  const peer = cluster.peer(3), policyFile = join(cluster.dir, 'policy.yaml');
  const logPath = join(cluster.dir, 'audit.log'), settings = readSettings(peer.dir);
  assert.ok(settings !== null);
  writeFileSync(policyFile, `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, users: [jane], resources: [{group: "", resources: [configmaps]}]}
`);
  await peer.stop();
  writeSettings(peer.dir, { ...settings, audit: { policyFile, logPath, maxSizeMB: 1, maxBackups: 1 } });
  await peer.start();
  await until('it serves her', async () => (await asJane(peer, 'get', 'cm', 'hers')).code === 0, 30_000);
  await asJane(peer, 'get', 'secrets');
  await asJane(peer, '-n', 'kube-system', 'get', 'configmaps');
  const lines = await until('it is written down', () => {
    const text = readFileSync(logPath, 'utf8');
    return Promise.resolve(text.includes('"code":403') ? text : undefined);
  }, patienceMs);
  const events = lines.trim().split('\n').map((line) => JSON.parse(line) as {
    stage: string; user: { username: string }; verb: string; sourceIPs: string[]; userAgent: string;
    objectRef: { resource: string; namespace: string; name?: string };
    responseStatus: { code: number }; annotations: Record<string, string>;
  });
  assert.ok(events.every(({ user, objectRef }) =>
    user.username === 'jane' && objectRef.resource === 'configmaps'));
  const read = events.find(({ responseStatus }) => responseStatus.code === 200);
  assert.is(read?.objectRef.name, 'hers');
  assert.is(read?.verb, 'get');
  assert.match(read?.userAgent ?? '', /^kubectl/);
  assert.is(read?.annotations['authorization.k8s.io/reason'],
    'RBAC: allowed by RoleBinding "devs/default" of ClusterRole "edit" to Group "dev"');
  const denied = events.find(({ responseStatus }) => responseStatus.code === 403);
  assert.is(denied?.annotations['authorization.k8s.io/decision'], 'forbid');
  assert.is(denied?.verb, 'list');
});

on('one noisy client leaves the others what they need', async (cluster) => {
  const peer = cluster.peer(1), path = '/api/v1/namespaces/default/configmaps';
  await peer.kubectlOk('create', 'rolebinding', 'joe', '--clusterrole=edit', '--user=joe');
  const clientAs = async (user: string, groups: readonly string[]) => {
    const { server, ...tls } = readCredentials(await kubeconfigOf(peer, user, groups));
    return clientOf(server, tls);
  };
  const noisy = await clientAs('jane', ['dev']), quiet = await clientAs('joe', []);
  await until('joe may', async () => (await quiet.send('GET', path)).status === 200, patienceMs);
  let over = false, asked = 0, refused = 0;
  const busy = Array.from({ length: 64 }, async () => {
    while (!over) {
      const { status, headers } = await noisy.send('GET', path);
      asked += 1;
      if (status !== 429) continue;
      refused += 1;
      assert.is(headers['retry-after'], '1');
    }
  });
  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    const start = performance.now();
    assert.is((await quiet.send('GET', path)).status, 200);
    times.push(performance.now() - start);
  }
  over = true;
  await Promise.all(busy);
  times.sort((a, b) => a - b);
  figure(`a quiet client beside 64 busy ones (${asked} answered, ${refused} refused), each request on a `
    + 'connection of its own, median', times[10] ?? 0);
  assert.ok(asked > 0);
});

test.run();
