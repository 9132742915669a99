// What server-side apply needs to know of a schema: which part of an object a write may own, which fields of
// a structure Kubernetes' Go types always have, and how the items of a list are told apart.
//
// What always holds: all of it is made once per schema and kept with it.
// Source: the Go types of Kubernetes 1.36 (a structure that is no pointer is always there, and so is a field
// without `omitempty`), and the `default=` of list keys, both from the tables in `kinds/`.

import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { definitionOf } from '../kinds/table.ts';
import { flat } from '../kinds/schema.ts';
import type { Field } from '../kinds/table.ts';
import type { ListSchema, ObjectSchema, Resource, Schema } from '../resource.ts';
import { isScalar, keyElement, valueElement } from './elements.ts';
import type { Scalar } from './elements.ts';

// ── the part that a write may own ────────────────────────────────────────────────────────────────────────

/** Metadata that clients own; the rest is the API's. */
const ownedMetadata = ['annotations', 'finalizers', 'generateName', 'labels', 'ownerReferences'];

/**
 * The schema of what a write through this subresource (empty: the object itself) may own. Whatever it does
 * not name is passed over: identity, what the API keeps, and status or all but status.
 */
export function ownedPart(resource: Pick<Resource, 'schema' | 'subresources'>, subresource: string): Schema {
  const known = parts.get(resource.schema)?.get(subresource);
  if (known !== undefined) return known;
  const part = partOf(resource, subresource);
  const all = parts.get(resource.schema) ?? new Map<string, Schema>();
  parts.set(resource.schema, all.set(subresource, part));
  return part;
}

const parts = new WeakMap<Schema, Map<string, Schema>>();

function partOf(
  { schema, subresources }: Pick<Resource, 'schema' | 'subresources'>, subresource: string,
): Schema {
  if (schema.type !== 'object') return schema;
  const isStatus = subresource === 'status' || subresource === 'approval';
  if (isStatus) return pick(schema, (name) => name === 'status');
  if (subresource !== '' && subresource !== 'scale') return pick(schema, (name) => name === 'spec');
  const hidden = ['apiVersion', 'kind', ...subresources.includes('status') ? ['status'] : []];
  const part = pick(schema, (name) => !hidden.includes(name));
  return schema.others === undefined ? part : { ...part, others: schema.others, except: hidden };
}

function pick(schema: ObjectSchema, keeps: (name: string) => boolean): ObjectSchema {
  const fields = Object.entries(schema.fields).filter(([name]) => keeps(name)).map(([name, field]) => {
    if (name !== 'metadata' || field.type !== 'object') return [name, field] as const;
    const owned = Object.entries(field.fields).filter(([each]) => ownedMetadata.includes(each));
    return [name, { ...field, fields: Object.fromEntries(owned) }] as const;
  });
  const { others, ...rest } = schema;
  // What the part is made of may be a field that no schema names.
  const unnamed = others === undefined || !keeps('status') || Object.hasOwn(schema.fields, 'status') ? {}
    : { status: others };
  return { ...rest, fields: { ...unnamed, ...Object.fromEntries(fields) } };
}

// ── what is always there ─────────────────────────────────────────────────────────────────────────────────

/** The fields of the structure that are there whatever an object says, with what they then hold. */
export function alwaysThere(schema: ObjectSchema): ReadonlyMap<string, Json> {
  const known = zeros.get(schema);
  if (known !== undefined) return known;
  const found = new Map<string, Json>();
  const definition = schema.name === undefined ? null : definitionOf(schema.name);
  for (const field of definition === null ? [] : flat(definition)) {
    const zero = Object.hasOwn(schema.fields, field.name) ? zeroOf(field) : undefined;
    if (zero !== undefined) found.set(field.name, zero);
  }
  // What a custom kind has of its own, its objects may lack.
  if (Object.hasOwn(schema.fields, 'metadata')) found.set('metadata', {});
  zeros.set(schema, found);
  return found;
}

const zeros = new WeakMap<ObjectSchema, ReadonlyMap<string, Json>>();

function zeroOf({ name, type, always }: Field): Json | undefined {
  switch (type.is) {
    case 'definition': {
      if (type.pointer) return always ? null : undefined;
      return definitionOf(type.name)?.as === null ? {} : always ? null : undefined;
    }
    case 'scalar':
      if (type.pointer) return always ? null : undefined;
      return always || (structures.includes(type.scalar) && name !== 'creationTimestamp')
        ? scalarZero(type.scalar) : undefined;
    default: return always ? null : undefined;
  }
}

