// The shape that a structural schema gives to an object: what it does not know is pruned, what is missing
// gets its default, and embedded objects get the metadata that every object has.
//
// What always holds: nothing is changed in place; a value to which nothing is to be done comes back itself,
// so that what is derived from it (its JSON) stays valid.
// Source: Kubernetes, "Structural schemas", "Field pruning", "Defaulting and nullable"; the order of the
// steps is that of apiextensions-apiserver's schema coercion.

import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { conform } from '../decode.ts';
import { schemaOf } from '../kinds/schema.ts';
import { isProblem } from '../status.ts';
import { metaFields } from './definition.ts';
import type { JsonSchema } from './definition.ts';

/** Fields that were taken away, as paths: `spec.a[0].b`. */
export type Unknown = string[];

const keeps = (schema: JsonSchema): boolean => schema['x-kubernetes-preserve-unknown-fields'] === true;
const isEmbedded = (schema: JsonSchema): boolean => schema['x-kubernetes-embedded-resource'] === true;

/**
 * Without the fields that the schema does not know. `root`: the object itself, whose metadata is not ours.
 */
export function pruned(value: Json, schema: JsonSchema, unknown: Unknown): Json {
  return keeps(schema) ? passed(value, schema, '', true, unknown) : cut(value, schema, '', true, unknown);
}

const below = (path: string, field: string): string => path === '' ? field : `${path}.${field}`;

/** What a field's value is to be pruned by: null where the schema says nothing of its fields. */
type Known = JsonSchema | null | 'unknown';

function schemaFor(field: string, { properties, additionalProperties }: JsonSchema): Known {
  if (properties !== undefined && Object.hasOwn(properties, field)) return properties[field] ?? null;
  if (additionalProperties === undefined || additionalProperties === false) return 'unknown';
  return additionalProperties === true ? null : additionalProperties;
}

function cut(value: Json, schema: JsonSchema | null, path: string, isRoot: boolean, unknown: Unknown): Json {
  if (schema !== null && keeps(schema)) return passed(value, schema, path, isRoot, unknown);
  if (Array.isArray(value)) {
    return mapItems(value, (item, at) =>
      cut(item, schema === null ? null : schema.items ?? null, `${path}[${at}]`, false, unknown));
  }
  if (!isObject(value)) return value;
  return mapFields(value, (field, name) => {
    const isMeta = metaFields.includes(name);
    if (isMeta && (isRoot || (schema !== null && isEmbedded(schema)))) return field;
    const known = schema === null ? 'unknown' : schemaFor(name, schema);
    if (known !== 'unknown') return cut(field, known, below(path, name), false, unknown);
    unknown.push(below(path, name));
    return undefined;
  });
}

/** Keeps what is unknown here; what is known is pruned by its own schema. */
function passed(value: Json, schema: JsonSchema, path: string, isRoot: boolean, unknown: Unknown): Json {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? value
      : mapItems(value, (item, at) => passed(item, items, `${path}[${at}]`, false, unknown));
  }
  if (!isObject(value)) return value;
  return mapFields(value, (field, name) => {
    if ((isRoot || isEmbedded(schema)) && metaFields.includes(name)) return field;
    const known = schemaFor(name, schema);
    return known === 'unknown' ? field : cut(field, known, below(path, name), false, unknown);
  });
}

// ── nulls and defaults ───────────────────────────────────────────────────────────────────────────────────

const isVoid = (value: Json, schema: JsonSchema | null): boolean =>
  value === null && schema !== null && schema.nullable !== true;

function childOf(name: string, schema: JsonSchema): JsonSchema | null {
  const known = schemaFor(name, schema);
  return known === 'unknown' ? null : known;
}

/** Without the nulls of fields that may not be null; those with a default are left for it. */
export function withoutNulls(value: Json, schema: JsonSchema | null): Json {
  if (schema === null) return value;
  if (Array.isArray(value)) return mapItems(value, (item) => withoutNulls(item, schema.items ?? null));
  if (!isObject(value)) return value;
  return mapFields(value, (field, name) => {
    const known = childOf(name, schema);
    return isVoid(field, known) && known?.default === undefined ? undefined : withoutNulls(field, known);
  });
}

export function defaulted(value: Json, schema: JsonSchema | null): Json {
  if (schema === null) return value;
  if (Array.isArray(value)) {
    const items = schema.items ?? null;
    return mapItems(value, (item) =>
      defaulted(isVoid(item, items) ? items?.default ?? null : item, items));
  }
  if (!isObject(value)) return value;
  const filled = mapFields(value, (field, name) => {
    const known = childOf(name, schema);
    return defaulted(isVoid(field, known) ? known?.default ?? field : field, known);
  });
  const { properties = {} } = schema;
  const missing = Object.keys(properties).filter((name) =>
    properties[name]?.default !== undefined && !Object.hasOwn(value, name));
  if (missing.length === 0) return filled;
  const added = missing.map((name) =>
    [name, defaulted(properties[name]?.default ?? null, properties[name] ?? null)] as const);
  return Object.fromEntries([...Object.entries(filled), ...added]);
}

// ── embedded objects ─────────────────────────────────────────────────────────────────────────────────────

export const objectMeta = schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');

export interface Embedding {
  readonly unknown: Unknown;
  /** Why an embedded object's metadata can't be read: a path and what is wrong, of the first one. */
  error: { readonly field: string; readonly value: Json; readonly detail: string } | null;
}

/** Embedded objects with metadata that holds what metadata may hold. */
export function coerced(value: Json, schema: JsonSchema | null, path: string, found: Embedding): Json {
  if (schema === null) return value;
  if (Array.isArray(value)) {
    return mapItems(value, (item, at) => coerced(item, schema.items ?? null, `${path}[${at}]`, found));
  }
  if (!isObject(value)) return value;
  return mapFields(value, (field, name) => {
    const at = below(path, name);
    if (!isEmbedded(schema) || !metaFields.includes(name)) {
      return coerced(field, childOf(name, schema), at, found);
    }
    if (name === 'metadata') return metadataOf(field, at, found);
    if (typeof field !== 'string') found.error ??= { field: at, value: field, detail: 'must be a string' };
    return field;
  });
}

function metadataOf(value: Json, path: string, found: Embedding): Json {
  const read = conform({ value, duplicates: [] }, objectMeta, 'ObjectMeta', 'v1');
  if (isProblem(read)) {
    const [, detail = 'is no metadata'] = /(json: .*)$/.exec(read.problem.message ?? '') ?? [];
    found.error ??= { field: path, value, detail };
    return value;
  }
  for (const complaint of read.complaints) {
    const [, field = ''] = /^unknown field "(.*)"$/.exec(complaint) ?? [];
    found.unknown.push(`${path}.${field}`);
  }
  return read.value;
}

// ── walking ──────────────────────────────────────────────────────────────────────────────────────────────

/** The list itself where `change` changes nothing. */
function mapItems(items: readonly Json[], change: (item: Json, at: number) => Json): readonly Json[] {
  const next = items.map(change);
  return next.some((item, at) => item !== items[at]) ? next : items;
}

/** The object itself where `change` changes nothing; undefined takes a field away. */
export function mapFields(
  value: JsonObject, change: (field: Json, name: string) => Json | undefined,
): JsonObject {
  let changed = false;
  const fields: [string, Json][] = [];
  for (const name of Object.keys(value)) {
    const field = value[name] ?? null, next = change(field, name);
    if (next !== undefined) fields.push([name, next]);
    if (next !== field) changed = true;
  }
  return changed ? Object.fromEntries(fields) : value;
}
