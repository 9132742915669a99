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
  readonly varint: number;
  readonly bytes: Uint8Array;
}

const nothing = new Uint8Array(0);

export function* fieldsOf(bytes: Uint8Array): Generator<WireField> {
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const tag = readVarint(bytes, cursor), number = Math.floor(tag / 8), wire = tag % 8;
    if (number < 1 || number > fieldNumberMax) throw new Malformed(`a field has the number ${number}`);
    if (wire === 0) {
      yield { number, wire, varint: readVarint(bytes, cursor), bytes: nothing };
      continue;
    }
    const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? readVarint(bytes, cursor) : -1;
    if (length < 0) throw new Malformed(`field ${number} has wire type ${wire}`);
    if (length > bytes.length - cursor.at) throw new Malformed(`field ${number} goes beyond the end`);
    const end = cursor.at + length;
    yield { number, wire, varint: 0, bytes: length === 0 ? nothing : bytes.subarray(cursor.at, end) };
    cursor.at = end;
  }
}

/** The numbers of a packed list. */
export function* packed(bytes: Uint8Array): Generator<number> {
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) yield readVarint(bytes, cursor);
}

const fieldNumberMax = 2 ** 29 - 1;

/**
 * Seven bits a byte, the lowest first; 64 bits in two's complement. Put together as two halves: a big integer
 * for each would take a hundred times as long, and whoever sends millions of fields shall not hold us up.
 */
function readVarint(bytes: Uint8Array, cursor: { at: number }): number {
  let low = 0, high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = bytes[cursor.at];
    if (byte === undefined) throw new Malformed('a number is cut off');
    cursor.at += 1;
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high |= bits >>> 4;
    } else if (shift < 63) high |= bits << (shift - 32);
    else high |= bits << 31;
    if (byte < 0x80) return high * 0x1_0000_0000 + (low >>> 0);
  }
  throw new Malformed('a number is too long');
}

/** Refuses what JSON can't keep exact. */
export function wholeNumber(value: number): number {
  if (!Number.isSafeInteger(value)) throw new Malformed('a number is too large');
  return value;
}

/** The last field of this number; null where there is none. */
export function part(bytes: Uint8Array, number: number): WireField | null {
  let found: WireField | null = null;
  for (const field of fieldsOf(bytes)) if (field.number === number) found = field;
  return found;
}

export const varintOf = (bytes: Uint8Array, number: number): number => part(bytes, number)?.varint ?? 0;
export const bytesOf = (bytes: Uint8Array, number: number): Uint8Array =>
  part(bytes, number)?.bytes ?? nothing;

/** Zero, empty, or a message of nothing but such. */
export const isZero = (field: WireField): boolean =>
  field.wire === 0 ? field.varint === 0 : field.bytes.every((byte) => byte === 0);

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function textOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return '';
  try {
    return decoder.decode(bytes);
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
