// A body against the schema of a kind: every field of its type, unknown and repeated fields named, so that
// they can be refused, warned of or dropped, as the client asked (`fieldValidation`).
//
// What always holds: what comes out holds only fields that the schema knows; a field that is null is one that
// is not there, and so is an empty list or map, but where Go writes those too; a time is in UTC, with as many
// digits as Kubernetes gives it.
// Source: Kubernetes, "Field validation"; the wording is that of its Go decoder.

import { unreachable } from '../assert.ts';
import { limits } from '../limits.ts';
import { isObject } from './body.ts';
import type { Json, JsonObject, ParsedBody } from './body.ts';
import type { ObjectSchema, Schema } from './resource.ts';
import { badRequest } from './status.ts';
import type { Problem } from './status.ts';
import { canonicalTime } from './time.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** `complaints`: unknown and repeated fields, in Kubernetes' words. */
export interface Conformed { readonly value: JsonObject; readonly complaints: readonly string[] }

interface Checking {
  /** Where we are: names of fields, and positions in lists. */
  readonly path: (string | number)[];
  readonly unknown: string[];
  /** The first value of a wrong type; nothing after it matters. */
  error: string | null;
}

/** The object with the fields that the schema knows. `kind` and `version` are named in messages. */
export function conform(
  body: ParsedBody, schema: Schema, kind: string, version: string,
): Conformed | Problem {
  if (!isObject(body.value)) {
    return badRequest("couldn't get version/kind; json parse error: the body is no object");
  }
  const checking: Checking = { path: [], unknown: [], error: null };
  const value = check(body.value, schema, kind, checking);
  if (checking.error !== null || !isObject(value)) {
    const why = checking.error ?? 'the body is no object';
    return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: json: ${why}`);
  }
  const complaints = [
    ...checking.unknown.map((path) => `unknown field "${path}"`),
    ...body.duplicates.map((path) => `duplicate field "${path}"`),
  ];
  return { value, complaints };
}

/** The value, or undefined for what counts as not there. `owner` is the Go type that the field belongs to. */
function check(value: Json, schema: Schema, owner: string, checking: Checking): Json | undefined {
  if (value === null) return undefined;
  switch (schema.type) {
    case 'any': return value;
    case 'string': return typeof value === 'string' ? value : mistyped(value, 'string', owner, checking);
    case 'boolean': return typeof value === 'boolean' ? value : mistyped(value, 'bool', owner, checking);
    // Minus zero is zero, and must not be told from it.
    case 'integer': return checkInteger(value, schema.bits ?? 64, owner, checking);
    case 'number':
      return typeof value === 'number' ? value + 0 : mistyped(value, 'float64', owner, checking);
    case 'quantity':
      if (typeof value === 'number') return String(value);
      return typeof value === 'string' ? value : mistyped(value, 'resource.Quantity', owner, checking);
    case 'int-or-string':
      if (typeof value === 'string') return value;
      return isInteger(value) ? value + 0 : mistyped(value, 'intstr.IntOrString', owner, checking);
    case 'time': return checkTime(value, schema.micro === true, owner, checking);
    case 'bytes':
      if (typeof value !== 'string') return mistyped(value, '[]uint8', owner, checking);
      return isBase64(value) ? value : fails('illegal base64 data', owner, checking);
    case 'list': return checkList(value, schema.of, owner, checking);
    case 'map': return checkMap(value, schema.of, owner, checking);
    case 'object': return checkObject(value, schema, owner, checking);
    default: return unreachable(schema);
  }
}

const isInteger = (value: Json): value is number => Number.isSafeInteger(value);
const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);

function checkList(value: Json, of: Schema, owner: string, checking: Checking): Json | undefined {
  if (!Array.isArray(value)) return mistyped(value, `[]${goType(of)}`, owner, checking);
  const items: Json[] = [];
  for (const [at, item] of (value as readonly Json[]).entries()) {
    checking.path.push(at);
    items.push(check(item, of, owner, checking) ?? zeroOf(of));
    checking.path.pop();
    if (checking.error !== null) return undefined;
  }
  return items;
}

function checkMap(value: Json, of: Schema, owner: string, checking: Checking): Json | undefined {
  if (!isObject(value)) return mistyped(value, `map[string]${goType(of)}`, owner, checking);
  const fields: Record<string, Json> = {};
  for (const name of Object.keys(value)) {
    checking.path.push(name);
    fields[name] = check(value[name] ?? null, of, owner, checking) ?? zeroOf(of);
    checking.path.pop();
    if (checking.error !== null) return undefined;
  }
  return fields;
}

function checkObject(
  value: Json, schema: ObjectSchema, owner: string, checking: Checking,
): Json | undefined {
  if (!isObject(value)) return mistyped(value, goType(schema), owner, checking);
  const fields: Record<string, Json> = {}, self = schema.name?.split('.').at(-1) ?? owner;
  for (const name of Object.keys(value)) {
    const known = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
    checking.path.push(name);
    if (known === undefined) {
      if (checking.unknown.length < limits.complaintsMax) checking.unknown.push(pathOf(checking, true));
    } else {
      const field = check(value[name] ?? null, known, self, checking);
      const kept = schema.kept?.includes(name) === true;
      if (field !== undefined && (kept || !isEmptyCollection(field, known))) fields[name] = field;
    }
    checking.path.pop();
    if (checking.error !== null) return undefined;
  }
  return fields;
}

function isEmptyCollection(value: Json, schema: Schema): boolean {
  if (schema.type === 'list') return (value as readonly Json[]).length === 0;
  return schema.type === 'map' && Object.keys(value as JsonObject).length === 0;
}

/** What Go makes of a null in a list or a map. */
function zeroOf(schema: Schema): Json {
  switch (schema.type) {
    case 'object': case 'map': return {};
    case 'list': return [];
    case 'boolean': return false;
    case 'integer': case 'number': case 'int-or-string': return 0;
    // A time that is zero is shown as null.
    case 'any': case 'time': return null;
    default: return '';
  }
}

function checkInteger(value: Json, bits: 32 | 64, owner: string, checking: Checking): Json | undefined {
  const type = `int${bits}`;
  if (!isInteger(value)) return mistyped(value, type, owner, checking);
  if (bits === 64 || (value >= -0x8000_0000 && value <= 0x7fff_ffff)) return value + 0;
  return mistyped(value, type, owner, checking, `number ${value}`);
}

function checkTime(value: Json, micro: boolean, owner: string, checking: Checking): Json | undefined {
  if (typeof value !== 'string') return mistyped(value, 'time.Time', owner, checking);
  const time = canonicalTime(value, micro);
  if (time !== null) return time;
  const layout = '"2006-01-02T15:04:05Z07:00"';
  return fails(`parsing time ${JSON.stringify(value)} as ${layout}: it is no such time`, owner, checking);
}

function mistyped(
  value: Json, type: string, owner: string, checking: Checking, what = jsonType(value),
): undefined {
  const path = pathOf(checking, false), field = path === '' ? 'value' : `struct field ${owner}.${path}`;
  checking.error ??= `cannot unmarshal ${what} into Go ${field} of type ${type}`;
  return undefined;
}

function fails(why: string, owner: string, checking: Checking): undefined {
  const field = `${owner}.${pathOf(checking, false)}`;
  checking.error ??= `cannot unmarshal string into Go struct field ${field}: ${why}`;
  return undefined;
}

/** `spec.containers[0].image`; Go names no positions. */
function pathOf({ path }: Checking, positions: boolean): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'string') text += text === '' ? part : `.${part}`;
    else if (positions) text += `[${part}]`;
  }
  return text;
}

function jsonType(value: Json): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'number' : `number ${value}`;
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function goType(schema: Schema): string {
  switch (schema.type) {
    case 'object': return schema.name?.split('.').slice(-2).join('.') ?? 'struct';
    case 'boolean': return 'bool';
    case 'integer': return `int${schema.bits ?? 64}`;
    case 'number': return 'float64';
    case 'quantity': return 'resource.Quantity';
    case 'int-or-string': return 'intstr.IntOrString';
    case 'time': return schema.micro === true ? 'v1.MicroTime' : 'v1.Time';
    case 'bytes': return '[]uint8';
    case 'list': return `[]${goType(schema.of)}`;
    case 'map': return `map[string]${goType(schema.of)}`;
    default: return schema.type === 'any' ? 'interface {}' : 'string';
  }
}
