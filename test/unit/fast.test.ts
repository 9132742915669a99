// Large answers: lists and the beginnings of watches come in slices of a bounded size, and together say what
// one text would; objects' JSON is kept beside them within a bound; what all watches ask for is encoded once.
// Conformance: "[sig-api-machinery] Servers with support for API chunking should return chunks of results for
// list calls", "… should support continue listing from the last key if the original version has been
// compacted away, though the list is inconsistent".

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { parseBody } from '../../cluster/api/body.ts';
import { forget, jsonOf, jsonOnce, keptChars } from '../../cluster/api/encoded.ts';
import { handle } from '../../cluster/api/handle.ts';
import { createOp } from '../../cluster/api/objects.ts';
import type { ApiContext, ApiRequest, ApiResult } from '../../cluster/api/request.ts';
import { isProblem } from '../../cluster/api/status.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import { createSnapshots } from '../../actors/peer/snapshots.ts';
import type { Snapshot } from '../../actors/peer/snapshots.ts';
import type { Core } from '../../actors/peer/core.ts';
import { encodeState } from '../../cluster/state/snapshot.ts';
import { requestId, resourceName } from '../../cluster/ids.ts';
import type { Index } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { createApiWorld, startWallMs } from './api-world.ts';
import type { ApiWorld } from './api-world.ts';

interface World { readonly api: ApiWorld }

const test = suite<World>('fast');
const objects = 3_000, path = '/api/v1/namespaces/default/configmaps', valueChars = 600;

test.before((world) => {
  const api = createApiWorld(), configMaps = resourceName('core/configmaps');
  api.write([createOp(resourceName('core/namespaces'), {
    apiVersion: 'v1', kind: 'Namespace', metadata: { ...metadata('default'), namespace: undefined },
  } as object as KubeObject)]);
  for (let n = 0; n < objects; n += 100) {
    const ops = Array.from({ length: 100 }, (_, at) => createOp(configMaps, configMap(n + at)));
    assert.ok(api.write(ops).outcome.ok);
  }
  Object.assign(world, { api });
});

const nameOf = (n: number): string => `c-${String(n).padStart(5, '0')}`;
const metadata = (name: string): KubeObject['metadata'] => ({
  name, namespace: 'default', uid: `uid-${name}`, resourceVersion: '',
  creationTimestamp: '2026-11-24T08:00:00Z',
});

function configMap(n: number): KubeObject {
  const labels = { tenth: String(n % 10) }, text = `line ${n}\n\u2028${'ä€ '.repeat(valueChars / 3)}`;
  return {
    apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata(nameOf(n)), labels }, data: { text },
  } as object as KubeObject;
}

const context: ApiContext = {
  nowWallMs: startWallMs, uid: () => 'uid', suffix: () => 'bcdfg',
  peer: { ready: true, notReadyReason: '', serverAddress: '127.0.0.1:6443' },
};

function ask({ api }: World, query: string, accept = 'application/json'): ApiResult {
  const request: ApiRequest = {
    id: requestId('r'), method: 'GET', path, query, headers: { accept }, body: null,
    user: { name: 'admin', groups: ['system:masters', 'system:authenticated'] },
  };
  return handle(request, api.state(), context);
}

/** The slices of an answer, the first of which came with it. */
function slicesOf(result: ApiResult): string[] {
  if (result.type === 'watch') return [...result.watch.initial ?? []];
  if (result.type !== 'response') throw new Error(result.type);
  assert.is(result.response.status, 200);
  return [result.response.body, ...result.response.rest ?? []];
}

interface List {
  readonly kind: string; readonly items?: readonly KubeObject[]; readonly rows?: readonly unknown[];
  readonly metadata: { readonly continue?: string; readonly remainingItemCount?: number };
}

const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const partial = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';

