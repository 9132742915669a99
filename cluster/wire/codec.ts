// Bytes to plain values and back: MessagePack, restricted to what Shoal's own messages use: integers,
// floats that stand for large integers, booleans, null, text, bytes and arrays. Maps, extensions (dates,
// regular expressions, records, references) and reserved bytes are refused before the decoder sees them.
//
// What always holds: `unpack` never throws, never recurses deeper than `limits.wireDepthMax`, and allocates
// no more than the frame's own size times a constant, whatever the frame claims of lengths. Bytes in the
// result lie in a private copy of the frame, so that a network buffer may be used again.

import { Packr, Unpackr } from 'msgpackr/pack';
import { assert } from '../assert.ts';
import { limits } from '../limits.ts';

/** What the encoder takes. Objects are not among it: every message is a positional array. */
export type Plain = number | string | boolean | null | Uint8Array | readonly Plain[];

// Records and shared structures would make the bytes depend on what was sent before; see the file's head.
const packr = new Packr({ useRecords: false, moreTypes: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** A text for people, cut to what the guard on the other side lets in. */
export function cut(text: string): string {
  return text.length <= limits.reasonLengthMax ? text : text.slice(0, limits.reasonLengthMax);
}

/** The encoded value, perhaps as part of a larger buffer: for frames that are soon sent and forgotten. */
export function pack(value: Plain): Uint8Array {
  const packed = packr.pack(value);
  assert(packed.length <= limits.messageBytesMax, `a frame has ${packed.length} bytes: too many`);
  return new Uint8Array(packed.buffer, packed.byteOffset, packed.length);
}

/** The encoded value in a buffer of its own: for bytes that are kept, which must not keep others alive. */
export function packOwn(value: Plain): Uint8Array {
  return new Uint8Array(packr.pack(value));
}

/** The value of a whole frame, or why it is none. */
export function unpack(
  frame: Uint8Array, bytesMax: number,
): { readonly value: unknown } | { readonly bad: string } {
  if (frame.length > bytesMax) return { bad: `${frame.length} bytes, at most ${bytesMax} are allowed` };
  const bad = skim(frame);
  if (bad !== null) return { bad };
  try {
    return { value: unpackr.unpack(new Uint8Array(frame)) };
  } catch (error) {
    return { bad: error instanceof Error ? error.message : 'not decodable' };
  }
}

/**
 * Walks the tokens once, without building anything: null if they form exactly one value of the restricted
 * format that ends with the frame. An array may not claim more items than there are bytes left.
 */
function skim(frame: Uint8Array): string | null {
  const left: number[] = [];
  let pending = 1, at = 0;
  while (pending > 0) {
    if (at >= frame.length) return 'ends in the middle';
    const token = frame[at] ?? 0;
    const size = sizeOf(frame, token, at);
    if (size < 0) return `token 0x${token.toString(16)} is not part of the format`;
    at += size;
    if (at > frame.length) return 'ends in the middle';
    pending -= 1;
    const items = itemsOf(frame, token, at);
    if (items > 0) {
      if (items > frame.length - at) return 'an array claims more items than there are bytes';
      if (left.length >= limits.wireDepthMax) return `nested deeper than ${limits.wireDepthMax}`;
      left.push(pending);
      pending = items;
    }
    while (pending === 0 && left.length > 0) pending = left.pop() ?? 0;
  }
  return at === frame.length ? null : 'bytes after the end';
}

/** Bytes of the token at `at` with its payload (for arrays, of the header alone); −1 if it is not allowed. */
function sizeOf(frame: Uint8Array, token: number, at: number): number {
  if (token < 0x80) return 1;
  if (token < 0x90) return -1;
  if (token < 0xa0) return 1;
  if (token < 0xc0) return 1 + (token - 0xa0);
  switch (token) {
    case 0xc0: case 0xc2: case 0xc3: return 1;
    case 0xc4: case 0xd9: return 2 + unsigned(frame, at + 1, 1);
    case 0xc5: case 0xda: return 3 + unsigned(frame, at + 1, 2);
    case 0xc6: case 0xdb: return 5 + unsigned(frame, at + 1, 4);
    case 0xcb: return 9;
    case 0xcc: return 2;
    case 0xcd: case 0xdc: return 3;
    case 0xce: case 0xdd: return 5;
    default: return -1;
  }
}

/** Items of the array whose header ends before `at`; 0 for anything else. */
function itemsOf(frame: Uint8Array, token: number, at: number): number {
  if (token >= 0x90 && token < 0xa0) return token - 0x90;
  if (token === 0xdc) return unsigned(frame, at - 2, 2);
  if (token === 0xdd) return unsigned(frame, at - 4, 4);
  return 0;
}

/** A big-endian integer; bytes beyond the frame read as 0, the caller then finds the frame too short. */
function unsigned(frame: Uint8Array, at: number, bytes: 1 | 2 | 4): number {
  let n = 0;
  for (let i = 0; i < bytes; i++) n = n * 256 + (frame[at + i] ?? 0);
  return n;
}
