// From the bytes of a request's body to one JSON value: JSON, YAML, or the protobuf that clients written in
// Go send. What the value means is decided against a schema, in `decode.ts`.
//
// What always holds: what comes out is plain finite JSON, nested no deeper than `bodyDepthMax`, without a key
// named `__proto__`; no body makes this throw, recurse without bound, or take more than linear time.

import { isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Node as YamlNode, Pair } from 'yaml';
import { limits } from '../limits.ts';
import { join, parseJson, tooDeep, unfit } from './json.ts';
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
      if (!isProtobufRefusal(value)) return isTooDeep(value) ? tooDeep() : { value, duplicates: [] };
      return value.unknownKind ? unsupportedMediaType(textTypes) : badRequest(value.refused);
    }
    default: return unsupportedMediaType(offered);
  }
}

const notUtf8 = (): Problem => badRequest('the request body is not valid UTF-8');

function textOf(body: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return null;
  }
}

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
