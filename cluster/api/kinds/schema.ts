// Schemas out of the tables of all kinds. A schema is made when it is first asked for, and its fields when
// they are first looked at: a peer that serves pods never builds what a resource claim is made of, and types
// that contain themselves (a JSON schema does) come to no harm.
//
// What always holds: one name gives one schema, the very same object each time.

import { assert, unreachable } from '../../assert.ts';
import type { ListSchema, ObjectSchema, Schema } from '../resource.ts';
import { definitionName, definitionOf } from './table.ts';
import type { Definition, Field, FieldType, Scalar } from './table.ts';

/**
 * The schema of a definition by its OpenAPI name, e.g. `io.k8s.api.batch.v1.Job`; of a kind the whole object
 * with apiVersion, kind and metadata. A name that no table has is a programmer's error.
 */
export function schemaOf(name: string): ObjectSchema {
  const known = made.get(name);
  if (known !== undefined) return known;
  const definition = definitionOf(name);
  assert(definition !== null, `the tables of the kinds have ${name}`);
  const schema = objectOf(definition);
  made.set(name, schema);
  return schema;
}

/** The schema of a kind of a stable group. */
export function schemaOfKind(group: string, version: string, kind: string): ObjectSchema {
  const name = definitionName(group, version, kind);
  assert(name !== null, `the tables of the kinds have ${kind} in ${group} ${version}`);
  return schemaOf(name);
}

const made = new Map<string, ObjectSchema>();

function objectOf(definition: Definition): ObjectSchema {
  const { name, atomic } = definition;
  const all = flat(definition);
  const namesOf = (list: readonly Field[]): string[] => list.map((field) => field.name);
  const required = namesOf(all.filter((field) => field.required)).sort();
  const kept = namesOf(all.filter(({ always, type }) => always && (type.is === 'list' || type.is === 'map')));
  let fields: Readonly<Record<string, Schema>> | null = null;
  return {
    type: 'object', name,
    get fields() { return fields ??= fieldsOf(definition); },
    ...(required.length === 0 ? {} : { required }),
    ...(kept.length === 0 ? {} : { kept }),
    ...(atomic ? { atomic } : {}),
  };
}

function fieldsOf(definition: Definition): Readonly<Record<string, Schema>> {
  const typeMeta = definition.isKind ? [['apiVersion', text], ['kind', text]] as const : [];
  const own = flat(definition).map((field) => [field.name, schemaOfField(field)] as const);
  return Object.fromEntries([...typeMeta, ...own]);
}

/** With the fields of embedded messages, as JSON shows them. */
export function flat(definition: Definition): readonly Field[] {
  return definition.fields.flatMap((field) => {
    if (field.name !== '...') return [field];
    assert(field.type.is === 'definition', 'what is embedded is a message');
    const inner = definitionOf(field.type.name);
    assert(inner !== null, `the tables of the kinds have ${field.type.name}`);
    return flat(inner);
  });
}

const text: Schema = { type: 'string' };

function schemaOfField(field: Field): Schema {
  const { type, patch, owned } = field;
  const schema = schemaOfType(type);
  switch (schema.type) {
    case 'list': return listOf(field, schema.of);
    case 'map': return owned === 'atomic' ? { ...schema, atomic: true } : schema;
    case 'object': {
      const strategy = patch.includes('replace') ? 'replace'
        : patch.includes('retainKeys') ? 'retainKeys' : null;
      if (strategy === null && owned === null) return schema;
      // Not spread: that would look at the fields.
      return {
        type: 'object', get fields() { return schema.fields; },
        ...(schema.name === undefined ? {} : { name: schema.name }),
        ...(schema.required === undefined ? {} : { required: schema.required }),
        ...(schema.kept === undefined ? {} : { kept: schema.kept }),
        ...(strategy === null ? {} : { patch: strategy }),
        ...(owned === 'atomic' || (owned === null && schema.atomic === true) ? { atomic: true } : {}),
      };
    }
    default: return schema;
  }
}

function listOf({ patch, mergeKey, owned, keys }: Field, of: Schema): ListSchema {
  const merges = patch.includes('merge');
  return {
    type: 'list', of,
    ...(merges && mergeKey !== null ? { mergeKey } : {}),
    ...(merges && mergeKey === null ? { set: true } : {}),
    ...(owned === 'set' ? { owned } : {}),
    ...(owned === 'map' ? { owned, keys } : {}),
  };
}

function schemaOfType(type: FieldType): Schema {
  switch (type.is) {
    case 'scalar': return scalarSchemas[type.scalar];
    case 'list': case 'wrapped': return { type: 'list', of: schemaOfType(type.of) };
    case 'map': return { type: 'map', of: schemaOfType(type.of) };
    case 'definition': return definitionOf(type.name)?.as === null ? schemaOf(type.name) : anything;
    default: return unreachable(type);
  }
}

const anything: Schema = { type: 'any' };
const scalarSchemas: Readonly<Record<Scalar, Schema>> = {
  string: text, bool: { type: 'boolean' },
  int32: { type: 'integer', bits: 32 }, int64: { type: 'integer', bits: 64 },
  double: { type: 'number' }, bytes: { type: 'bytes' }, time: { type: 'time' },
  'micro-time': { type: 'time', micro: true }, quantity: { type: 'quantity' },
  'int-or-string': { type: 'int-or-string' }, any: anything,
};
