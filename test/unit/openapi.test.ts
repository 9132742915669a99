// The OpenAPI documents: what they refer to is in them, their hashes tell when they change, and words come
// from outside. Which definitions and paths there are is shown in test/data/api/pages.txt.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { requestId } from '../../cluster/ids.ts';
import { flat } from '../../cluster/api/kinds/schema.ts';
import { definitionNames, definitionOf } from '../../cluster/api/kinds/table.ts';
import { definitionsOf, makeAhead } from '../../cluster/api/openapi/definitions.ts';
import { openapiPage } from '../../cluster/api/openapi/page.ts';
import { pathOf } from '../../cluster/api/openapi/paths.ts';
import { builtIn, createRegistry } from '../../cluster/api/registry.ts';
import type { Registry } from '../../cluster/api/registry.ts';
import type { ApiContext, ApiResponse, Descriptions } from '../../cluster/api/request.ts';
import { kind } from '../../cluster/api/resources/kind.ts';
import { isProblem } from '../../cluster/api/status.ts';
import { installedDescriptions } from '../../runtime/descriptions.ts';

interface Asked { readonly hash?: string; readonly headers?: Readonly<Record<string, string>>;
  readonly descriptions?: Descriptions; readonly registry?: Registry }

function page(path: string, asked: Asked = {}): ApiResponse {
  const { hash, headers = {}, descriptions, registry = builtIn } = asked;
  const context: ApiContext = {
    nowWallMs: 0, uid: () => '', suffix: () => '',
    peer: { ready: true, notReadyReason: '', serverAddress: '' },
    ...descriptions === undefined ? {} : { descriptions },
  };
  const request = {
    id: requestId('1'), method: 'GET', path, query: '', headers, body: null, user: { name: '', groups: [] },
  };
  const parts = path.split('/').filter((part) => part !== '');
  const query = new Map(hash === undefined ? [] : [['hash', hash] as const]);
  const answer = openapiPage(parts, request, query as never, context, registry);
  assert.ok(answer !== null && !isProblem(answer), path);
  return answer as ApiResponse;
}

const documentPaths = builtIn.groupVersions().map((each) => `/openapi/v3${pathOf(each)}`);

test('everything that a document refers to is in it', () => {
  for (const path of [...documentPaths, '/openapi/v2']) {
    const { body } = page(path), document = JSON.parse(body) as {
      components?: { schemas: object }; definitions?: object;
    };
    const there = document.components?.schemas ?? document.definitions ?? {};
    const missing = [...body.matchAll(/"\$ref":"#\/(?:definitions|components\/schemas)\/([^"]+)"/g)]
      .map(([, name = '']) => name).filter((name) => !Object.hasOwn(there, name));
    assert.equal([...new Set(missing)], [], path);
  }
});

