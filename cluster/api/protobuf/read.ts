// Kubernetes' protobuf encoding, as far as an API server must read it: clients written in Go, kubectl's
// `create` among them, send it unasked. It is read by the tables of all kinds and comes out as the JSON that
// the same object would have. Answers are never in it: every client that sends it takes JSON as well.
//
// What always holds: bytes that make no sense are refused, and so is a field with a value but no name here.
// Source: Kubernetes API Concepts, "Protobuf encoding"; the Go types' own JSON encodings.

import { unreachable } from '../../assert.ts';
import { limits } from '../../limits.ts';
import type { Json, JsonObject } from '../body.ts';
import { parseJson } from '../json.ts';
import { definitionName, definitionOf } from '../kinds/table.ts';
import type { Definition, Field, FieldType, Scalar } from '../kinds/table.ts';
import { isProblem } from '../status.ts';
import { rfc3339 } from '../time.ts';
import {
  bytesOf, doubleOf, fieldsOf, isZero, Malformed, packed, part, textOf, varintOf, wholeNumber,
} from './wire.ts';
import type { WireField } from './wire.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

/** `unknownKind`: of this kind we know no message, so the client may try JSON. */
export interface ProtobufRefusal { readonly refused: string; readonly unknownKind: boolean }

export function isProtobufRefusal(value: Json | ProtobufRefusal): value is ProtobufRefusal {
  return typeof value === 'object' && value !== null && 'refused' in value && 'unknownKind' in value;
}

/** The object in the envelope: `k8s\0`, then its version and kind, then its message. */
export function readProtobuf(body: Uint8Array): Json | ProtobufRefusal {
  try {
    return readObject(body, 0);
  } catch (error) {
    if (error instanceof UnknownKind) return { refused: error.message, unknownKind: true };
    if (error instanceof Malformed) return { refused: `protobuf: ${error.message}`, unknownKind: false };
    throw error;
  }
}

class UnknownKind extends Error {}

const magic = [0x6b, 0x38, 0x73, 0x00];
const isEnveloped = (body: Uint8Array): boolean => magic.every((byte, at) => body[at] === byte);

function readObject(body: Uint8Array, depth: number): JsonObject {
  if (!isEnveloped(body)) throw new Malformed('the body does not begin as a protobuf object does');
  const envelope = body.subarray(magic.length), typeMeta = bytesOf(envelope, 1);
  const apiVersion = textOf(bytesOf(typeMeta, 1)), kind = textOf(bytesOf(typeMeta, 2));
  const definition = definitionOfKind(apiVersion, kind);
  if (definition === null) throw new UnknownKind(`no message for ${kind}`);
  return { apiVersion, kind, ...readMessage(bytesOf(envelope, 2), definition, depth) };
}

/** Of these every group and version has its own, which is the same. */
const inEveryGroup = [
  'CreateOptions', 'DeleteOptions', 'GetOptions', 'ListOptions', 'PatchOptions', 'UpdateOptions',
  'WatchEvent',
];

function definitionOfKind(apiVersion: string, kind: string): Definition | null {
  const cut = apiVersion.indexOf('/'), group = cut < 0 ? '' : apiVersion.slice(0, cut);
  const name = inEveryGroup.includes(kind) || group === 'meta.k8s.io' ? definitionName('', 'v1', kind)
    : definitionName(group, apiVersion.slice(cut + 1), kind);
  return name === null ? null : definitionOf(name);
}

// ── messages against definitions ─────────────────────────────────────────────────────────────────────────

function readMessage(bytes: Uint8Array, definition: Definition, depth: number): JsonObject {
  if (depth > limits.bodyDepthMax) {
    throw new Malformed(`it is nested deeper than ${limits.bodyDepthMax} levels`);
  }
  const found: Record<string, Json> = {};
  readInto(found, bytes, definition, depth);
  return found;
}

function readInto(
  found: Record<string, Json>, bytes: Uint8Array, definition: Definition, depth: number,
): void {
  const numbers = numbersOf(definition);
  for (const wire of fieldsOf(bytes)) {
    const field = numbers.get(wire.number);
    if (field === undefined) {
      // Go writes zeros, too: only what has a value would be lost.
      if (isZero(wire)) continue;
      const of = `field ${wire.number} of ${definition.type}`;
      throw new Malformed(`${of} is not supported in protobuf; send JSON`);
    }
    if (field.name === '...') readInto(found, messageBytes(wire), definitionOfType(field.type), depth + 1);
    else add(found, field, wire, depth);
  }
}

const numbersMade = new Map<string, ReadonlyMap<number, Field>>();

function numbersOf(definition: Definition): ReadonlyMap<number, Field> {
  const known = numbersMade.get(definition.name);
  if (known !== undefined) return known;
  const numbers = new Map(definition.fields.flatMap((field) =>
    field.number === null ? [] : [[field.number, field] as const]));
  numbersMade.set(definition.name, numbers);
  return numbers;
}

function definitionOfType(type: FieldType): Definition {
  const definition = type.is === 'definition' ? definitionOf(type.name) : null;
  if (definition === null) throw new Malformed('a message has no definition');
  return definition;
}

function add(found: Record<string, Json>, field: Field, wire: WireField, depth: number): void {
  const { name, type } = field;
  if (type.is === 'list') {
    const list = (found[name] ??= []) as Json[];
    addItems(list, type.of, wire, depth);
  } else if (type.is === 'map') {
    const map = (found[name] ??= {}) as Record<string, Json>;
    const [key, value] = readEntry(messageBytes(wire), type.of, depth);
    if (key === '__proto__') throw new Malformed('a key named "__proto__" is not supported');
    map[key] = value;
  } else {
    const value = readValue(wire, type, depth);
    if (value !== null && !isUnset(value, field)) found[name] = value;
  }
}

