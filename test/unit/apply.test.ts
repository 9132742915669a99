// Server-side apply below the API: sets of fields against a model that is as plain as can be, their text and
// order, and what a merge makes of lists. What a client sees of it is in test/data/apply.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compare, fieldsOf } from '../../cluster/api/apply/compare.ts';
import { compareElements, keyElement, pathText, valueElement } from '../../cluster/api/apply/elements.ts';
import {
  difference, has, intersection, isEmpty, noFields, pathsOf, readFields, sameFields, setOfPaths, union,
  without,
} from '../../cluster/api/apply/fields.ts';
import type { Fields } from '../../cluster/api/apply/fields.ts';
import {
  capped, identityOf, isReset, managedOf, readManagers, writeManagers,
} from '../../cluster/api/apply/managers.ts';
import type { Managed } from '../../cluster/api/apply/managers.ts';
import { merge, remove, withNamedFields } from '../../cluster/api/apply/merge.ts';
import { ownedPart } from '../../cluster/api/apply/shape.ts';
import type { Json } from '../../cluster/api/body.ts';
import { schemaOf } from '../../cluster/api/kinds/schema.ts';
import type { Schema } from '../../cluster/api/resource.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { withSharedOwners } from '../../cluster/state/owners.ts';

// ── sets against a model ─────────────────────────────────────────────────────────────────────────────────

const alphabet = [
  'f:a', 'f:b', 'f:spec', 'k:{"name":"x"}', 'k:{"name":"y"}', 'k:{"port":9}', 'k:{"port":80}', 'v:"a"', 'v:2',
  'v:10', 'v:true', 'i:2', 'i:10',
];

/** A set as a list of paths; a path as one text. */
type Model = ReadonlySet<string>;

const separator = '\n';
const pathOf = (text: string): string[] => text.split(separator);
const modelOf = (set: Fields): Model => new Set(pathsOf(set).map((path) => path.join(separator)));
const setOf = (model: Model): Fields => setOfPaths([...model].map(pathOf));
const sorted = (model: Model): string[] => [...model].sort();

function drawModel(random: Random): Model {
  const paths = Array.from({ length: random.below(9) }, () =>
    Array.from({ length: 1 + random.below(3) }, () => alphabet[random.below(alphabet.length)] ?? 'f:a')
      .join(separator));
  return new Set(paths);
}

const filtered = (model: Model, keeps: (path: string) => boolean): Model => new Set([...model].filter(keeps));

test('the algebra of sets does as a set of paths does, whatever is drawn', () => {
  const random = createRandom(20_261_124);
  for (let round = 0; round < 3_000; round++) {
    const a = drawModel(random), b = drawModel(random), left = setOf(a), right = setOf(b);
    const under = (path: string): boolean =>
      [...b].some((other) => path === other || path.startsWith(`${other}${separator}`));
    const results = [
      [union(left, right), new Set([...a, ...b])],
      [intersection(left, right), filtered(a, (path) => b.has(path))],
      [difference(left, right), filtered(a, (path) => !b.has(path))],
      [without(left, right), filtered(a, (path) => !under(path))],
    ] as const;
    for (const [set, model] of results) {
      assert.equal(sorted(modelOf(set)), sorted(model));
      // Equal sets are equal texts, however they came to be.
      assert.is(JSON.stringify(set), JSON.stringify(setOf(new Set(sorted(model)))));
      assert.is(isEmpty(set), model.size === 0);
      assert.ok(sameFields(set, setOf(model)));
    }
    for (const path of [...a, ...b]) assert.is(has(left, pathOf(path)), a.has(path));
    assert.equal(readFields(JSON.parse(JSON.stringify(left)) as Json), left);
  }
});

test('a set that is not changed is the same value', () => {
  const a = setOfPaths([['f:a'], ['f:b', 'f:c']]), none = setOfPaths([['f:z']]);
  assert.is(difference(a, none), a);
  assert.is(union(a, setOfPaths([['f:a']])), a);
  assert.is(union(a, noFields), a);
  assert.is(intersection(a, union(a, none)), a);
});

test('a field and what is below it are in a set each for itself', () => {
  const set = setOfPaths([['f:a'], ['f:a', 'f:b']]);
  assert.is(JSON.stringify(set), '{"f:a":{".":{},"f:b":{}}}');
  assert.is(JSON.stringify(difference(set, setOfPaths([['f:a']]))), '{"f:a":{"f:b":{}}}');
  assert.is(JSON.stringify(difference(set, setOfPaths([['f:a', 'f:b']]))), '{"f:a":{}}');
});

