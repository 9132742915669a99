// Kubernetes' protobuf encoding, as far as an API server must read it: clients written in Go, kubectl's
// `create` among them, send it unasked. It is read against the schemas of the kinds and comes out as the JSON
// that the same object would have. Answers are never in it: every client that sends it takes JSON as well.
//
// What always holds: bytes that make no sense are refused, and so is a field with a value but no name here.
// Source: Kubernetes API Concepts, "Protobuf encoding"; the wire format of Protocol Buffers.

import { unreachable } from '../../assert.ts';
import type { Json, JsonObject } from '../body.ts';
import type { Schema } from '../resource.ts';
import { resourceByKind } from '../resources/index.ts';
import { reviews } from '../route.ts';
import { rfc3339 } from '../time.ts';
import { fieldNumbers, zeroMatters } from './numbers.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

/** `unknownKind`: of this kind we know no message, so the client may try JSON. */
export interface ProtobufRefusal { readonly refused: string; readonly unknownKind: boolean }

export function isProtobufRefusal(value: Json | ProtobufRefusal): value is ProtobufRefusal {
  return typeof value === 'object' && value !== null && 'refused' in value && 'unknownKind' in value;
}

/** The object in the envelope: `k8s\0`, then its version and kind, then its message. */
export function readProtobuf(body: Uint8Array): Json | ProtobufRefusal {
  try {
    if (body.length < 4 || !magic.every((byte, at) => body[at] === byte)) {
      throw new Malformed('the body does not begin as a protobuf object does');
    }
    const { type, raw } = envelope(body.subarray(4));
    const schema = schemaFor(type);
    if (schema === null) return { refused: `no message for ${type.kind}`, unknownKind: true };
    return { ...type, ...readMessage(raw, schema, type.kind) };
  } catch (error) {
    if (error instanceof Malformed) return { refused: `protobuf: ${error.message}`, unknownKind: false };
    throw error;
  }
}

/** Bytes that make no sense; caught above, so that every level need not pass it up by hand. */
class Malformed extends Error {}

const magic = [0x6b, 0x38, 0x73, 0x00];

interface TypeMeta { readonly apiVersion: string; readonly kind: string }

function envelope(bytes: Uint8Array): { type: TypeMeta; raw: Uint8Array } {
  let apiVersion = '', kind = '', raw = new Uint8Array(0);
  for (const field of fieldsOf(bytes)) {
    if (field.number === 2) raw = field.bytes.slice();
    if (field.number !== 1) continue;
    for (const part of fieldsOf(field.bytes)) {
      if (part.number === 1) apiVersion = textOf(part.bytes);
      if (part.number === 2) kind = textOf(part.bytes);
    }
  }
  return { type: { apiVersion, kind }, raw };
}

type ObjectSchema = Extract<Schema, { type: 'object' }>;

const flag: Schema = { type: 'boolean' }, text: Schema = { type: 'string' };
const deleteOptions: ObjectSchema = {
  type: 'object', name: 'DeleteOptions',
  fields: {
    gracePeriodSeconds: { type: 'integer' }, orphanDependents: flag, propagationPolicy: text,
    preconditions: { type: 'object', name: 'Preconditions', fields: { uid: text, resourceVersion: text } },
    dryRun: { type: 'list', of: text }, ignoreStoreReadErrorWithClusterBreakingPotential: flag,
  },
};
/** Nothing that a review asks changes its answer, so none of it is read. */
const unread: ObjectSchema = { type: 'object', name: 'unread', fields: {} };

function schemaFor({ apiVersion, kind }: TypeMeta): ObjectSchema | null {
  if (kind === 'DeleteOptions') return deleteOptions;
  if (reviews.some((review) => review.kind === kind && apiVersion === `${review.group}/v1`)) return unread;
  const schema = resourceByKind(apiVersion, kind)?.schema;
  return schema?.type === 'object' ? schema : null;
}

// ── messages against schemas ─────────────────────────────────────────────────────────────────────────────

function readMessage(bytes: Uint8Array, schema: ObjectSchema, message: string): JsonObject {
  const found: Record<string, Json> = {};
  if (schema !== unread) readInto(found, bytes, schema, message);
  return found;
}

function readInto(
  found: Record<string, Json>, bytes: Uint8Array, schema: ObjectSchema, message: string,
): void {
  const numbers = fieldNumbers(message);
  if (numbers === null) throw new Malformed(`the fields of ${message} are not known in protobuf`);
  for (const field of fieldsOf(bytes)) {
    const name = numbers.get(field.number);
    if (name?.startsWith('*') === true) {
      readInto(found, field.bytes, schema, name.slice(1));
      continue;
    }
    const type = name !== undefined && Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
    if (name === undefined || type === undefined) {
      // Go writes zeros, too: only what has a value would be lost.
      if (isZero(field)) continue;
      throw new Malformed(`field ${field.number} of ${message} is not supported in protobuf; send JSON`);
    }
    add(found, name, field, type);
  }
}

