// Every kind by its API, as the conformance tests that are about kinds do it, each named after its test: an
// object is created three times, read, listed, watched, patched, updated, its status written, deleted alone
// and with its collection. What differs between kinds is in test/data/kinds/lifecycles.yaml.

import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { resourceByKind } from '../../cluster/api/resources/index.ts';
import type { Resource } from '../../cluster/api/resource.ts';
import { createApiWorld, sent } from './api-world.ts';
import type { ApiWorld, OpenWatch } from './api-world.ts';

type Value = Record<string, unknown>;

interface Lifecycle {
  readonly test: string;
  readonly object: Value & { readonly apiVersion: string; readonly kind: string };
  /** A merge patch that is taken, and the generation after it. */
  readonly change?: Value; readonly generation?: number;
  readonly status?: Value;
  /** A write of the status changes nothing else, not even annotations. */
  readonly sealed?: boolean;
  readonly columns?: string; readonly cells?: string;
  /** Merged into the object: what makes it be refused, and the beginning of why. */
  readonly refused?: Value; readonly because?: string;
  /** A merge patch that is refused, as the field can't change. */
  readonly frozen?: Value;
  readonly fields?: readonly string[];
  readonly names?: readonly string[];
}

interface Shown extends Value {
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly generation?: number;
    readonly annotations?: Record<string, string> };
  readonly items: readonly Shown[];
  readonly message: string;
}

const text = readFileSync('test/data/kinds/lifecycles.yaml', 'utf8');
const lifecycles = parseAllDocuments(text).map((document) => document.toJS() as Lifecycle);

function mergeInto(object: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const out: Value = typeof object === 'object' && object !== null && !Array.isArray(object)
    ? { ...object } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = mergeInto(out[key], value);
  }
  return out;
}

interface Client {
  readonly world: ApiWorld;
  readonly path: string;
  readonly ask: (method: string, path: string, body?: unknown, type?: string, accept?: string) =>
    { status: number; body: Shown };
}

function clientOf({ group, version, namespaced, resource }: Resource): Client {
  const world = createApiWorld(), encoder = new TextEncoder();
  const ask: Client['ask'] = (method, target, body, type = 'application/json', accept) => {
    const [path = '', query = ''] = target.split('?');
    const answer = world.ask({
      method, path, query,
      headers: { 'content-type': type, ...accept === undefined ? {} : { accept } },
      body: body === undefined ? null : encoder.encode(JSON.stringify(body)),
    });
    assert.is(answer.type, 'response', `${method} ${target}`);
    const { response } = answer as Extract<typeof answer, { type: 'response' }>;
    return { status: response.status, body: JSON.parse(response.body) as Shown };
  };
  ask('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return { world, ask, path: `${root}${namespaced ? '/namespaces/default' : ''}/${resource}` };
}

const merge = 'application/merge-patch+json', label = 'special-label=e2e';

function watched(world: ApiWorld, path: string, revision: string): OpenWatch {
  const query = `watch=true&resourceVersion=${revision}&labelSelector=${encodeURIComponent(label)}`;
  const answer = world.ask({ method: 'GET', path, query });
  assert.is(answer.type, 'watch');
  const { watch } = answer as Extract<typeof answer, { type: 'watch' }>;
  return { watch, seen: watch.from };
}

function run(one: Lifecycle): void {
  const { object } = one, resource = resourceByKind(object.apiVersion, object.kind);
  assert.ok(resource !== null, `${object.kind} is served`);
  if (resource === null) return;
  const client = clientOf(resource), { world, ask, path } = client, names = one.names ?? ['a', 'b', 'c'];
  const labels = { 'special-label': 'e2e' };
  const named = (name: string): Value => ({ ...object, metadata: { name, labels } });
  for (const name of names) {
    const { status, body } = ask('POST', path, named(name));
    assert.is(status, 201, `create ${name}: ${body.message}`);
    assert.is(body.metadata.generation, resource.hasGeneration ? 1 : undefined, 'generation of a new object');
  }
  const listed = (): readonly Shown[] => ask('GET', `${path}?labelSelector=${label}`).body.items;
  const { body: list } = ask('GET', path);
  assert.is(list['kind'], `${object.kind}List`);
  assert.equal(listed().map(({ metadata }) => metadata.name), names);
  const open = watched(world, path, String((list.metadata as { resourceVersion: string }).resourceVersion));
  const [first = ''] = names, own = `${path}/${encodeURIComponent(first)}`;
  change(one, client, own);
  if (one.status !== undefined) writeStatus(one, client, own);
  for (const field of one.fields ?? []) {
    const { body } = ask('GET', `${path}?fieldSelector=${encodeURIComponent(field)}`);
    assert.is(body.items?.length, names.length, `${field}: ${body.message}`);
  }
  if (one.columns !== undefined) checkTable(one, client, own);
  if (one.refused !== undefined) refuses(one, client, named('refused'));
  assert.is(ask('DELETE', own).status, 200);
  assert.is(ask('GET', own).status, 404);
  assert.is(listed().length, names.length - 1);
  assert.is(ask('DELETE', `${path}?labelSelector=${label}`).status, 200);
  assert.is(listed().length, 0);
  const types = sent(world, open).split('\n').filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { type: string; object: Shown }));
  assert.ok(types.some(({ type }) => type === 'MODIFIED'), 'changes are watched');
  assert.is(types.filter(({ type }) => type === 'DELETED').length, names.length, 'each deletion is watched');
  assert.ok(types.every(({ object: seen }) => seen['apiVersion'] === object.apiVersion),
    'in its own version');
}