// ── elements ─────────────────────────────────────────────────────────────────────────────────────────────

test('elements have one order: fields, keys, values, places; numbers by number, text by code point', () => {
  const ordered = [
    'f:', 'f:A', 'f:a', 'f:a.b', 'f:ab', 'f:\uffee', 'f:\u{1F600}', 'k:{"a":1}', 'k:{"a":2,"b":1}',
    'k:{"a":10}', 'k:{"a":"1"}', 'k:{"b":0}', 'v:-1', 'v:2', 'v:10', 'v:"10"',
    'v:"9"', 'v:false', 'v:true', 'v:null', 'i:2', 'i:10',
  ];
  for (const [at, a] of ordered.entries()) {
    for (const [other, b] of ordered.entries()) {
      assert.is(Math.sign(compareElements(a, b)), Math.sign(at - other), `${a} ${b}`);
    }
  }
});

test('keys are sorted, and written as Go writes JSON', () => {
  assert.is(keyElement([['protocol', 'TCP'], ['port', 80]]), 'k:{"port":80,"protocol":"TCP"}');
  assert.is(valueElement('<a&b>\u2028'), 'v:"\\u003ca\\u0026b\\u003e\\u2028"');
  assert.is(pathText(['f:spec', 'f:ports', 'k:{"port":80,"protocol":"TCP"}', 'f:name']),
    '.spec.ports[port=80,protocol="TCP"].name');
  assert.is(pathText(['f:finalizers', 'v:"x/y"']), '.finalizers[="x/y"]');
  assert.is(pathText(['f:a', 'i:3']), '.a[3]');
});

test('what a client sends as a set is put in its form, or refused', () => {
  const read = (text: string): string => JSON.stringify(readFields(JSON.parse(text) as Json));
  assert.is(read('{}'), '{}');
  assert.is(read('{".":{}}'), '{}');
  assert.is(read('{"f:b":{},"f:a":{"f:c":{},".":{}}}'), '{"f:a":{".":{},"f:c":{}},"f:b":{}}');
  assert.is(read('{"k:{ \\"b\\" : 1, \\"a\\":2}":{}}'), '{"k:{\\"a\\":2,\\"b\\":1}":{}}');
  assert.is(read('{"v: 1.0":{"f:a":{}},"v:1":{}}'), '{"v:1":{".":{},"f:a":{}}}');
  assert.is(read('{"x:later":{},"f:a":{}}'), '{"f:a":{}}');
  for (const wrong of ['{"a":{}}', '{"f":{}}', '{"f:a":1}', '{"f:a":[]}', '{"v:{":{}}', '{"k:1":{}}',
    '{"i:x":{}}', '{"k:{\\"a\\":[1]}":{}}', '[]', '"f:a"', '{"f:a":{"f:b":null}}']) {
    assert.is(read(wrong), 'null', wrong);
  }
});

// ── values ───────────────────────────────────────────────────────────────────────────────────────────────

const pod = schemaOf('io.k8s.api.core.v1.PodSpec');
const containers = (...given: readonly Json[]): Json => ({ containers: given });
const named = (...names: readonly string[]): Json => containers(...names.map((name) => ({ name })));
const namesOf = (value: Json): string =>
  (value as { containers: { name: string }[] }).containers.map(({ name }) => name).join('');

test('a merged list keeps the order of what is applied, and the others where they stood', () => {
  const merged = (live: string, applied: string): string =>
    namesOf(merge(named(...live), named(...applied), pod));
  assert.is(merged('abc', ''), 'abc');
  assert.is(merged('abc', 'b'), 'abc');
  assert.is(merged('abc', 'x'), 'abcx');
  assert.is(merged('abc', 'xa'), 'xabc');
  assert.is(merged('abc', 'ca'), 'bca');
  assert.is(merged('abcd', 'dxb'), 'acdxb');
  assert.is(merged('', 'ba'), 'ba');
});

test('a merge shares what it does not touch, and takes nothing away', () => {
  const live = { ...containers({ name: 'a', image: 'i', args: ['x'] }) as object, nodeName: 'n' } as Json;
  const result = merge(live, containers({ name: 'a', args: ['y', 'z'] }), pod);
  assert.equal(result, { containers: [{ name: 'a', image: 'i', args: ['y', 'z'] }], nodeName: 'n' });
  assert.equal(merge(live, { nodeSelector: null, containers: null }, pod),
    { ...live as object, nodeSelector: null });
});

