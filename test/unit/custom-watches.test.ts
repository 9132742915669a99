// Watches of custom kinds on a peer: they end when their kind is defined anew, and for no other reason.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createCallouts, newThinking } from '../../actors/peer/callouts.ts';
import type { Core } from '../../actors/peer/core.ts';
import { createWatches } from '../../actors/peer/watches.ts';
import { requestId } from '../../cluster/ids.ts';
import type { RequestId } from '../../cluster/ids.ts';
import { changesSince } from '../../cluster/state/watch.ts';
import { createApiWorld } from './api-world.ts';
import { settle } from './custom-world.ts';

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const definition = (plural: string, kind: string): object => ({
  metadata: { name: `${plural}.example.com` },
  spec: {
    group: 'example.com', scope: 'Namespaced', names: { plural, kind },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: {
      type: 'object', properties: { size: { type: 'integer' } } } } }],
  },
});

function createWorld() {
  const world = createApiWorld(), ended: RequestId[] = [], sent = new Map<RequestId, string>();
  const core = {
    defer: (work: () => void) => work(), arm: () => undefined, disarm: () => undefined,
    get state() { return world.state(); },
    ports: {
      clock: { wallMs: () => world.nowWallMs },
      clients: {
        open: () => undefined, end: (id: RequestId) => { ended.push(id); },
        tell: (ids: readonly RequestId[], text: string) => {
          for (const id of ids) sent.set(id, (sent.get(id) ?? '') + text);
        },
        chunk: (id: RequestId, text: string) => { sent.set(id, (sent.get(id) ?? '') + text); },
      },
    },
  } as unknown as Core;
  const watches = createWatches(core, {
    ended: () => undefined, callouts: createCallouts(core),
    think: (id) => newThinking(id, () => world.context()),
  });
  let told = world.state().revision;
  function ask(method: string, path: string, body?: unknown): void {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const answer = world.ask({
      method, path, headers: { 'content-type': type },
      body: body === undefined ? null : new TextEncoder().encode(JSON.stringify(body)),
    });
    assert.ok(answer.type === 'response' && answer.response.status < 300, JSON.stringify(answer));
    tell();
  }
  function tell(): void {
    const changes = changesSince(world.state(), told);
    assert.is.not(changes, 'expired');
    told = world.state().revision;
    if (changes !== 'expired') watches.applied(changes);
  }
  function watch(id: string, path: string): void {
    const answer = world.ask({ method: 'GET', path, query: 'watch=1' });
    if (answer.type !== 'watch') throw new Error(JSON.stringify(answer));
    watches.open(requestId(id), answer.watch);
  }
  ask('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  for (const each of [definition('gadgets', 'Gadget'), definition('widgets', 'Widget')]) {
    ask('POST', crds, each);
  }
  settle(world);
  tell();
  watch('gadgets', '/apis/example.com/v1/gadgets');
  watch('widgets', '/apis/example.com/v1/namespaces/default/widgets');
  watch('definitions', crds);
  return { world, ask, tell, ended, sent, count: () => watches.count() };
}

const gadgets = `${crds}/gadgets.example.com`;

test('labels and a status end nothing, another schema ends the watches of its kind alone', () => {
  const { ask, ended, sent, count } = createWorld();
  ask('PATCH', gadgets, { metadata: { labels: { a: 'b' } } });
  ask('PATCH', `${gadgets}/status`, { status: { storedVersions: ['v1'] } });
  ask('POST', '/apis/example.com/v1/namespaces/default/gadgets', { metadata: { name: 'one' }, size: 1 });
  assert.equal(ended, []);
  const properties = { size: { type: 'integer' }, depth: { type: 'integer' } };
  ask('PATCH', gadgets, { spec: { versions: [{ name: 'v1', served: true, storage: true, schema: {
    openAPIV3Schema: { type: 'object', properties },
  } }] } });
  assert.equal(ended, ['gadgets']);
  assert.match(sent.get(requestId('gadgets')) ?? '', /"type":"ADDED".*"name":"one"/);
  assert.is(count(), 2);
});

test('a definition that goes takes its watches along, behind what happened to its objects', () => {
  const { world, ask, tell, ended, sent } = createWorld();
  ask('POST', '/apis/example.com/v1/namespaces/default/gadgets', { metadata: { name: 'one' }, size: 1 });
  ask('DELETE', gadgets);
  assert.equal(ended, [], 'its objects go first');
  settle(world);
  tell();
  assert.equal(ended, ['gadgets']);
  assert.match(sent.get(requestId('gadgets')) ?? '', /"type":"DELETED".*"name":"one"/);
});

test.run();
