// From a CertificateSigningRequest to a certificate, as the API and the leader's signer do it together: who
// may decide, what is signed, what fails, when old requests go.
//
// Conformance: [sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations

import 'reflect-metadata'; // x509 asks for it
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { authorityKey, authoritySecret } from '../../cluster/api/access/authority.ts';
import { createOp, newborn, resources } from '../../cluster/api/objects.ts';
import type { UserInfo } from '../../cluster/api/request.ts';
import type { CertificateSigningRequest, KubeObject } from '../../cluster/api/types.ts';
import { splitKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { list } from '../../cluster/state/query.ts';
import { certificatesController } from '../../actors/controllers/certificates.ts';
import { createAuthority } from '../../runtime/http/certificates.ts';
import { createApiWorld } from './api-world.ts';
import type { ApiWorld } from './api-world.ts';

const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const json = { 'content-type': 'application/json' };

interface Answered { readonly code: number; readonly value: CertificateSigningRequest & { message?: string } }

function ask(world: ApiWorld, method: string, at: string, body?: unknown, user?: UserInfo): Answered {
  const answer = world.ask({
    method, path: at, body: body === undefined ? null : new TextEncoder().encode(JSON.stringify(body)),
    headers: method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : json,
    ...user === undefined ? {} : { user },
  });
  if (answer.type !== 'response') throw new Error(answer.type);
  return { code: answer.response.status, value: JSON.parse(answer.response.body) as Answered['value'] };
}

const base64 = (value: string): string => Buffer.from(value).toString('base64');

async function pemFor(name: string): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await globalThis.crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name, keys, signingAlgorithm: algorithm }, globalThis.crypto);
  return request.toString('pem');
}

const client = 'kubernetes.io/kube-apiserver-client';

async function asked(
  name: string, subject = 'CN=jane, O=developers', more: object = {}, signerName = client,
): Promise<object> {
  return {
    apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name },
    spec: { request: base64(await pemFor(subject)), signerName, usages: ['client auth'], ...more },
  };
}

async function createSigningWorld(): Promise<ApiWorld & { readonly ca: X509Certificate }> {
  const world = createApiWorld(), { cert, key } = await createAuthority('test');
  world.nowWallMs = Math.floor(Date.now() / 1000) * 1000;
  const secret: KubeObject & { data: object } = newborn({
    apiVersion: 'v1', kind: 'Secret', metadata: authoritySecret,
    data: { 'tls.crt': base64(cert), 'tls.key': base64(key) },
  }, { uid: 'ca', nowWallMs: world.nowWallMs });
  ask(world, 'POST', '/api/v1/namespaces', { metadata: { name: splitKey(authorityKey).namespace } });
  assert.ok(world.write([createOp(resources.secrets, secret)]).outcome.ok);
  return Object.assign(world, { ca: new X509Certificate(cert) });
}

/** What the leader's controller does until it finds nothing more to do; the number of its writes. */
function reconcile(world: ApiWorld): number {
  let writes = 0, uids = 0;
  for (let round = 0; round < 10; round += 1) {
    const keys = certificatesController.allKeys(world.state());
    const steps = keys.flatMap((key) => certificatesController.reconcile(world.state(), key, {
      nowWallMs: world.nowWallMs, newUid: () => `chance-${(uids += 1)}`, suffix: () => 'x', refusal: null,
    }).steps);
    if (steps.length === 0) return writes;
    for (const { ops } of steps) assert.ok(world.write(ops).outcome.ok);
    writes += steps.length;
  }
  throw new Error('it never falls silent');
}

function decide(world: ApiWorld, name: string, type: string, user?: UserInfo): Answered {
  const { value } = ask(world, 'GET', `${path}/${name}`);
  const condition = { type, status: 'True', reason: 'ByHand', message: 'said so' };
  const status = { ...value.status, conditions: [...value.status?.conditions ?? [], condition] };
  return ask(world, 'PUT', `${path}/${name}/approval`, { ...value, status }, user);
}