test('of items that are alike none is merged, and all of them are one field', () => {
  const twice = containers({ name: 'a', image: '1' }, { name: 'a', image: '2' }, { name: 'b' });
  const set = JSON.stringify(fieldsOf(twice, pod));
  assert.is(set, '{"f:containers":{"k:{\\"name\\":\\"a\\"}":{},'
    + '"k:{\\"name\\":\\"b\\"}":{".":{},"f:name":{}}}}');
  assert.equal(merge(twice, containers({ name: 'a', image: '3' }), pod),
    containers({ name: 'a', image: '3' }, { name: 'b' }));
});

test('what is compared is told once: written or removed', () => {
  const before = containers({ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b' });
  const after = containers({ name: 'a', image: '2', env: [{ name: 'X', value: '1' }, { name: 'Y' }] });
  const { written, removed } = compare(before, after, pod, true);
  assert.equal(pathsOf(written).map(pathText), [
    '.containers[name="a"].image', '.containers[name="a"].env[name="Y"]',
    '.containers[name="a"].env[name="Y"].name',
  ]);
  assert.equal(pathsOf(removed).map(pathText), [
    '.containers[name="b"]', '.containers[name="b"].name', '.containers[name="b"].resources',
  ]);
  assert.ok(isEmpty(compare(after, JSON.parse(JSON.stringify(after)) as Json, pod, true).written));
});

test('what is removed takes along structures that hold nothing else', () => {
  const value = containers({ name: 'a', image: '1', resources: { limits: { cpu: '1' } } });
  const set = withNamedFields(setOfPaths([
    ['f:containers', 'k:{"name":"a"}', 'f:resources', 'f:limits', 'f:cpu'],
  ]), pod);
  assert.ok(has(set, ['f:containers', 'k:{"name":"a"}', 'f:resources']));
  assert.equal(remove(value, setOfPaths([['f:containers', 'k:{"name":"a"}', 'f:resources']]), pod),
    containers({ name: 'a', image: '1' }));
  assert.equal(remove(value, setOfPaths([['f:containers', 'k:{"name":"a"}']]), pod), { containers: null });
});

test('a write owns neither identity nor what the API keeps, and status only through status', () => {
  const schema: Schema = schemaOf('io.k8s.api.apps.v1.Deployment');
  const object = {
    apiVersion: 'apps/v1', kind: 'Deployment',
    metadata: {
      name: 'a', namespace: 'b', uid: 'u', resourceVersion: '1', labels: { a: 'b' },
      generation: 2,
    },
    spec: { replicas: 1 }, status: { replicas: 1 },
  } as Json;
  const through = (subresource: string): string => JSON.stringify(
    fieldsOf(object, ownedPart({ schema, subresources: ['status'] }, subresource)));
  assert.is(through(''), '{"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:replicas":{}}}');
  assert.is(through('status'), '{"f:status":{"f:replicas":{}}}');
});

test('of a custom kind, keys have its defaults, and what it does not describe is owned by field', () => {
  const fields = { port: { type: 'integer' }, protocol: { type: 'string' } } as const;
  const item: Schema = { type: 'object', fields }, keyDefaults = { protocol: 'TCP' };
  const schema: Schema = {
    type: 'object', others: { type: 'any' }, fields: {
      ports: { type: 'list', of: item, owned: 'map', keys: ['port', 'protocol'], keyDefaults },
    },
  };
  const value: Json = { ports: [{ port: 80 }], free: { deep: { list: [1, 2] } } };
  assert.equal(pathsOf(fieldsOf(value, schema)).map(pathText), [
    '.free', '.free.deep', '.free.deep.list', '.ports[port=80,protocol="TCP"]',
    '.ports[port=80,protocol="TCP"].port',
  ]);
  const applied: Json = { ports: [{ port: 80, protocol: 'TCP' }], free: { deep: { list: [3] } } };
  assert.equal(merge(value, applied, schema), applied);
});

test('names that JavaScript has for itself are fields like others', () => {
  const map: Schema = { type: 'map', of: { type: 'string' } };
  const live = JSON.parse('{"constructor":"a","toString":"b"}') as Json;
  assert.equal(pathsOf(fieldsOf(live, map)).map(pathText), ['.constructor', '.toString']);
  assert.equal(merge({}, live, map), live);
  assert.equal(remove(live, setOfPaths([['f:toString']]), map), { constructor: 'a' });
  assert.ok(!has(noFields, ['f:a']) && !has(noFields, ['constructor']));
});

// ── managers ─────────────────────────────────────────────────────────────────────────────────────────────

test('entries are in one order, and those that own nothing are gone', () => {
  const set = setOfPaths([['f:a']]);
  const entry = (manager: string, operation: 'Apply' | 'Update', time?: string, through = ''): Managed =>
    managedOf(manager, operation, 'v1', through, set, time);
  const given = [
    entry('b', 'Update', '2026-01-01T00:00:02Z'), entry('z', 'Update'),
    entry('a', 'Update', '2026-01-01T00:00:02Z'),
    entry('c', 'Apply', '2026-01-01T00:00:09Z'), entry('a', 'Update', '2026-01-01T00:00:02Z', 'status'),
    managedOf('empty', 'Apply', 'v1', '', noFields, undefined),
  ];
  const written = writeManagers(new Map(given.map((each) => [identityOf(each), each] as const)));
  assert.equal(written.map(({ manager, subresource = '' }) => `${manager}${subresource}`),
    ['c', 'z', 'a', 'astatus', 'b']);
  assert.equal([...readManagers(JSON.parse(JSON.stringify(written)) as Json[])?.values() ?? []], written);
});

test('only updates are capped, oldest first, by version', () => {
  const entries = Array.from({ length: 14 }, (_, at) => managedOf(`m${at}`, at === 0 ? 'Apply' : 'Update',
    at % 2 === 0 ? 'v1' : 'v2', '', setOfPaths([[`f:f${at}`]]),
    `2026-01-01T00:00:${String(at).padStart(2, '0')}Z`));
  const kept = writeManagers(capped(new Map(entries.map((each) => [identityOf(each), each] as const))));
  const shown = kept.map(({ manager, apiVersion, time, fieldsV1 }) =>
    `${manager} ${apiVersion} ${time?.slice(-3)} ${Object.keys(fieldsV1).join(' ')}`);
  assert.equal(shown.slice(0, 4), [
    'm0 v1 00Z f:f0', 'ancient-changes v1 04Z f:f2 f:f4', 'ancient-changes v2 05Z f:f1 f:f3 f:f5',
    'm6 v1 06Z f:f6',
  ]);
  assert.is(kept.filter(({ operation }) => operation === 'Update').length, 10);
});

test('an empty list, or one empty entry, asks to start again', () => {
  assert.ok(isReset([]) && isReset([{}]));
  assert.not(isReset(undefined) || isReset(null) || isReset([{}, {}]) || isReset([{ manager: 'a' }]));
});

// ── in memory ────────────────────────────────────────────────────────────────────────────────────────────

test('the state keeps equal sets once, and says of them what was said', () => {
  const object = (fieldsV1: Json): KubeObject => ({
    apiVersion: 'v1', kind: 'ConfigMap',
    metadata: {
      name: 'a', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-11-24T08:00:00Z',
      managedFields: [{
        manager: 'm', operation: 'Update', apiVersion: 'v1', time: 't', fieldsType: 'FieldsV1', fieldsV1,
      }],
    },
  });
  const setIn = (one: KubeObject): unknown =>
    (one.metadata.managedFields?.[0] as { fieldsV1: unknown } | undefined)?.fieldsV1;
  const text = '{"f:data":{".":{},"f:a":{},"f:b":{"f:c":{}}},"f:x":{"f:c":{}}}';
  const one = withSharedOwners(object(JSON.parse(text) as Json));
  const other = withSharedOwners(object(JSON.parse(text) as Json));
  assert.is(JSON.stringify(one), JSON.stringify(object(JSON.parse(text) as Json)));
  assert.ok(setIn(one) === setIn(other), 'one set for both');
  // Names are told apart, however they are made.
  const tricky = ['{"f:a0;3:f:b":{}}', '{"f:a":{},"f:b":{}}', '{"f:b":{},"f:a":{}}', '{"f:a":{"f:b":{}}}'];
  for (const each of tricky) {
    assert.is(JSON.stringify(setIn(withSharedOwners(object(JSON.parse(each) as Json)))), each);
  }
  for (const odd of ['text', null, 7, [1], { 'f:a': 7 }, { 'f:a': [] }] as Json[]) {
    assert.equal(setIn(withSharedOwners(object(odd))), odd);
  }
});

test.run();