/** Scalars that are structures in Go, whose zero `omitempty` does not leave out. */
const structures: readonly string[] = ['time', 'micro-time', 'duration', 'quantity', 'int-or-string'];

function scalarZero(scalar: string): Json {
  switch (scalar) {
    case 'bool': return false;
    case 'int32': case 'int64': case 'double': case 'int-or-string': return 0;
    case 'string': return '';
    case 'quantity': return '0';
    case 'duration': return '0s';
    default: return null;
  }
}

// ── items ────────────────────────────────────────────────────────────────────────────────────────────────

/** How an item is told from the others of its list, or why it can't be. `owned` is not absent. */
export function itemElement(item: Json, list: ListSchema): string | { readonly wrong: string } {
  if (list.owned === 'set') return setElement(item);
  if (item === null) return { wrong: 'associative list with keys may not have a null element' };
  if (!isObject(item)) return { wrong: 'associative list with keys may not have non-map elements' };
  const keys: (readonly [string, Scalar])[] = [];
  for (const name of list.keys ?? []) {
    const value = Object.hasOwn(item, name) ? item[name] : keyDefault(list, name);
    if (value === undefined) {
      return {
        wrong: 'associative list with keys has an element that omits key field '
          + `${JSON.stringify(name)} (and doesn't have default value)`,
      };
    }
    if (!isScalar(value)) return { wrong: `key field ${JSON.stringify(name)} is no scalar` };
    keys.push([name, value]);
  }
  return keyElement(keys);
}

function setElement(item: Json): string | { readonly wrong: string } {
  if (item === null) return { wrong: "associative list without keys has an element that's an explicit null" };
  if (isScalar(item)) return valueElement(item);
  return { wrong: Array.isArray(item) ? 'not supported: associative list with lists as elements'
    : "associative list without keys has an element that's a map type" };
}

/** What a key that is left out stands for: a port without protocol is one of TCP, one without name has ''. */
function keyDefault({ of, keyDefaults = {} }: ListSchema, name: string): Json | undefined {
  if (Object.hasOwn(keyDefaults, name)) return keyDefaults[name] as Json;
  if (of.type !== 'object' || of.name === undefined) return undefined;
  const definition = definitionOf(of.name);
  const field = definition === null ? undefined : flat(definition).find((each) => each.name === name);
  if (field === undefined || field.default !== undefined) return field?.default;
  const { type, always } = field;
  return always && type.is === 'scalar' && !type.pointer ? scalarZero(type.scalar) : undefined;
}

/** The items by their elements, several where they are alike; of an item without one the place. */
export function itemsByElement(list: readonly Json[], schema: ListSchema): Map<string, Json[]> {
  const found = new Map<string, Json[]>();
  for (const [at, item] of list.entries()) {
    const element = itemElement(item, schema);
    const name = typeof element === 'string' ? element : `i:${at}`;
    const alike = found.get(name);
    if (alike === undefined) found.set(name, [item]);
    else alike.push(item);
  }
  return found;
}

/** The schema of a field; null for one that it does not have. */
export function fieldSchema(schema: Schema, name: string): Schema | null {
  switch (schema.type) {
    case 'object': {
      const { fields, others = null, except = [] } = schema;
      if (Object.hasOwn(fields, name)) return fields[name] ?? null;
      return except.includes(name) ? null : others;
    }
    case 'map': return schema.of;
    case 'any': return schema;
    default: return null;
  }
}

/** Whether it is a field of a structure, which has no owner of its own, rather than an entry of a map. */
export const isNamed = (schema: Schema | null, name: string): boolean =>
  schema?.type === 'object' && Object.hasOwn(schema.fields, name);

/** What a value is for server-side apply: owned as a whole, by field, or by item. */
export function kindOf(value: Json, schema: Schema): 'whole' | 'fields' | 'items' {
  switch (schema.type) {
    case 'object': case 'map': return schema.atomic === true ? 'whole' : 'fields';
    case 'list': return schema.owned === undefined ? 'whole' : 'items';
    // What nobody described is owned by field, and its lists as a whole.
    case 'any': return isObject(value) ? 'fields' : 'whole';
    default: return 'whole';
  }
}

export const objectIn = (value: Json | undefined): JsonObject => isObject(value) ? value : {};
export const listIn = (value: Json | undefined): readonly Json[] => Array.isArray(value) ? value : [];
