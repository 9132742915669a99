// The tables of all kinds: what must hold between their rows, whoever writes them anew.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { flat, schemaOf } from '../../cluster/api/kinds/schema.ts';
import { definitionName, definitionNames, definitionOf } from '../../cluster/api/kinds/table.ts';
import type { Definition, Field, FieldType } from '../../cluster/api/kinds/table.ts';
import type { Schema } from '../../cluster/api/resource.ts';
import { resourceTable } from '../../cluster/api/resources/index.ts';

const all: readonly Definition[] = definitionNames().map((name) => {
  const definition = definitionOf(name);
  assert.ok(definition, name);
  return definition as Definition;
});

const inner = (type: FieldType): FieldType =>
  type.is === 'list' || type.is === 'map' || type.is === 'wrapped' ? inner(type.of) : type;

/** Lines of what is wrong. */
const everyField = (wrong: (field: Field, owner: Definition) => string | null): readonly string[] =>
  all.flatMap((owner) => owner.fields.flatMap((field) => {
    const why = wrong(field, owner);
    return why === null ? [] : [`${owner.name}.${field.name}: ${why}`];
  }));

test('every definition that a field refers to is there', () => {
  assert.equal(everyField(({ type }) => {
    const of = inner(type);
    return of.is === 'definition' && definitionOf(of.name) === null ? `no ${of.name}` : null;
  }), []);
});

test('a message gives no number twice, and JSON no name', () => {
  const twice = (list: readonly (string | number)[]): boolean => new Set(list).size < list.length;
  assert.equal(all.filter(({ fields }) => twice(fields.flatMap(({ number }) => number ?? []))), []);
  assert.equal(all.filter((one) => twice(flat(one).map(({ name }) => name))), []);
});

test('every field of every kind has a protobuf number', () => {
  // What only API machinery itself speaks, as JSON, has none.
  const withoutProtobuf = /\.meta\.v1\.Table/;
  assert.equal(everyField(({ number, name }, owner) =>
    number === null && !withoutProtobuf.test(owner.name) ? `no number for ${name}` : null), []);
});

test('keys of lists are fields of their items', () => {
  assert.equal(everyField(({ type, keys, mergeKey }) => {
    const names = [...keys, ...mergeKey === null ? [] : [mergeKey]];
    if (names.length === 0) return null;
    const of = type.is === 'list' ? type.of : type;
    const item = of.is === 'definition' ? definitionOf(of.name) : null;
    if (item === null) return 'has keys, and no items that could have them';
    const known = flat(item).map(({ name }) => name);
    return names.every((name) => known.includes(name)) ? null : `no ${names.join(', ')} in ${item.name}`;
  }), []);
});

test('defaults are of the type of their field, and among its values', () => {
  assert.equal(everyField(({ type, default: value, enum: values }) => {
    if (value === undefined) return null;
    if (type.is !== 'scalar') return 'has a default, and is no scalar';
    if (values.length > 0 && !values.includes(String(value))) return `${String(value)} is none of its values`;
    const wanted = type.scalar.startsWith('int') ? 'number' : type.scalar === 'bool' ? 'boolean' : 'string';
    return typeof value === wanted ? null : `${JSON.stringify(value)} is no ${type.scalar}`;
  }), []);
});

test('a schema has the required fields it names, and one name gives one schema', () => {
  for (const { name } of all) {
    const schema = schemaOf(name);
    assert.is(schemaOf(name), schema);
    const { required = [], fields } = schema;
    assert.equal(required.filter((field) => !Object.hasOwn(fields, field)), [], name);
  }
});

test('a type that contains itself ends', () => {
  const schema = schemaOf('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');
  const { properties } = schema.fields;
  assert.is(properties?.type === 'map' ? properties.of : null, schema);
});

test('every kind that is served is in the tables, under its plural and scope', () => {
  for (const { group, version, kind, resource, namespaced } of resourceTable) {
    const name = definitionName(group, version, kind);
    assert.ok(name !== null, kind);
    const place = definitionOf(name)?.place;
    assert.is(place?.plural, resource);
    assert.is(place?.namespaced, namespaced);
  }
});

test('lists say who owns what in server-side apply, and how they merge', () => {
  const spec = schemaOf('io.k8s.api.core.v1.PodSpec').fields;
  const containers = spec['containers'] as Schema & { type: 'list' };
  assert.is(containers.mergeKey, 'name');
  assert.equal(containers.keys, ['name']);
  const container = schemaOf('io.k8s.api.core.v1.Container').fields;
  const ports = container['ports'] as Schema & { type: 'list' };
  assert.is(ports.mergeKey, 'containerPort');
  assert.equal(ports.keys, ['containerPort', 'protocol']);
  assert.equal(container['command'], { type: 'list', of: { type: 'string' } });
  assert.equal(spec['nodeSelector'], { type: 'map', of: { type: 'string' }, atomic: true });
  assert.ok(schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector').atomic);
});

test.run();
