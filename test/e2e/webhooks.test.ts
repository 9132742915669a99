// Webhooks against a real HTTPS server with an authority of its own: what is admitted, changed, refused and
// converted, and what happens where the server can't be heard. Conformance: "AdmissionWebhook should mutate
// configmap", "should be able to deny pod and configmap creation", "should unconditionally reject operations
// on fail closed webhook", "should honor timeout", "CustomResourceConversionWebhook should be able to convert
// from CR v1 to CR v2".

import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority, issueServing } from '../../runtime/http/certificates.ts';
import { clusterTests, until } from './cluster.ts';
import type { ApiClient } from './client.ts';

interface Custom {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>>; readonly name?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly hostPort?: string; readonly host?: string; readonly port?: string;
}
interface Review {
  readonly apiVersion: string; readonly kind: string;
  readonly request: { readonly uid: string; readonly object: Custom; readonly desiredAPIVersion: string;
    readonly objects: readonly Custom[] };
}

const authority = await createAuthority('users'), other = await createAuthority('others');
const pair = await issueServing(authority, 'hooks', ['hooks.default.svc'], ['127.0.0.1']);
const base64 = (text: string): string => Buffer.from(text).toString('base64');

function answerTo(path: string, { request }: Review): object {
  const { uid, object, objects, desiredAPIVersion } = request;
  switch (path) {
    case '/mutate': return { uid, allowed: true, patchType: 'JSONPatch', patch: base64(JSON.stringify(
      [{ op: 'add', path: '/data/mutation', value: 'yes' }])) };
    case '/convert': return { uid, result: { status: 'Success' }, convertedObjects: objects.map((one) => {
      const { hostPort = '', host = '', port = '', ...rest } = one, [first, second] = hostPort.split(':');
      return { ...rest, apiVersion: desiredAPIVersion, ...desiredAPIVersion.endsWith('/v2')
        ? { host: first, port: second } : { hostPort: `${host}:${port}` } };
    }) };
    default: {
      const allowed = object.data?.['fine'] !== 'no';
      return { uid, allowed, ...allowed ? { warnings: ['looked at'] } : {
        status: { code: 403, message: 'the configmap contains unwanted key and value' } } };
    }
  }
}

const server = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => { text += chunk.toString(); });
  request.on('end', () => {
    const review = JSON.parse(text) as Review, path = (request.url ?? '').replace(/\?.*/, '');
    const { kind, apiVersion } = review;
    const body = JSON.stringify({ kind, apiVersion, response: answerTo(path, review) });
    if (path !== '/slow') response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
});
test.before(async () => {
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
});
test.after(() => {
  server.closeAllConnections();
  server.close();
});

const on = clusterTests(test, { peers: 1, runtime: 'process' });
const maps = '/api/v1/namespaces/default/configmaps';
const group = '/apis/admissionregistration.k8s.io/v1';

function configuration(kind: 'Mutating' | 'Validating', name: string, path: string, more = {}): object {
  const { port } = server.address() as AddressInfo;
  return {
    apiVersion: 'admissionregistration.k8s.io/v1', kind: `${kind}WebhookConfiguration`, metadata: { name },
    webhooks: [{
      name: `${name}.example.com`, sideEffects: 'None', admissionReviewVersions: ['v1'],
      clientConfig: { url: `https://127.0.0.1:${port}${path}`, caBundle: base64(authority.cert) },
      rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
      ...more,
    }],
  };
}

const map = (name: string, data: Readonly<Record<string, string>> = {}): object =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: 'b', ...data } });

async function refusal(api: ApiClient, object: object): Promise<string> {
  const answer = await api.send('POST', maps, object);
  return `${answer.status} ${(JSON.parse(answer.body) as { message?: string }).message ?? ''}`;
}

