// From a request's body to a decoded object: JSON or YAML, every field of the type that the kind's schema gives it,
// unknown and repeated fields refused, warned of or dropped as the client asked (`fieldValidation`).
//
// What always holds: what comes out holds only fields that the schema knows, in plain objects; nothing that a body
// holds can make this throw, recurse without bound, or touch a prototype.

import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Node as YamlNode } from 'yaml';
import { unreachable } from '../assert.ts';
import { limits } from '../limits.ts';
import type { Schema } from './resource.ts';
import { badRequest, unsupportedMediaType } from './status.ts';
import type { Problem } from './status.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject { readonly [key: string]: Json }

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface Decoded { readonly value: JsonObject; readonly warnings: readonly string[] }

const offered = 'application/json, application/yaml';

/** Any JSON value of a body; duplicate keys are reported by path. */
export interface ParsedBody { readonly value: Json; readonly duplicates: readonly string[] }

export function parseBody(body: Uint8Array | null, contentType: string): ParsedBody | Problem {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (body === null || body.length === 0) return badRequest('unexpected end of JSON input: the request has no body');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return badRequest('the request body is not valid UTF-8');
  }
  if (type === '' || type === 'application/json' || type.endsWith('+json')) return parseJson(text);
  if (type === 'application/yaml' || type === 'text/yaml' || type === 'application/x-yaml') return parseYaml(text);
  return unsupportedMediaType(offered);
}

function parseJson(text: string): ParsedBody | Problem {
  if (tooDeep(text)) return badRequest(`the request body is nested deeper than ${limits.bodyDepthMax} levels`);
  try {
    const value = JSON.parse(text) as Json;
    // JSON.parse keeps the last of two equal keys in silence; the scan is for those that ask to be told.
    return { value: plain(value), duplicates: duplicateKeys(text) };
  } catch (error) {
    return badRequest(`the request body is not valid JSON: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
}

function parseYaml(text: string): ParsedBody | Problem {
  if (tooDeep(text)) return badRequest(`the request body is nested deeper than ${limits.bodyDepthMax} levels`);
  try {
    const document = parseDocument(text, { uniqueKeys: false, merge: false, maxAliasCount: 100 } as object);
    const [error] = document.errors;
    if (error !== undefined) return badRequest(`yaml: ${error.message.split('\n')[0]}`);
    const duplicates: string[] = [];
    const value = fromYaml(document.contents as YamlNode | null, '', duplicates, 0);
    return value === undefined ? badRequest(`yaml: only plain values, nested at most ${limits.bodyDepthMax} levels, are taken`)
      : { value, duplicates };
  } catch (error) {
    return badRequest(`yaml: ${error instanceof Error ? error.message.split('\n')[0] : 'unreadable'}`);
  }
}

/** Undefined for what has no place in JSON: tags, aliases, too many levels. */
function fromYaml(node: YamlNode | null, path: string, duplicates: string[], depth: number): Json | undefined {
  if (node === null) return null;
  if (depth > limits.bodyDepthMax) return undefined;
  if (isScalar(node)) {
    const { value } = node;
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
    return value instanceof Date ? String(node.source) : undefined;
  }
  if (isSeq(node)) {
    const items = node.items.map((item, at) => fromYaml(item as YamlNode, `${path}[${at}]`, duplicates, depth + 1));
    return items.includes(undefined) ? undefined : items as Json[];
  }
  if (!isMap(node)) return undefined;
  const fields: [string, Json][] = [], seen = new Set<string>();
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : String(key), at = path === '' ? name : `${path}.${name}`;
    if (seen.has(name)) duplicates.push(at);
    seen.add(name);
    const field = fromYaml(value as YamlNode | null, at, duplicates, depth + 1);
    if (field === undefined) return undefined;
    fields.push([name, field]);
  }
  return ownFields(fields);
}

/** An object of these fields, `__proto__` among them an ordinary one: it is dropped, no schema knows it. */
function ownFields(fields: readonly [string, Json][]): JsonObject {
  return Object.fromEntries(fields.filter(([name]) => name !== '__proto__'));
}

/** JSON.parse makes `__proto__` an own key; taking it out here keeps every later spread harmless. */
function plain(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(plain);
    return items.some((item, at) => item !== value[at]) ? items : value;
  }
  const fields = Object.entries(value as JsonObject), next = fields.map(([name, field]): [string, Json] => [name, plain(field)]);
  const same = next.every(([name, field], at) => name !== '__proto__' && field === fields[at]?.[1]);
  return same ? value : ownFields(next);
}

/** Counts brackets outside of strings, so that no parser is handed what would overflow its stack. */
function tooDeep(text: string): boolean {
  let depth = 0, quoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (quoted) {
      if (c === 0x5c) at += 1;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x7b || c === 0x5b) {
      depth += 1;
      if (depth > limits.bodyDepthMax) return true;
    } else if (c === 0x7d || c === 0x5d) depth -= 1;
  }
  return false;
}

/** Paths of keys that an object of the (valid) JSON text holds twice. */
function duplicateKeys(text: string): string[] {
  const found: string[] = [];
  const stack: { keys: Set<string> | null; path: string; index: number; key: string }[] = [];
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const top = stack.at(-1), [word] = match;
    if (word === '{' || word === '[') {
      const path = top === undefined ? '' : top.keys === null ? `${top.path}[${top.index}]` : join(top.path, top.key);
      stack.push({ keys: word === '{' ? new Set() : null, path, index: 0, key: '' });
    } else if (word === '}' || word === ']') stack.pop();
    else if (word === ',') {
      if (top !== undefined) top.index += 1;
    } else if (word !== ':' && top?.keys != null && /^\s*:/.test(text.slice(token.lastIndex, token.lastIndex + 16))) {
      const key = JSON.parse(word) as string;
      if (top.keys.has(key) && found.length < reportedMax) found.push(join(top.path, key));
      top.keys.add(key);
      top.key = key;
    }
  }
  return found;
}

const reportedMax = 10;
const join = (path: string, name: string): string => path === '' ? name : `${path}.${name}`;

// ── against the schema ───────────────────────────────────────────────────────────────────────────────────

interface Checking { readonly unknown: string[]; error: string | null }

/** The object with only known fields, of the right types. `kind` is named in messages. */
export function conform(
  body: ParsedBody, schema: Schema, kind: string, version: string, validation: FieldValidation,
): Decoded | Problem {
  if (typeof body.value !== 'object' || body.value === null || Array.isArray(body.value)) {
    return badRequest(`couldn't get version/kind; json parse error: the body is no object`);
  }
  const checking: Checking = { unknown: [], error: null };
  const value = check(body.value, schema, '', checking) as JsonObject;
  if (checking.error !== null) {
    return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${checking.error}`);
  }
  const complaints = [
    ...checking.unknown.slice(0, reportedMax).map((path) => `unknown field "${path}"`),
    ...body.duplicates.map((path) => `duplicate field "${path}"`),
  ];
  if (validation === 'Strict' && complaints.length > 0) {
    return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: `
      + `strict decoding error: ${complaints.join(', ')}`);
  }
  return { value, warnings: validation === 'Ignore' ? [] : complaints };
}