function change(one: Lifecycle, { ask }: Client, own: string): void {
  const patch = mergeInto(one.change ?? {}, { metadata: { annotations: { patched: 'true' } } });
  const patched = ask('PATCH', own, patch, merge).body;
  assert.is(patched.metadata?.annotations?.['patched'], 'true', `patched: ${patched.message}`);
  if (one.generation !== undefined) assert.is(patched.metadata.generation, one.generation);
  const annotations = { ...patched.metadata.annotations, updated: 'true' };
  const updated = ask('PUT', own, { ...patched, metadata: { ...patched.metadata, annotations } }).body;
  assert.is(updated.metadata?.annotations?.['updated'], 'true', `updated: ${updated.message}`);
  assert.is(updated.metadata.generation, patched.metadata.generation, 'annotations raise no generation');
  if (one.frozen === undefined) return;
  const refused = ask('PATCH', own, one.frozen, merge);
  assert.is(refused.status, 422, 'what is immutable does not change');
}

function writeStatus(one: Lifecycle, { ask }: Client, own: string): void {
  const patch = { metadata: { annotations: { patchedstatus: 'true' } }, status: one.status };
  const patched = ask('PATCH', `${own}/status`, patch, merge).body;
  assert.equal(mergeInto(patched['status'], one.status), patched['status'], `status: ${patched.message}`);
  const annotated = patched.metadata.annotations?.['patchedstatus'];
  assert.is(annotated, one.sealed === true ? undefined : 'true', 'annotations by way of the status');
  const { body: read } = ask('GET', `${own}/status`);
  assert.is(ask('PUT', `${own}/status`, read).status, 200);
  const { body: again } = ask('PUT', own, { ...read, status: {} });
  assert.equal(again['status'], read['status'], 'the status does not change with the object');
}

function checkTable(one: Lifecycle, { ask }: Client, own: string): void {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const { body } = ask('GET', own, undefined, 'application/json', accept);
  const columns = body['columnDefinitions'] as readonly { name: string; priority: number }[];
  assert.is(columns.map(({ name, priority }) => `${'+'.repeat(priority)}${name}`).join('|'), one.columns);
  const rows = body['rows'] as readonly { cells: readonly unknown[] }[];
  if (one.cells !== undefined) assert.is(rows[0]?.cells.join('|'), one.cells);
}

function refuses(one: Lifecycle, { ask, path }: Client, object: Value): void {
  const { status, body } = ask('POST', path, mergeInto(object, one.refused));
  assert.is(status, 422, `refused: ${JSON.stringify(body)}`);
  const causes = (body['details'] as { causes: readonly { field: string; message: string }[] }).causes;
  const said = causes.map(({ field, message }) => `${field}: ${message}`);
  assert.ok(said.some((why) => why.startsWith(one.because ?? '')), said.join('\n'));
}

for (const one of lifecycles) test(one.test, () => run(one));

test.run();