for (const [what, accept, query, charsMax] of [
  ['JSON', 'application/json', '', 0], ['a Table', table, '', 0],
  ['a Table with objects', table, 'includeObject=Object', 0], ['metadata alone', partial, '', 0],
  ['indented JSON', 'application/json', 'pretty=true', 0], ['YAML', 'application/yaml', '', 0],
  ['what a selector lets through', 'application/json', 'labelSelector=tenth%3D3', 0],
  ['a page', 'application/json', 'limit=2000', 0],
] as const) {
  test(`a large list comes in slices of a bounded size: ${what}`, (world) => {
    const slices = slicesOf(ask(world, query, accept)), text = slices.join('');
    // The first answer holds two slices, and each may be longer by one object.
    const most = limits.sliceCharsMax + 4 * valueChars + charsMax;
    for (const [at, slice] of slices.entries()) assert.ok(slice.length <= most * (at === 0 ? 2 : 1));
    assert.ok(slices.length > 4, `${slices.length} slices`);
    const list = (accept === 'application/yaml' ? parse(text) : JSON.parse(text)) as List;
    const found = list.items ?? list.rows ?? [];
    const wanted = what === 'a page' ? 2_000 : what.startsWith('what') ? objects / 10 : objects;
    assert.is(found.length, wanted);
    assert.is(list.metadata.remainingItemCount, what === 'a page' ? objects - 2_000 : undefined);
  });
}

test('forms of a list say the same', (world) => {
  const compact = JSON.parse(slicesOf(ask(world, '')).join('')) as List;
  const indented = slicesOf(ask(world, 'pretty=true')).join('');
  assert.is(indented, `${JSON.stringify(compact, null, 2)}\n`);
  assert.equal(parse(slicesOf(ask(world, '', 'application/yaml')).join('')), compact);
});

test('a list is of the state as it was when it was begun', (world) => {
  const result = ask(world, '');
  const name = nameOf(objects - 1), key = `core/configmaps/default/${name}`;
  world.api.write([{ op: 'delete', key: key as never }]);
  const list = JSON.parse(slicesOf(result).join('')) as List;
  assert.is(list.items?.length, objects);
  assert.is((JSON.parse(slicesOf(ask(world, '')).join('')) as List).items?.length, objects - 1);
  world.api.write([createOp(resourceName('core/configmaps'), configMap(objects - 1))]);
});

test('pages of an older revision undo what changed since', (world) => {
  const first = JSON.parse(slicesOf(ask(world, 'limit=10')).join('')) as List;
  const gone = nameOf(20), changed = nameOf(21);
  world.api.write([{ op: 'delete', key: `core/configmaps/default/${gone}` as never }]);
  const old = world.api.state().objects.get(`core/configmaps/default/${changed}` as never) as KubeObject;
  const now = { ...old, data: { text: 'new' } } as KubeObject;
  world.api.write([{ op: 'update', key: `core/configmaps/default/${changed}` as never, object: now }]);
  const between = { ...configMap(0), metadata: metadata('c-00010x') };
  world.api.write([createOp(resourceName('core/configmaps'), between)]);
  const rest = JSON.parse(slicesOf(ask(world, `continue=${first.metadata.continue ?? ''}`)).join('')) as List;
  const names = (rest.items ?? []).map((each) => each.metadata.name);
  assert.equal(names, Array.from({ length: objects - 10 }, (_, n) => nameOf(n + 10)));
  assert.equal(rest.items?.[11], old);
  const back = configMap(20);
  world.api.write([createOp(resourceName('core/configmaps'), back)]);
  world.api.write([{ op: 'delete', key: 'core/configmaps/default/c-00010x' as never }]);
});

test('a watch begins in slices', (world) => {
  const slices = slicesOf(ask(world, 'watch=true&resourceVersion=0'));
  assert.ok(slices.length > 4);
  for (const slice of slices) assert.ok(slice.length <= limits.sliceCharsMax + 4 * valueChars);
  const lines = slices.join('').trimEnd().split('\n').map((line) => JSON.parse(line) as { type: string });
  assert.is(lines.length, objects);
  assert.ok(lines.every(({ type }) => type === 'ADDED'));
});