test('what is approved is signed, once, and nothing else is', async () => {
  const world = await createSigningWorld();
  const by = { name: 'jane', groups: ['system:masters', 'system:authenticated'], uid: 'u1' };
  const made = ask(world, 'POST', path, await asked('a', undefined, { username: 'somebody else' }), by);
  assert.is(made.code, 201, made.value.message);
  assert.equal({ ...made.value.spec, request: '' }, {
    request: '', signerName: client, usages: ['client auth'], username: 'jane', uid: 'u1', groups: by.groups,
  });
  assert.is(reconcile(world), 0, 'nobody has approved it');
  assert.is(decide(world, 'a', 'Approved').code, 200);
  assert.is(reconcile(world), 1);
  const { status, spec } = ask(world, 'GET', `${path}/a`).value;
  const cert = new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64'));
  assert.ok(cert.verify(world.ca.publicKey));
  assert.is(cert.subject, 'O=developers\nCN=jane');
  assert.equal(status?.conditions?.map(({ type }) => type), ['Approved']);
  assert.is(spec?.request, made.value.spec?.request);
  assert.is(reconcile(world), 0);
});

test('a request that is denied, or that its signer does not sign, gets nothing', async () => {
  const world = await createSigningWorld();
  ask(world, 'POST', path, await asked('denied'));
  ask(world, 'POST', path, await asked('serves', 'CN=a', { usages: ['server auth'] }));
  ask(world, 'POST', path, await asked('foreign', 'CN=a', {}, 'example.com/mine'));
  assert.is(decide(world, 'denied', 'Denied').code, 200);
  assert.is(decide(world, 'denied', 'Approved').code, 422);
  for (const name of ['serves', 'foreign']) assert.is(decide(world, name, 'Approved').code, 200);
  assert.is(reconcile(world), 1);
  const failure = ask(world, 'GET', `${path}/serves`).value.status?.conditions?.at(-1);
  assert.equal([failure?.type, failure?.status, failure?.reason, failure?.message], [
    'Failed', 'True', 'SignerValidationFailure', 'invalid usage for client certificate: server auth',
  ]);
  for (const name of ['denied', 'serves', 'foreign']) {
    assert.is(ask(world, 'GET', `${path}/${name}`).value.status?.certificate, undefined, name);
  }
});

test('nobody becomes an administrator by a certificate, and no request passes for another\'s', async () => {
  const world = await createSigningWorld();
  const masters = ask(world, 'POST', path, await asked('m', 'CN=jane, O=system:masters'));
  assert.is(masters.code, 403);
  assert.is(masters.value.message, 'certificatesigningrequests.certificates.k8s.io "m" is forbidden: use of '
    + 'kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed');
  const good = Buffer.from(new x509.Pkcs10CertificateRequest(await pemFor('CN=jane')).rawData);
  const swapped = Buffer.from(good);
  swapped.write('joan', good.indexOf('jane'));
  const request = base64(x509.PemConverter.encode(swapped, 'CERTIFICATE REQUEST'));
  const forged = ask(world, 'POST', path, await asked('f', undefined, { request }));
  assert.is(forged.code, 422);
  assert.match(forged.value.message ?? '', 'x509: ECDSA verification failure');
});

test('approving takes the right to approve for the signer; a role can give it', async () => {
  const world = await createSigningWorld(), approver = { name: 'anna', groups: ['system:authenticated'] };
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  ask(world, 'POST', path, await asked('a'));
  const bind = (name: string, rules: readonly object[]): void => {
    assert.is(ask(world, 'POST', `${rbac}/clusterroles`, { metadata: { name }, rules }).code, 201);
    assert.is(ask(world, 'POST', `${rbac}/clusterrolebindings`, {
      metadata: { name }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'anna' }],
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    }).code, 201);
  };
  const apiGroups = ['certificates.k8s.io'];
  bind('write', [{ apiGroups, resources: ['*'], verbs: ['get', 'update'] }]);
  const refused = decide(world, 'a', 'Approved', approver);
  assert.is(refused.code, 403);
  assert.is(refused.value.message, 'certificatesigningrequests.certificates.k8s.io "a" is forbidden: user '
    + 'not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"');
  const signers = { apiGroups, resources: ['signers'] };
  bind('approve', [{ ...signers, resourceNames: ['kubernetes.io/*'], verbs: ['approve'] }]);
  assert.is(decide(world, 'a', 'Approved', approver).code, 200);
  const { value } = ask(world, 'GET', `${path}/a`);
  const status = { ...value.status, certificate: base64(world.ca.toString()) };
  const signed = ask(world, 'PUT', `${path}/a/status`, { ...value, status }, approver);
  assert.is(signed.code, 403);
  assert.match(signed.value.message ?? '', 'user not permitted to sign requests');
  bind('sign', [{ ...signers, resourceNames: [client], verbs: ['sign'] }]);
  assert.is(ask(world, 'PUT', `${path}/a/status`, { ...value, status }, approver).code, 200);
});