/** Go sends zeros, too; they mean something behind a pointer, or where its JSON shows them. */
function isUnset(value: Json, { type, always }: Field): boolean {
  if (always || type.is !== 'scalar' || type.pointer) return false;
  return value === 0 || value === false || value === '';
}

/** A list of numbers may come as one field that holds them all. */
function addItems(list: Json[], of: FieldType, wire: WireField, depth: number): void {
  const isNumber = of.is === 'scalar' && (of.scalar === 'int32' || of.scalar === 'int64');
  if (isNumber && wire.wire === 2) for (const varint of packed(wire.bytes)) list.push(wholeNumber(varint));
  else list.push(readValue(wire, of, depth));
}

function readEntry(bytes: Uint8Array, of: FieldType, depth: number): [string, Json] {
  const value = part(bytes, 2);
  return [textOf(bytesOf(bytes, 1)), value === null ? zeroOf(of) : readValue(value, of, depth)];
}

function zeroOf(type: FieldType): Json {
  switch (type.is) {
    case 'list': case 'wrapped': return [];
    case 'scalar': return type.scalar === 'quantity' ? '0' : '';
    case 'map': case 'definition': return {};
    default: return unreachable(type);
  }
}

function messageBytes({ number, wire, bytes }: WireField): Uint8Array {
  if (wire !== 2) throw new Malformed(`field ${number} has wire type ${wire}`);
  return bytes;
}

/** Null for what stands for nothing: a time that is zero. */
function readValue(wire: WireField, type: FieldType, depth: number): Json {
  switch (type.is) {
    case 'scalar': return readScalar(wire, type.scalar);
    case 'wrapped': {
      const items: Json[] = [];
      for (const each of fieldsOf(messageBytes(wire))) {
        if (each.number === 1) addItems(items, type.of, each, depth);
      }
      return items;
    }
    case 'definition': {
      const definition = definitionOfType(type), bytes = messageBytes(wire);
      return definition.as === null ? readMessage(bytes, definition, depth + 1)
        : readSpecial(bytes, definition, depth + 1);
    }
    // A list of lists: protobuf has none.
    case 'list': case 'map':
      throw new Malformed(`field ${wire.number} is not supported in protobuf; send JSON`);
    default: return unreachable(type);
  }
}

function readScalar(wire: WireField, scalar: Scalar): Json {
  if (scalar === 'double') return doubleOf(wire);
  const isNumber = scalar === 'int32' || scalar === 'int64' || scalar === 'bool';
  const { number, bytes, varint } = wire;
  if (wire.wire !== (isNumber ? 0 : 2)) throw new Malformed(`field ${number} has wire type ${wire.wire}`);
  switch (scalar) {
    case 'string': return textOf(bytes);
    case 'bool': return varint !== 0;
    case 'int32': case 'int64': return wholeNumber(varint);
    case 'bytes': return base64Of(bytes);
    case 'quantity': return textOf(bytesOf(bytes, 1)) || '0';
    case 'int-or-string':
      return varintOf(bytes, 1) === 0 ? wholeNumber(varintOf(bytes, 2)) : textOf(bytesOf(bytes, 3));
    case 'time': return timeOf(bytes, false);
    case 'micro-time': return timeOf(bytes, true);
    case 'any':
      throw new Malformed(`field ${number} is not supported in protobuf; send JSON`);
    default: return unreachable(scalar);
  }
}

/** What JSON shows otherwise than as the fields of its message. */
function readSpecial(bytes: Uint8Array, definition: Definition, depth: number): Json {
  const raw = definition.fields.find(({ name }) => name.toLowerCase() === 'raw');
  if (raw !== undefined) return readRaw(bytesOf(bytes, raw.number ?? 0), depth);
  const found = readMessage(bytes, definition, depth), { schema = null } = found;
  switch (definition.type) {
    case 'JSONSchemaPropsOrBool': return schema ?? found['allows'] === true;
    case 'JSONSchemaPropsOrArray': return found['jSONSchemas'] ?? schema;
    case 'JSONSchemaPropsOrStringArray': return found['property'] ?? schema;
    default: throw new Malformed(`a ${definition.type} is not supported in protobuf; send JSON`);
  }
}

/** JSON in bytes, or another object in protobuf. */
function readRaw(bytes: Uint8Array, depth: number): Json {
  if (bytes.length === 0) return null;
  if (isEnveloped(bytes)) {
    if (depth > limits.bodyDepthMax) throw new Malformed('objects are nested too deep');
    return readObject(bytes, depth + 1);
  }
  const parsed = parseJson(textOf(bytes));
  if (isProblem(parsed)) throw new Malformed(parsed.problem.message);
  return parsed.value;
}

function timeOf(bytes: Uint8Array, micro: boolean): Json {
  const seconds = wholeNumber(varintOf(bytes, 1)), nanos = wholeNumber(varintOf(bytes, 2));
  if (seconds === 0 && nanos === 0) return null;
  // From year 1 to year 9999: what RFC 3339 can say.
  if (seconds < -62_135_596_800 || seconds > 253_402_300_799) throw new Malformed('a time is out of range');
  const whole = rfc3339(seconds * 1000);
  if (!micro) return whole;
  const micros = Math.max(0, Math.trunc(nanos / 1000)) % 1_000_000;
  return whole.replace('Z', `.${String(micros).padStart(6, '0')}Z`);
}

function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
