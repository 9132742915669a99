// The wire format of Protocol Buffers: a message as its fields, each with its number and its bytes.
//
// What always holds: bytes that make no sense throw `Malformed`, which `read.ts` catches; reading a message
// takes time linear in its length.
// Source: the encoding of Protocol Buffers.

/** Bytes that make no sense; an exception, so that every level need not pass it up by hand. */
export class Malformed extends Error {}

export interface WireField {
  readonly number: number;
  /** 0: `varint` holds the value; 2: `bytes` does. Fixed-size numbers (1, 5) come as bytes. */
  readonly wire: number;
  readonly varint: bigint;
  readonly bytes: Uint8Array;
}

const nothing = new Uint8Array(0);

export function* fieldsOf(bytes: Uint8Array): Generator<WireField> {
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

/** The numbers of a packed list. */
export function* packed(bytes: Uint8Array): Generator<bigint> {
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) yield readVarint(bytes, cursor);
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

export function wholeNumber(varint: bigint): number {
  const value = Number(BigInt.asIntN(64, varint));
  if (!Number.isSafeInteger(value)) throw new Malformed('a number is too large');
  return value;
}

/** The last field of this number; null where there is none. */
export function part(bytes: Uint8Array, number: number): WireField | null {
  let found: WireField | null = null;
  for (const field of fieldsOf(bytes)) if (field.number === number) found = field;
  return found;
}

export const varintOf = (bytes: Uint8Array, number: number): bigint => part(bytes, number)?.varint ?? 0n;
export const bytesOf = (bytes: Uint8Array, number: number): Uint8Array =>
  part(bytes, number)?.bytes ?? nothing;

/** Zero, empty, or a message of nothing but such. */
export const isZero = (field: WireField): boolean =>
  field.wire === 0 ? field.varint === 0n : field.bytes.every((byte) => byte === 0);

export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Malformed('a text is not valid UTF-8');
  }
}

export function doubleOf(field: WireField): number {
  if (field.wire !== 1) throw new Malformed(`field ${field.number} has wire type ${field.wire}`);
  const { buffer, byteOffset } = field.bytes;
  const value = new DataView(buffer, byteOffset, 8).getFloat64(0, true);
  if (!Number.isFinite(value)) throw new Malformed('a number is not finite');
  return value;
}