test('watches that ask for the same say so, and others do not', (world) => {
  const same = (query: string, accept?: string): string => {
    const result = ask(world, `watch=true&resourceVersion=1&${query}`, accept);
    return result.type === 'watch' ? result.watch.same : '';
  };
  assert.is(same(''), same('allowWatchBookmarks=true&timeoutSeconds=5'));
  const all = [same(''), same('labelSelector=a'), same('fieldSelector=metadata.name%3Da'), same('', table),
    same('includeObject=Object', table), same('', partial)];
  assert.is(new Set(all).size, all.length);
});

test('JSON is made once, dropped with its object, and kept within a bound', () => {
  const before = keptChars(), one = { name: 'one' };
  assert.is(jsonOf(one), '{"name":"one"}');
  assert.is(keptChars(), before + 14);
  assert.is(jsonOf(one), jsonOnce(one));
  assert.equal(Object.keys(one), ['name'], 'nothing shows on the object');
  assert.equal({ ...one, more: 1 }, { name: 'one', more: 1 });
  assert.is(jsonOf({ ...one, name: 'two' }), '{"name":"two"}', 'a copy does not take it over');
  forget(one);
  forget(one);
  assert.is(keptChars(), before + 14);
  const text = 'x'.repeat(1024 * 1024), kept = Array.from({ length: 140 }, (_, n) => ({ n, text }));
  for (const each of kept) jsonOf(each);
  assert.ok(keptChars() <= limits.encodedCharsKept);
  assert.is(jsonOf(kept[0] as object), JSON.stringify(kept[0]), 'made again');
  for (const each of kept) forget(each);
});

test('YAML of too many tokens is refused before it is parsed', () => {
  const body = (text: string): Uint8Array => new TextEncoder().encode(text);
  for (const text of ['- a\n', ']', '[]\n', '- "\n', '%A\n', '? a\n']) {
    const answer = parseBody(body(text.repeat(limits.yamlTokensMax)), 'application/yaml');
    const message = isProblem(answer) ? answer.problem.message ?? '' : '';
    assert.match(message, /more than 16384 tokens; send it as JSON/);
  }
  const broken = parseBody(body('a: 1\nb: {c: 2\n'), 'application/yaml');
  assert.match(isProblem(broken) ? broken.problem.message ?? '' : '', /^yaml: .* at line 3, column 1:$/);
  const long = `text: |\n${'  a line of a block\n'.repeat(20_000)}`;
  assert.not(isProblem(parseBody(body(long), 'application/yaml')), 'a long text is one token');
});

test('a snapshot for a peer is encoded in steps, once for all who ask, of one revision', ({ api }) => {
  const armed: (() => void)[] = [], index = api.state().revision as number as Index;
  const core = {
    state: api.state(), disarm: () => undefined,
    arm: (key: string, _ms: number, work: () => void) => { if (key === 'snapshot/encode') armed.push(work); },
  } as object as Core;
  const snapshots = createSnapshots(core, () => ({ index, term: api.state().term, members: [] }));
  const wanted = encodeState(api.state()), got: Snapshot[] = [];
  assert.is(snapshots.now(), null);
  snapshots.make((snapshot) => got.push(snapshot));
  let steps = 0;
  for (let step = armed.shift(); step !== undefined; step = armed.shift()) {
    step();
    // What is applied meanwhile does not show.
    if ((steps += 1) === 1) api.write([createOp(resourceName('core/configmaps'), configMap(objects))]);
  }
  assert.ok(steps >= 3, `${steps} steps`);
  assert.equal(got.map(({ data }) => Buffer.compare(data, wanted)), [0]);
  assert.is(snapshots.now(), got[0]);
  assert.is(snapshots.now(), null, 'it was fetched');
  api.write([{ op: 'delete', key: `core/configmaps/default/${nameOf(objects)}` as never }]);
});

test.run();