function add(found: Record<string, Json>, name: string, field: Field, type: Schema): void {
  if (type.type === 'list') {
    const list = (found[name] ?? []) as Json[];
    for (const one of unpacked(field, type.of)) list.push(readValue(one, type.of, name));
    found[name] = list;
  } else if (type.type === 'map') {
    const map = (found[name] ?? {}) as Record<string, Json>;
    const [key, value] = readEntry(field.bytes, type.of);
    if (key === '__proto__') throw new Malformed('a key named "__proto__" is not supported');
    map[key] = value;
    found[name] = map;
  } else {
    const value = readValue(field, type, name);
    const isZeroValue = value === 0 || value === false || value === '';
    if (value !== null && (!isZeroValue || (value !== '' && zeroMatters.has(name)))) found[name] = value;
  }
}

function readEntry(bytes: Uint8Array, of: Schema): [string, Json] {
  let key = '', value: Json = of.type === 'string' || of.type === 'bytes' || of.type === 'quantity' ? '' : {};
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) key = textOf(field.bytes);
    if (field.number === 2) value = readValue(field, of, key);
  }
  return [key, value];
}

/** A list of numbers may come as one field that holds them all. */
function* unpacked(field: Field, of: Schema): Generator<Field> {
  if (of.type !== 'integer' || field.wire !== 2) {
    yield field;
    return;
  }
  const cursor = { at: 0 };
  while (cursor.at < field.bytes.length) {
    yield { number: field.number, wire: 0, varint: readVarint(field.bytes, cursor), bytes: nothing };
  }
}

/** Null for what stands for nothing: a time that is zero. */
function readValue(field: Field, type: Schema, name: string): Json {
  const wanted = type.type === 'integer' || type.type === 'boolean' ? 0 : 2;
  if (field.wire !== wanted) throw new Malformed(`field ${field.number} has wire type ${field.wire}`);
  switch (type.type) {
    case 'string': return textOf(field.bytes);
    case 'boolean': return field.varint !== 0n;
    case 'integer': return wholeNumber(field.varint);
    case 'bytes': return base64Of(field.bytes);
    case 'quantity': return textOf(part(field.bytes, 1)?.bytes ?? nothing);
    case 'int-or-string':
      return (part(field.bytes, 1)?.varint ?? 0n) === 0n ? wholeNumber(part(field.bytes, 2)?.varint ?? 0n)
        : textOf(part(field.bytes, 3)?.bytes ?? nothing);
    case 'time': return timeOf(field.bytes);
    case 'object': return readMessage(field.bytes, type, type.name?.split('.').at(-1) ?? '');
    // Without a schema the numbers of the fields have no names. Nobody reads `managedFields`.
    case 'any':
      if (field.bytes.length === 0 || name === 'fieldsV1') return {};
      throw new Malformed(`${name} is not supported in protobuf; send JSON`);
    // No kind has such a field.
    case 'number': case 'list': case 'map':
      throw new Malformed(`${name} is not supported in protobuf; send JSON`);
    default: return unreachable(type);
  }
}

function timeOf(bytes: Uint8Array): Json {
  const seconds = wholeNumber(part(bytes, 1)?.varint ?? 0n);
  const nanos = wholeNumber(part(bytes, 2)?.varint ?? 0n);
  if (seconds === 0 && nanos === 0) return null;
  // From year 1 to year 9999: what RFC 3339 can say.
  if (seconds < -62_135_596_800 || seconds > 253_402_300_799) throw new Malformed('a time is out of range');
  const whole = rfc3339(seconds * 1000);
  const micros = Math.trunc(nanos / 1000);
  return micros <= 0 ? whole : whole.replace('Z', `.${String(micros % 1_000_000).padStart(6, '0')}Z`);
}

// ── the wire ─────────────────────────────────────────────────────────────────────────────────────────────

interface Field {
  readonly number: number;
  /** 0: `varint` holds the value; 2: `bytes` does. Fixed-size numbers (1, 5) come as bytes. */
  readonly wire: number;
  readonly varint: bigint;
  readonly bytes: Uint8Array;
}

const nothing = new Uint8Array(0);

function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const tag = Number(readVarint(bytes, cursor)), number = Math.floor(tag / 8), wire = tag % 8;
    if (number === 0) throw new Malformed('a field has the number 0');
    if (wire === 0) {
      yield { number, wire, varint: readVarint(bytes, cursor), bytes: nothing };
      continue;
    }
    const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? Number(readVarint(bytes, cursor)) : -1;
    if (length < 0) throw new Malformed(`field ${number} has wire type ${wire}`);
    if (length > bytes.length - cursor.at) throw new Malformed(`field ${number} goes beyond the end`);
    yield { number, wire, varint: 0n, bytes: bytes.subarray(cursor.at, cursor.at + length) };
    cursor.at += length;
  }
}

function readVarint(bytes: Uint8Array, cursor: { at: number }): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = bytes[cursor.at];
    if (byte === undefined) throw new Malformed('a number is cut off');
    cursor.at += 1;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  throw new Malformed('a number is too long');
}

function wholeNumber(varint: bigint): number {
  const value = Number(BigInt.asIntN(64, varint));
  if (!Number.isSafeInteger(value)) throw new Malformed('a number is too large');
  return value;
}

function part(bytes: Uint8Array, number: number): Field | null {
  let found: Field | null = null;
  for (const field of fieldsOf(bytes)) if (field.number === number) found = field;
  return found;
}

/** Zero, empty, or a message of nothing but such. */
const isZero = (field: Field): boolean =>
  field.wire === 0 ? field.varint === 0n : field.bytes.every((byte) => byte === 0);

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Malformed('a text is not valid UTF-8');
  }
}

function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