test('old requests go: decided ones after an hour, others after a day', async () => {
  const world = await createSigningWorld();
  const names = (): readonly string[] =>
    list(world.state(), resources.signingRequests).map(({ metadata }) => metadata.name);
  for (const name of ['approved', 'denied', 'pending']) ask(world, 'POST', path, await asked(name));
  ask(world, 'POST', path, await asked('unsigned', undefined, {}, 'example.com/mine'));
  decide(world, 'approved', 'Approved');
  decide(world, 'denied', 'Denied');
  decide(world, 'unsigned', 'Approved');
  reconcile(world);
  world.nowWallMs += limits.signingRequestDecidedMs - 2_000;
  assert.is(reconcile(world), 0);
  world.nowWallMs += 3_000;
  reconcile(world);
  assert.equal(names(), ['pending', 'unsigned']);
  world.nowWallMs += limits.signingRequestPendingMs;
  reconcile(world);
  assert.equal(names(), []);
});

test('a time that is asked for holds, within bounds', async () => {
  const world = await createSigningWorld();
  const secondsOf = async (expirationSeconds: number): Promise<number> => {
    const name = `s${expirationSeconds}`;
    assert.is(ask(world, 'POST', path, await asked(name, undefined, { expirationSeconds })).code, 201);
    decide(world, name, 'Approved');
    reconcile(world);
    const { status } = ask(world, 'GET', `${path}/${name}`).value;
    const cert = new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64'));
    return Math.round((Date.parse(cert.validTo) - world.nowWallMs) / 1000);
  };
  assert.is(await secondsOf(3_600), 3_600);
  assert.is(await secondsOf(2 ** 31 - 1), limits.certificateSecondsMax - 300);
  assert.is(ask(world, 'POST', path, await asked('short', undefined, { expirationSeconds: 599 })).code, 422);
});

test('a kubelet whose user may have a certificate of its own is approved unasked', async () => {
  const world = await createSigningWorld(), signer = 'kubernetes.io/kube-apiserver-client-kubelet';
  const roleGroup = 'system:certificates.k8s.io:certificatesigningrequests';
  const bind = (name: string, group: string, permission: string): void => {
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    ask(world, 'POST', `${rbac}/clusterroles`, {
      metadata: { name: `${roleGroup}:${permission}` },
      rules: [{ verbs: ['create'], apiGroups: ['certificates.k8s.io'],
        resources: [`certificatesigningrequests/${permission}`] }],
    });
    ask(world, 'POST', `${rbac}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole',
        name: `${roleGroup}:${permission}` },
      subjects: [{ kind: 'Group', name: group }],
    });
  };
  const usages = ['digital signature', 'key encipherment', 'client auth'];
  const node = 'CN=system:node:n1, O=system:nodes', self = 'system:node:n1';
  const wanted = await asked('boot', node, { usages }, signer);
  ask(world, 'POST', path, wanted, { name: 'system:bootstrap:abcdef', groups: ['system:masters', 'boot'] });
  // Who may do everything may be approved, too: only those below are of interest.
  const status = (name: string): CertificateSigningRequest['status'] =>
    ask(world, 'GET', `${path}/${name}`).value.status;
  reconcile(world);
  assert.equal(status('boot')?.conditions?.map(({ reason, message }) => [reason, message]),
    [['AutoApproved', 'Auto approving kubelet client certificate after SubjectAccessReview.']]);
  assert.ok((status('boot')?.certificate ?? '') !== '');
  const maker = { name: self, groups: ['system:nodes', 'system:authenticated'] };
  ask(world, 'POST', path, await asked('renew', node, { usages }, signer), maker);
  ask(world, 'POST', path, await asked('odd', node, { usages: ['client auth'] }, signer), maker);
  ask(world, 'POST', path, await asked('person', 'CN=jane', { usages: ['client auth'] }), maker);
  assert.is(reconcile(world), 0, 'nobody has bound a role yet');
  bind('renewal', 'system:nodes', 'selfnodeclient');
  reconcile(world);
  assert.equal(status('renew')?.conditions?.map(({ reason, message }) => [reason, message]),
    [['AutoApproved', 'Auto approving self kubelet client certificate after SubjectAccessReview.']]);
  assert.is(status('odd')?.conditions, undefined, 'not as a kubelet asks');
  assert.is(status('person')?.conditions, undefined, 'of another signer');
});

test.run();
