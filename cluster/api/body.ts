// From the bytes of a request's body to one JSON value: JSON, YAML, or the protobuf that clients written in
// Go send. What the value means is decided against a schema, in `decode.ts`.
//
// What always holds: what comes out is plain finite JSON, nested no deeper than `bodyDepthMax`, without a key
// named `__proto__`; no body makes this throw, recurse without bound, or take more than linear time.

import { isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Node as YamlNode, Pair } from 'yaml';
import { limits } from '../limits.ts';
import { isProtobufRefusal, protobufType, readProtobuf } from './protobuf/read.ts';
import { badRequest, isProblem, tooLarge, unsupportedMediaType } from './status.ts';
import type { Problem } from './status.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject { readonly [key: string]: Json }

/** `duplicates`: the paths of keys that one object holds twice, the first few of them. */
export interface ParsedBody { readonly value: Json; readonly duplicates: readonly string[] }

const textTypes = 'application/json, application/yaml';
const offered = `${textTypes}, ${protobufType}`;

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The media type of a content-type header, without its parameters. */
export const mediaType = (header: string | undefined): string =>
  (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

export function parseBody(body: Uint8Array | null, contentType: string | undefined): ParsedBody | Problem {
  const type = mediaType(contentType);
  if (body === null || body.length === 0) return badRequest('the request has no body');
  if (body.length > limits.requestBodyBytesMax) return tooLarge(limits.requestBodyBytesMax);
  switch (type) {
    case '': case 'application/json': {
      const text = textOf(body);
      return text === null ? notUtf8() : parseJson(text);
    }
    case 'application/yaml': {
      if (body.length > limits.yamlBytesMax) return tooLarge(limits.yamlBytesMax);
      const text = textOf(body);
      return text === null ? notUtf8() : parseYaml(text);
    }
    case protobufType: {
      const value = readProtobuf(body);
      // A kind that has no place in our tables is a media type that we don't take for it.
      if (!isProtobufRefusal(value)) return { value, duplicates: [] };
      return value.unknownKind ? unsupportedMediaType(textTypes) : badRequest(value.refused);
    }
    default: return unsupportedMediaType(offered);
  }
}

const notUtf8 = (): Problem => badRequest('the request body is not valid UTF-8');
const tooDeep = (): Problem =>
  badRequest(`the request body is nested deeper than ${limits.bodyDepthMax} levels`);

function textOf(body: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return null;
  }
}

// ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────

function parseJson(text: string): ParsedBody | Problem {
  const members = countMembers(text);
  if (members === null) return tooDeep();
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unreadable';
    return badRequest(`the request body is not valid JSON: ${why}`);
  }
  const seen = { members: 0 };
  const wrong = unfit(value, seen);
  if (wrong !== null) return badRequest(wrong);
  // JSON.parse keeps the last of two equal keys in silence. Fewer members than colons: there was such a pair.
  return { value, duplicates: seen.members < members ? duplicateKeys(text) : [] };
}

/** Members of all objects, by their colons; null where brackets nest so deep that no parser may see it. */
function countMembers(text: string): number | null {
  let depth = 0, members = 0, quoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (quoted) {
      if (c === 0x5c) at += 1;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x3a) members += 1;
    else if (c === 0x7b || c === 0x5b) {
      depth += 1;
      if (depth > limits.bodyDepthMax) return null;
    } else if (c === 0x7d || c === 0x5d) depth -= 1;
  }
  return members;
}