on('a configmap is changed by one webhook and judged by another', async (cluster) => {
  const { api } = cluster.peer(1);
  await api.json('POST', `${group}/mutatingwebhookconfigurations`,
    configuration('Mutating', 'change', '/mutate'));
  await api.json('POST', `${group}/validatingwebhookconfigurations`,
    configuration('Validating', 'judge', '/judge'));
  const answer = await api.send('POST', maps, map('one'));
  assert.is(answer.status, 201, answer.body);
  assert.equal((JSON.parse(answer.body) as Custom).data, { a: 'b', mutation: 'yes' });
  assert.is(answer.headers['warning'], '299 - "looked at"');
  assert.is(await refusal(api, map('two', { fine: 'no' })),
    '403 admission webhook "judge.example.com" denied the request: '
    + 'the configmap contains unwanted key and value');
});

on('a webhook that is not heard refuses, unless its failures are ignored', async (cluster) => {
  const { api } = cluster.peer(1), path = `${group}/validatingwebhookconfigurations`;
  const nowhere = { url: 'https://127.0.0.1:1/' };
  await api.json('POST', path, configuration('Validating', 'open', '/', {
    clientConfig: nowhere, failurePolicy: 'Ignore',
  }));
  assert.match(await refusal(api, map('three')), /^201 /);
  await api.json('POST', path, configuration('Validating', 'slow', '/slow', { timeoutSeconds: 1 }));
  assert.match(await refusal(api, map('four')), new RegExp('^500 Internal error occurred: '
    + 'failed calling webhook "slow.example.com": failed to call webhook: '
    + 'Post "https://127.0.0.1:\\d+/slow\\?timeout=1s": '
    + 'context deadline exceeded$'));
  await api.json('DELETE', `${path}/slow`);
  await api.json('POST', path, configuration('Validating', 'closed', '/', { clientConfig: nowhere }));
  assert.is(await refusal(api, map('five')), '500 Internal error occurred: failed calling webhook '
    + '"closed.example.com": failed to call webhook: Post "https://127.0.0.1:1/?timeout=10s": '
    + 'dial tcp 127.0.0.1:1: connect: connection refused');
  await api.json('DELETE', `${path}/closed`);
  const { port } = server.address() as AddressInfo;
  await api.json('POST', path, configuration('Validating', 'stranger', '/', {
    clientConfig: { url: `https://127.0.0.1:${port}/`, caBundle: base64(other.cert) },
  }));
  assert.match(await refusal(api, map('six')), /x509: certificate signed by unknown authority$/);
  await api.json('DELETE', `${path}/stranger`);
});

on('a custom kind is converted between its versions', async (cluster) => {
  const { api } = cluster.peer(1), { port } = server.address() as AddressInfo;
  const fields = (...names: readonly string[]): object => ({ openAPIV3Schema: {
    type: 'object', properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  } });
  await api.json('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition',
    metadata: { name: 'e2es.stable.example.com' },
    spec: {
      group: 'stable.example.com', scope: 'Namespaced', names: { plural: 'e2es', kind: 'E2e' },
      conversion: { strategy: 'Webhook', webhook: {
        conversionReviewVersions: ['v1'],
        clientConfig: { url: `https://127.0.0.1:${port}/convert`, caBundle: base64(authority.cert) },
      } },
      versions: [
        { name: 'v1', served: true, storage: true, schema: fields('hostPort') },
        { name: 'v2', served: true, storage: false, schema: fields('host', 'port') },
      ],
    },
  });
  const at = (version: string): string => `/apis/stable.example.com/${version}/namespaces/default/e2es`;
  await until('the kind is served', async () => (await api.send('GET', at('v2'))).status === 200, 20_000);
  await api.json('POST', at('v1'), {
    apiVersion: 'stable.example.com/v1', kind: 'E2e', metadata: { name: 'a' }, hostPort: 'localhost:8080',
  });
  await api.json('POST', at('v2'), {
    apiVersion: 'stable.example.com/v2', kind: 'E2e', metadata: { name: 'b' }, host: 'h', port: '1',
  });
  const seconds = await api.json<{ items: readonly Custom[] }>('GET', at('v2'));
  assert.equal(seconds.items.map(({ host, port: number }) => `${host} ${number}`), ['localhost 8080', 'h 1']);
  const firsts = await api.json<{ items: readonly Custom[] }>('GET', at('v1'));
  assert.equal(firsts.items.map(({ hostPort }) => hostPort), ['localhost:8080', 'h:1']);
});

test.run();
