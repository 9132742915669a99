// What a schema of a custom kind is in CEL: its type, and its JSON as a value of that type. Names that are no
// names of CEL are escaped: `a-b` is `a__dash__b`.
//
// Source of facts: k8s.io/apiserver pkg/cel/common/schemas.go and pkg/cel/escaping.go; Kubernetes,
// "Validation rules" (types, escaping).
// What always holds: what the schema does not name can't be spoken of; a text that is not of its format stays
// a text.

import { decodeBase64 } from '../resources/base64.ts';
import type { JsonSchema } from '../custom/definition.ts';
import { parseDuration, parseTimestamp } from './time.ts';
import { listOf, mapOf, types } from './types.ts';
import type { CelType } from './types.ts';
import { fromJson, JsonMap, List } from './values.ts';
import type { JsonFields, Value } from './values.ts';

const reserved: readonly string[] =
  ['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for',
  'function', 'if', 'import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while'];

const signs: Readonly<Record<string, string>> = {
  __: '__underscores__', '.': '__dot__', '-': '__dash__', '/': '__slash__',
};

/** The name of a property in expressions; null where it has none. */
export function escaped(name: string): string | null {
  if (reserved.includes(name)) return `__${name}__`;
  if (!/^[A-Za-z_.\-/][A-Za-z0-9_.\-/]*$/.test(name)) return null;
  return name.replace(/__|[-./]/g, (found) => signs[found] ?? found);
}

/** The type; null for what can't be spoken of. `isRoot`: of a whole object, with its type and its name. */
export function typeOfSchema(schema: JsonSchema, isRoot: boolean): CelType | null {
  if (schema['x-kubernetes-int-or-string'] === true) return types.dyn;
  switch (schema.type) {
    case 'array': {
      const of = schema.items === undefined ? null : typeOfSchema(schema.items, isEmbedded(schema.items));
      return of === null ? null : listOf(of);
    }
    case 'object': {
      const { additionalProperties: rest } = schema;
      if (typeof rest === 'object') {
        const of = typeOfSchema(rest, isEmbedded(rest));
        return of === null ? null : mapOf(types.string, of);
      }
      return objectOf(schema, isRoot);
    }
    case 'string': return textType(schema.format);
    case 'boolean': return types.bool;
    case 'number': return types.double;
    case 'integer': return types.int;
    default: return null;
  }
}

const isEmbedded = (schema: JsonSchema): boolean => schema['x-kubernetes-embedded-resource'] === true;

function textType(format: string | undefined): CelType {
  switch (format) {
    case 'byte': return types.bytes;
    case 'duration': return types.duration;
    case 'date': case 'date-time': return types.timestamp;
    default: return types.string;
  }
}

/** By the schema: rules are evaluated again and again with the same few. */
const known = new WeakMap<JsonSchema,
  { readonly of: ReadonlyMap<string, Property>; readonly isRoot: boolean }>();

interface Property { readonly name: string; readonly schema: JsonSchema; readonly type: CelType }

const text: JsonSchema = { type: 'string' };
const rootFields: Readonly<Record<string, JsonSchema>> = {
  apiVersion: text, kind: text, metadata: { type: 'object', properties: { name: text, generateName: text } },
};

/** The properties by the names that they have in expressions. */
function propertiesOf(schema: JsonSchema, isRoot: boolean): ReadonlyMap<string, Property> {
  const before = known.get(schema);
  if (before !== undefined && before.isRoot === isRoot) return before.of;
  const all = { ...schema.properties, ...isRoot ? rootFields : {} }, of = new Map<string, Property>();
  for (const name of Object.keys(all).sort()) {
    const property = all[name], as = escaped(name);
    if (property === undefined || as === null) continue;
    const type = typeOfSchema(property, isEmbedded(property));
    if (type !== null) of.set(as, { name, schema: property, type });
  }
  known.set(schema, { of, isRoot });
  return of;
}

function objectOf(schema: JsonSchema, isRoot: boolean): CelType {
  return { kind: 'object', name: 'object', field: (name) =>
    propertiesOf(schema, isRoot).get(name)?.type ?? null };
}

// ── values ───────────────────────────────────────────────────────────────────────────────────────────────

/** JSON that the schema has taken, as a value. */
export function valueOfSchema(json: unknown, schema: JsonSchema, isRoot: boolean): Value {
  if (json === null || json === undefined) return null;
  if (schema['x-kubernetes-int-or-string'] === true) return fromJson(json);
  switch (schema.type) {
    case 'array': {
      const { items } = schema;
      if (!Array.isArray(json) || items === undefined) return fromJson(json);
      return new List(json, (item) => valueOfSchema(item, items, isEmbedded(items)));
    }
    case 'object': return typeof json === 'object' ? objectValue(json as JsonFields, schema, isRoot)
      : fromJson(json);
    case 'string': return typeof json === 'string' ? textValue(json, schema.format) : fromJson(json);
    case 'number': return typeof json === 'number' ? json : fromJson(json);
    default: return fromJson(json);
  }
}

function objectValue(json: JsonFields, schema: JsonSchema, isRoot: boolean): Value {
  const { additionalProperties: rest } = schema;
  if (typeof rest === 'object') {
    return new JsonMap(json, (item) => valueOfSchema(item, rest, isEmbedded(rest)));
  }
  const properties = propertiesOf(schema, isRoot), fields: [string, unknown][] = [];
  for (const [as, { name }] of properties) {
    if (Object.hasOwn(json, name) && json[name] !== undefined) fields.push([as, json[name]]);
  }
  return new JsonMap(Object.fromEntries(fields), (item, field) => {
    const property = properties.get(field);
    return property === undefined ? fromJson(item)
      : valueOfSchema(item, property.schema, isEmbedded(property.schema));
  }, 'object');
}

function textValue(json: string, format: string | undefined): Value {
  switch (format) {
    case 'byte': return decodeBase64(json) ?? json;
    case 'duration': return parseDuration(json) ?? json;
    case 'date': return parseTimestamp(`${json}T00:00:00Z`) ?? json;
    case 'date-time': return parseTimestamp(json) ?? json;
    default: return json;
  }
}
