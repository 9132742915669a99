// Custom kinds beside the controllers: the garbage collector knows owners of custom kinds, a namespace takes
// its custom objects along, two definitions never get one name, and asking costs nothing while nothing
// changes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { definitionController } from '../../actors/controllers/definition.ts';
import { garbageController } from '../../actors/controllers/garbage.ts';
import { namespaceController } from '../../actors/controllers/namespace.ts';
import type { CustomResourceDefinition } from '../../cluster/api/custom/definition.ts';
import { definitions, registryOf } from '../../cluster/api/registry.ts';
import { resourceName } from '../../cluster/ids.ts';
import { createRandom } from '../../cluster/random.ts';
import { list } from '../../cluster/state/query.ts';
import { createApiWorld } from './api-world.ts';
import type { ApiWorld } from './api-world.ts';
import { settle } from './custom-world.ts';

interface Answered { readonly metadata: { readonly uid: string }; readonly message?: string }

function post(world: ApiWorld, path: string, object: unknown): Answered {
  const body = new TextEncoder().encode(JSON.stringify(object));
  const answer = world.ask({ method: 'POST', path, headers: { 'content-type': 'application/json' }, body });
  assert.ok(answer.type === 'response' && answer.response.status === 201, JSON.stringify(answer));
  return JSON.parse(answer.type === 'response' ? answer.response.body : '') as Answered;
}

function remove(world: ApiWorld, path: string): void {
  const answer = world.ask({ method: 'DELETE', path, headers: {}, body: null });
  assert.ok(answer.type === 'response' && answer.response.status === 200, JSON.stringify(answer));
}

function definition(plural: string, kind: string, more: object = {}, scope = 'Namespaced'): object {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    metadata: { name: `${plural}.example.com` },
    spec: {
      group: 'example.com', scope, names: { plural, kind, ...more },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

function worldWith(...defined: readonly object[]): ApiWorld {
  const world = createApiWorld();
  post(world, '/api/v1/namespaces', { metadata: { name: 'default' } });
  for (const one of defined) post(world, crds, one);
  settle(world);
  return world;
}

const count = (world: ApiWorld, resource: string): number =>
  list(world.state(), resourceName(resource)).length;

test('the garbage collector follows owners of custom kinds, of both scopes', () => {
  const world = worldWith(definition('owners', 'Owner', {}, 'Cluster'), definition('parts', 'Part'));
  const owner = post(world, '/apis/example.com/v1/owners', { metadata: { name: 'o' } });
  const owned = (uid: string, kind: string, name: string): object =>
    ({ ownerReferences: [{ apiVersion: 'example.com/v1', kind, name, uid }] });
  const parts = '/apis/example.com/v1/namespaces/default/parts';
  const part = post(world, parts, { metadata: { name: 'p', ...owned(owner.metadata.uid, 'Owner', 'o') } });
  post(world, '/api/v1/namespaces/default/configmaps',
    { metadata: { name: 'c', ...owned(part.metadata.uid, 'Part', 'p') } });
  post(world, parts, { metadata: { name: 'free' } });
  assert.is(settle(world, garbageController), 0, 'all owners are there');
  remove(world, '/apis/example.com/v1/owners/o');
  settle(world, garbageController);
  assert.is(count(world, 'example.com/parts'), 1, 'the one without an owner stays');
  assert.is(count(world, 'core/configmaps'), 0);
});

test('a namespace takes its custom objects along', () => {
  const world = worldWith(definition('parts', 'Part'));
  post(world, '/apis/example.com/v1/namespaces/default/parts', { metadata: { name: 'p' } });
  post(world, '/api/v1/namespaces', { metadata: { name: 'gone' } });
  post(world, '/apis/example.com/v1/namespaces/gone/parts', { metadata: { name: 'p' } });
  remove(world, '/api/v1/namespaces/gone');
  settle(world, namespaceController);
  assert.is(count(world, 'example.com/parts'), 1);
  assert.is(count(world, 'core/namespaces'), 1);
});

test('nothing is made of a kind that goes, even by who has not heard of it', () => {
  const world = worldWith(definition('parts', 'Part'));
  post(world, '/apis/example.com/v1/namespaces/default/parts',
    { metadata: { name: 'held', finalizers: ['x/y'] } });
  world.beforeNext = (): void => {
    world.beforeNext = null;
    remove(world, `${crds}/parts.example.com`);
  };
  const answer = world.ask({
    method: 'POST', path: '/apis/example.com/v1/namespaces/default/parts',
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode('{"metadata":{"name":"late"}}'),
  });
  assert.ok(answer.type === 'response');
  assert.is(answer.type === 'response' ? answer.response.status : 0, 403);
  settle(world);
  assert.is(count(world, 'example.com/parts'), 1, 'what a finalizer holds stays, and the definition with it');
  assert.is(list(world.state(), definitions).length, 1);
});

test('no two definitions of a group ever hold one name, whatever comes and goes', () => {
  const random = createRandom(11), words = ['a', 'b', 'c', 'd'];
  const pick = (): string => words[random.below(words.length)] ?? '';
  for (let round = 0; round < 60; round++) {
    const world = worldWith();
    for (let step = 0; step < 12; step++) {
      const plural = `${pick()}s`, found = list<CustomResourceDefinition>(world.state(), definitions)
        .find(({ metadata }) => metadata.name === `${plural}.example.com`);
      if (found !== undefined) remove(world, `${crds}/${plural}.example.com`);
      else {
        const kind = pick().toUpperCase();
        const names = { singular: pick(), shortNames: [pick()], listKind: `${pick()}L` };
        post(world, crds, definition(plural, kind, names));
      }
      if (random.chance(2, 3)) settle(world);
      const accepted = list<CustomResourceDefinition>(world.state(), definitions)
        .map(({ status }) => status?.acceptedNames ?? {});
      const resources = accepted.map(({ plural: one, singular, shortNames = [] }) =>
        [...new Set([one, singular, ...shortNames])].filter(Boolean)).flat();
      assert.is(new Set(resources).size, resources.length, JSON.stringify(accepted));
      const kinds = accepted.flatMap(({ kind, listKind }) => [kind, listKind].filter(Boolean));
      assert.is(new Set(kinds).size, kinds.length, JSON.stringify(accepted));
    }
  }
});

test('the registry is made once for the definitions, and a kind once for its own', () => {
  const world = worldWith(definition('parts', 'Part'), definition('owners', 'Owner'));
  const before = registryOf(world.state()), part = before.find('example.com', 'v1', 'parts');
  assert.ok(part !== null && before.byKind('example.com/v1', 'Part') === part);
  post(world, '/apis/example.com/v1/namespaces/default/parts', { metadata: { name: 'p' } });
  assert.is(registryOf(world.state()), before);
  post(world, crds, definition('others', 'Other'));
  const after = registryOf(world.state());
  assert.is.not(after, before);
  assert.is(after.find('example.com', 'v1', 'parts'), part);
  assert.is(after.find('example.com', 'v1', 'others'), null, 'not accepted yet');
  settle(world);
  assert.ok(registryOf(world.state()).find('example.com', 'v1', 'others') !== null);
  assert.equal(definitionController.allKeys(world.state()), ['group/example.com']);
});

test.run();
