// The schema of a custom kind as the schemas of built-in kinds are: what server-side apply goes by, who owns
// which part of a list.
// Source: Kubernetes, "Merge strategy"; apiextensions-apiserver's conversion of schemas for managed fields.

import type { ObjectSchema, Schema } from '../resource.ts';
import type { JsonSchema } from './definition.ts';
import { objectMeta } from './shape.ts';

const text: Schema = { type: 'string' };
const anything: Schema = { type: 'any' };

/** The whole object. */
export function schemaFrom(schema: JsonSchema): ObjectSchema {
  const own = objectFrom(schema);
  return { ...own, fields: { ...own.fields, apiVersion: text, kind: text, metadata: objectMeta } };
}

function objectFrom(schema: JsonSchema): ObjectSchema {
  const { properties = {} } = schema, isObject = schema['x-kubernetes-embedded-resource'] === true;
  const fields = Object.entries(properties).map(([name, property]) => [name, from(property)] as const);
  const meta = isObject ? { apiVersion: text, kind: text, metadata: objectMeta } : {};
  return {
    type: 'object', fields: { ...Object.fromEntries(fields), ...meta },
    ...schema['x-kubernetes-preserve-unknown-fields'] === true ? { others: anything } : {},
    ...schema['x-kubernetes-map-type'] === 'atomic' ? { atomic: true } : {},
  };
}

function from(schema: JsonSchema): Schema {
  if (schema['x-kubernetes-int-or-string'] === true) return { type: 'int-or-string' };
  switch (schema.type) {
    case 'string': case 'boolean': case 'number': case 'integer': return { type: schema.type };
    case 'array': return listFrom(schema);
    case 'object': return mapFrom(schema) ?? objectFrom(schema);
    default: return anything;
  }
}

function mapFrom(schema: JsonSchema): Schema | null {
  const { additionalProperties } = schema;
  if (additionalProperties === undefined || additionalProperties === false) return null;
  const of = additionalProperties === true ? anything : from(additionalProperties);
  return { type: 'map', of, ...schema['x-kubernetes-map-type'] === 'atomic' ? { atomic: true } : {} };
}

function listFrom(schema: JsonSchema): Schema {
  const of = schema.items === undefined ? anything : from(schema.items);
  switch (schema['x-kubernetes-list-type']) {
    case 'set': return { type: 'list', of, owned: 'set' };
    case 'map': {
      const keys = schema['x-kubernetes-list-map-keys'] ?? [], { properties = {} } = schema.items ?? {};
      const given = keys.map((key) => [key, properties[key]?.default] as const);
      const keyDefaults = Object.fromEntries(given.filter(([, value]) => value !== undefined));
      return { type: 'list', of, owned: 'map', keys, keyDefaults };
    }
    default: return { type: 'list', of };
  }
}
