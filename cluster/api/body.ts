// From the bytes of a request's body to one JSON value: JSON, YAML, or the protobuf that clients written in
// Go send. What the value means is decided against a schema, in `decode.ts`.
//
// What always holds: what comes out is plain finite JSON, nested no deeper than `bodyDepthMax`, without a key
// named `__proto__`; no body makes this throw, recurse without bound, or take more than linear time.

import { Lexer, LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
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

/** `repeated`: what Go says of keys that one object holds twice; empty: there are none. */
export interface AppliedBody { readonly value: Json; readonly repeated: string }

/** The body of an apply: YAML, or JSON, which is YAML too and faster to read. */
export function parseApplied(body: Uint8Array | null): AppliedBody | Problem {
  if (body === null || body.length === 0) return badRequest('the request has no body');
  if (body.length > limits.requestBodyBytesMax) return tooLarge(limits.requestBodyBytesMax);
  const text = textOf(body);
  if (text === null) return notUtf8();
  const json = /^\s*\{/.test(text) ? parseJson(text) : null;
  const isJson = json !== null && !isProblem(json);
  if (!isJson && body.length > limits.yamlBytesMax) return json ?? tooLarge(limits.yamlBytesMax);
  const parsed = isJson ? json : parseYaml(text);
  if (isProblem(parsed)) {
    return badRequest(`error decoding YAML: error converting YAML to JSON: ${parsed.problem.message ?? ''}`);
  }
  const { value, duplicates } = parsed;
  return { value, repeated: duplicates.length === 0 ? '' : repeatedKeys(text, duplicates) };
}

/** The keys with their lines, as Go's YAML names them. */
function repeatedKeys(text: string, duplicates: readonly string[]): string {
  const lines = new LineCounter(), found: string[] = [];
  if (text.length <= limits.yamlBytesMax && !hasTooManyTokens(text)) {
    const options = {
      uniqueKeys: false, merge: false, schema: 'core', lineCounter: lines, prettyErrors: false,
    } as const;
    collectRepeated(parseDocument(text, options).contents as YamlNode | null, lines, found);
  } else {
    found.push(...duplicates.map((path) => `line 1: key ${JSON.stringify(path)} already set in map`));
  }
  const head = 'error converting YAML to JSON: yaml: unmarshal errors:';
  return [head, ...found.map((each) => `  ${each}`)].join('\n');
}

function collectRepeated(node: YamlNode | null, lines: LineCounter, found: string[]): void {
  if (isSeq(node)) for (const item of node.items) collectRepeated(item as YamlNode | null, lines, found);
  if (!isMap(node)) return;
  const seen = new Set<string>();
  for (const { key, value } of node.items as readonly Pair<YamlNode, YamlNode | null>[]) {
    const name = isScalar(key) ? String(key.value) : '';
    if (seen.has(name) && found.length < limits.complaintsMax) {
      const { line } = lines.linePos(key.range?.[0] ?? 0);
      found.push(`line ${line}: key ${JSON.stringify(name)} already set in map`);
    }
    seen.add(name);
    collectRepeated(value, lines, found);
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
    if (hasTooManyTokens(text)) {
      return badRequest(`yaml: the body has more than ${limits.yamlTokensMax} tokens; send it as JSON`);
    }
    // The parser's own pretty errors each look at the whole text again: a body of many errors took minutes.
    const document = parseDocument(text,
      { uniqueKeys: false, merge: false, schema: 'core', prettyErrors: false });
    const [error] = document.errors;
    if (error !== undefined) {
      return badRequest(`yaml: ${firstLine(error.message)} at ${placeIn(text, error.pos[0])}:`);
    }
    const reading: YamlReading = { duplicates: [] };
    const value = fromYaml(document.contents as YamlNode | null, '', 0, reading);
    if (isProblem(value)) return value;
    const wrong = unfit(value, { members: 0 });
    return wrong === null ? { value, duplicates: reading.duplicates } : badRequest(wrong);
  } catch (error) {
    return badRequest(`yaml: ${error instanceof Error ? firstLine(error.message) : 'unreadable'}`);
  }
}

/** What a parser's work grows with; spaces and ends of lines are tokens, too. */
function hasTooManyTokens(text: string): boolean {
  let tokens = 0;
  for (const _token of new Lexer().lex(text)) if ((tokens += 1) > limits.yamlTokensMax) return true;
  return false;
}

/** Both counted from 1. */
function placeIn(text: string, at: number): string {
  const before = text.slice(0, at), line = before.split('\n').length;
  return `line ${line}, column ${at - before.lastIndexOf('\n')}`;
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