function check(value: Json, schema: Schema, path: string, checking: Checking): Json {
  if (value === null) return null;
  switch (schema.type) {
    case 'any': return value;
    case 'string': return expect(typeof value === 'string', value, path, 'string', checking);
    case 'boolean': return expect(typeof value === 'boolean', value, path, 'bool', checking);
    case 'integer': return expect(Number.isSafeInteger(value), value, path, 'int32', checking);
    case 'number': return expect(typeof value === 'number', value, path, 'float64', checking);
    case 'quantity':
      expect(typeof value === 'string' || typeof value === 'number', value, path, 'resource.Quantity', checking);
      return typeof value === 'number' ? String(value) : value;
    case 'int-or-string':
      return expect(typeof value === 'string' || Number.isSafeInteger(value), value, path, 'intstr.IntOrString', checking);
    case 'time': return expect(isTime(value), value, path, 'v1.Time', checking);
    case 'bytes': return expect(typeof value === 'string' && isBase64(value), value, path, '[]uint8', checking);
    case 'list': {
      if (!Array.isArray(value)) return expect(false, value, path, '[]slice', checking);
      return (value as readonly Json[]).map((item, at) => check(item, schema.of, `${path}[${at}]`, checking));
    }
    case 'map':
      return eachField(value, path, 'map[string]', checking, (_name, field, at) => check(field, schema.of, at, checking));
    case 'object':
      return eachField(value, path, goName(schema.name), checking, (name, field, at) => {
        const known = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
        if (known !== undefined) return check(field, known, at, checking);
        checking.unknown.push(at);
        return undefined;
      });
    default: return unreachable(schema);
  }
}

function eachField(
  value: Json, path: string, type: string, checking: Checking,
  visit: (name: string, field: Json, path: string) => Json | undefined,
): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return expect(false, value, path, type, checking);
  const fields: [string, Json][] = [];
  for (const [name, field] of Object.entries(value as JsonObject)) {
    const next = visit(name, field, join(path, name));
    if (next !== undefined) fields.push([name, next]);
  }
  return ownFields(fields);
}

function expect(holds: boolean, value: Json, path: string, type: string, checking: Checking): Json {
  if (!holds) checking.error ??= `json: cannot unmarshal ${jsonType(value)} into Go struct field ${path} of type ${type}`;
  return value;
}

function jsonType(value: Json): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  return typeof value === 'boolean' ? 'bool' : typeof value === 'number' ? `number ${value}` : typeof value;
}

const goName = (name: string | undefined): string => name === undefined ? 'struct' : name.split('.').slice(-2).join('.');

function isTime(value: Json): boolean {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value)
    && !Number.isNaN(Date.parse(value));
}

const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