/** What makes a parsed value unfit to be kept; null where it is fit. Counts the members of objects. */
function unfit(value: Json, seen: { members: number }): string | null {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? null : 'json: cannot unmarshal number: it is too large';
  }
  if (typeof value !== 'object' || value === null) return null;
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) {
      const wrong = unfit(item, seen);
      if (wrong !== null) return wrong;
    }
    return null;
  }
  const fields = value as JsonObject;
  for (const name of Object.keys(fields)) {
    seen.members += 1;
    // No field of Kubernetes has this name, and what merges objects could take it for the prototype.
    if (name === '__proto__') return 'a field named "__proto__" is not supported';
    const wrong = unfit(fields[name] ?? null, seen);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** Paths of keys that an object of the (valid) JSON text holds twice. */
function duplicateKeys(text: string): string[] {
  const found: string[] = [];
  const stack: Level[] = [];
  for (let at = 0; at < text.length && found.length < limits.complaintsMax; at++) {
    const c = text.charAt(at), top = stack.at(-1);
    if (c === '{' || c === '[') {
      stack.push({ keys: c === '{' ? new Set() : null, path: pathWithin(top), index: 0, key: '' });
    } else if (c === '}' || c === ']') stack.pop();
    else if (c === ',' && top !== undefined) top.index += 1;
    else if (c === '"') {
      const end = endOfString(text, at);
      if (top !== undefined && top.keys !== null && isBeforeColon(text, end)) {
        const key = JSON.parse(text.slice(at, end)) as string;
        if (top.keys.has(key)) found.push(join(top.path, key));
        top.keys.add(key);
        top.key = key;
      }
      at = end - 1;
    }
  }
  return found;
}

/** An object (with the keys seen so far) or an array, and where in it we are. */
interface Level { readonly keys: Set<string> | null; readonly path: string; index: number; key: string }

function pathWithin(level: Level | undefined): string {
  if (level === undefined) return '';
  return level.keys === null ? `${level.path}[${level.index}]` : join(level.path, level.key);
}

/** Behind the closing quote of the string that opens at `from`. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function isBeforeColon(text: string, from: number): boolean {
  let at = from;
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1;
  return text[at] === ':';
}

export const join = (path: string, name: string): string => path === '' ? name : `${path}.${name}`;

// ── YAML ─────────────────────────────────────────────────────────────────────────────────────────────────

function parseYaml(text: string): ParsedBody | Problem {
  try {
    const document = parseDocument(text, { uniqueKeys: false, merge: false, schema: 'core' });
    const [error] = document.errors;
    if (error !== undefined) return badRequest(`yaml: ${firstLine(error.message)}`);
    const reading: YamlReading = { duplicates: [] };
    const value = fromYaml(document.contents as YamlNode | null, '', 0, reading);
    if (isProblem(value)) return value;
    const wrong = unfit(value, { members: 0 });
    return wrong === null ? { value, duplicates: reading.duplicates } : badRequest(wrong);
  } catch (error) {
    return badRequest(`yaml: ${error instanceof Error ? firstLine(error.message) : 'unreadable'}`);
  }
}

const firstLine = (message: string): string => message.split('\n')[0] ?? '';

interface YamlReading { readonly duplicates: string[] }

function fromYaml(node: YamlNode | null, path: string, depth: number, reading: YamlReading): Json | Problem {
  if (node === null) return null;
  if (depth > limits.bodyDepthMax) return tooDeep();
  if (isAlias(node)) return badRequest(`yaml: aliases are not supported, and there is one at ${path}`);
  if (isScalar(node)) {
    const { value } = node;
    if (value === null || ['string', 'boolean', 'number'].includes(typeof value)) return value as Json;
    return badRequest(`yaml: the value at ${path} is no plain one`);
  }
  if (isSeq(node)) {
    const items: Json[] = [];
    for (const [at, each] of node.items.entries()) {
      const item = fromYaml(each as YamlNode | null, `${path}[${at}]`, depth + 1, reading);
      if (isProblem(item)) return item;
      items.push(item);
    }
    return items;
  }
  if (!isMap(node)) return badRequest(`yaml: the value at ${path} is no plain one`);
  const fields = new Map<string, Json>();
  for (const { key, value } of node.items as readonly Pair<YamlNode, YamlNode | null>[]) {
    const name = isScalar(key) ? String(key.value) : '', at = join(path, name);
    if (!isScalar(key)) return badRequest(`yaml: a key at ${path} is no plain one`);
    if (fields.has(name) && reading.duplicates.length < limits.complaintsMax) reading.duplicates.push(at);
    const field = fromYaml(value, at, depth + 1, reading);
    if (isProblem(field)) return field;
    fields.set(name, field);
  }
  return Object.fromEntries(fields);
}

/** Whether the value nests deeper than a body may: a patch can build what no body could bring. */
export function isTooDeep(value: Json, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth >= limits.bodyDepthMax) return true;
  const items: readonly Json[] = Array.isArray(value) ? value : Object.values(value as JsonObject);
  return items.some((item) => isTooDeep(item, depth + 1));
}