test('no two operations have one id', () => {
  const ids = [...page('/openapi/v2').body.matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
  assert.ok(ids.length > 50);
  assert.equal(ids.filter((id, at) => ids.indexOf(id) !== at), []);
});

test('definitions of all tables can be made, in both versions, all at once and one by one', () => {
  for (const generation of [2, 3] as const) {
    const made = definitionsOf(definitionNames(), generation, null);
    assert.ok(made.length >= definitionNames().length);
    for (const [name, text] of made) assert.type(JSON.parse(text), 'object', name);
  }
  const descriptions: Descriptions = { edition: 'one by one', of: () => ({ text: 'Words.', fields: {} }) };
  assert.is([...makeAhead(descriptions)].length, 2 * definitionNames().length);
});

test('the hash of the index is that of the document, which may then be kept', () => {
  const index = JSON.parse(page('/openapi/v3').body) as {
    paths: Record<string, { serverRelativeURL: string }>;
  };
  assert.is(Object.keys(index.paths).length, documentPaths.length);
  const url = index.paths['apis/apps/v1']?.serverRelativeURL ?? '';
  const [path = '', hash = ''] = url.split('?hash=');
  const answer = page(path, { hash });
  assert.is(answer.status, 200);
  assert.is(answer.headers['etag'], `"${hash}"`);
  assert.is(answer.headers['cache-control'], 'public, immutable');
  assert.is(answer.headers['expires'], 'Fri, 01 Jan 1971 00:00:00 GMT');
  assert.is(page(path, { headers: { 'if-none-match': `"${hash}"` } }).status, 304);
  const old = page(path, { hash: 'OLD' });
  assert.is(old.status, 301);
  assert.is(old.headers['location'], url);
});

test('version 2 and the index are not sent again to whom has them', () => {
  for (const path of ['/openapi/v2', '/openapi/v3']) {
    const { etag = '' } = page(path).headers;
    assert.is(page(path, { headers: { 'if-none-match': etag } }).status, 304);
    assert.is(page(path, { headers: { 'if-none-match': '"other"' } }).status, 200);
  }
});

test('a kind that is added changes the hash of its group and version only, and brings its definition', () => {
  const name = 'com.example.v1.Apple';
  const apple = kind({
    group: 'apps', version: 'v1', resource: 'apples', singular: 'apple', kind: 'Apple', columns: [],
    schema: { type: 'object', fields: {} },
    published: { name, definition: () => ({ type: 'object', properties: { core: { type: 'string' } } }) },
  });
  const registry = createRegistry([...builtIn.all(), apple]), path = '/openapi/v3/apis/apps/v1';
  assert.is.not(page(path, { registry }).headers['etag'], page(path).headers['etag']);
  const same = '/openapi/v3/api/v1';
  assert.is(page(same, { registry }).headers['etag'], page(same).headers['etag']);
  const { components, paths } = JSON.parse(page(path, { registry }).body) as {
    components: { schemas: Record<string, unknown> };
    paths: Record<string, { get: { operationId: string } }>;
  };
  assert.equal(components.schemas[name], { type: 'object', properties: { core: { type: 'string' } } });
  assert.ok(Object.hasOwn(components.schemas, `${name}List`));
  const operation = paths['/apis/apps/v1/namespaces/{namespace}/apples/{name}']?.get.operationId;
  assert.is(operation, 'readAppsV1NamespacedApple');
});

test('words come from the installed client library, and change the hash', () => {
  const descriptions = installedDescriptions();
  assert.ok(descriptions);
  if (descriptions === null) return;
  const with3 = page('/openapi/v3/api/v1', { descriptions }), without = page('/openapi/v3/api/v1');
  assert.is.not(with3.headers['etag'], without.headers['etag']);
  assert.not.match(without.body, /"description":"[^"]*containers belonging to the pod/);
  const { components } = JSON.parse(with3.body) as {
    components: { schemas: Record<string, { properties: Record<string, { description?: string }> }> };
  };
  const { properties } = components.schemas['io.k8s.api.core.v1.PodSpec'] ?? { properties: {} };
  assert.match(properties['containers']?.description ?? '', /^List of containers belonging to the pod\./);
});

test('the library knows every field that is no structure, by its name in JSON', () => {
  const descriptions = installedDescriptions();
  for (const name of ['io.k8s.api.core.v1.Event', 'io.k8s.api.events.v1.Event',
    'io.k8s.api.core.v1.EphemeralContainer', 'io.k8s.api.rbac.v1.Subject',
    'io.k8s.api.authentication.v1.TokenRequestSpec', 'io.k8s.api.storage.v1.TokenRequest']) {
    const definition = definitionOf(name), words = descriptions?.of(name);
    assert.ok(definition !== null && words !== null && words !== undefined && words.text !== '', name);
    if (definition === null) continue;
    const plain = flat(definition).filter(({ type }) => type.is === 'scalar' && type.scalar === 'string');
    const silent = plain.filter((field) => !Object.hasOwn(words?.fields ?? {}, field.name));
    assert.equal(silent.map((field) => field.name), [], name);
  }
  const props = descriptions?.of('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');
  assert.ok(Object.hasOwn(props?.fields ?? {}, 'x-kubernetes-list-type'));
  assert.is(descriptions?.of('io.k8s.api.core.v1.Nothing'), null);
  assert.is(descriptions?.of('../../../package'), null);
});

test.run();
