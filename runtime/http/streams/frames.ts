// SPDY/3.1 frames, as bytes and back. Data is handed on in the parts in which it comes; a control frame is
// read whole, for it is small.
//
// What always holds: what is not SPDY/3, or larger than it may be, is said to be an error, and nothing is
// read after it; no more is held than one control frame.
// Source: "SPDY Protocol - Draft 3.1" (chromium.org), sections 2.2 and 2.6.

import { limits } from '../../../cluster/limits.ts';

export type Frame =
  /** A part of a data frame; `fin` on its last one. */
  | { readonly type: 'data'; readonly stream: number; readonly fin: boolean; readonly data: Buffer }
  | { readonly type: 'syn-stream' | 'syn-reply' | 'headers'; readonly stream: number; readonly fin: boolean;
      readonly block: Buffer }
  | { readonly type: 'rst-stream'; readonly stream: number; readonly status: number }
  | { readonly type: 'settings'; readonly entries: readonly Setting[] }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goaway'; readonly last: number; readonly status: number }
  | { readonly type: 'window-update'; readonly stream: number; readonly delta: number }
  /** Of a type that may be passed over, as the draft has it. */
  | { readonly type: 'other' };

export interface Setting { readonly id: number; readonly value: number }

export type FrameError = { readonly type: 'error'; readonly message: string };

export interface FrameReader {
  push(chunk: Buffer): void;
  /** Null: more bytes are needed. After an error there is nothing more. */
  next(): Frame | FrameError | null;
}

const headBytes = 8;
const flagFin = 0x01;
const types = {
  synStream: 1, synReply: 2, rstStream: 3, settings: 4, ping: 6, goaway: 7, headers: 8, windowUpdate: 9,
} as const;
/** Statuses of a RST_STREAM. */
export const reset = { protocolError: 1, refused: 3, cancel: 5, flowControl: 7 } as const;
/** Identifiers of settings. */
export const initialWindowSize = 7;

export function createFrameReader(): FrameReader {
  let held: Buffer = Buffer.alloc(0), failed = false;
  /** The data frame that is being read: how much of it is missing. */
  let data: { readonly stream: number; readonly fin: boolean; left: number } | null = null;

  function fail(message: string): FrameError {
    failed = true;
    held = Buffer.alloc(0);
    return { type: 'error', message };
  }

  function part(): Frame | null {
    if (data === null || (held.length === 0 && data.left > 0)) return null;
    const { stream, fin } = data, bytes = held.subarray(0, data.left);
    held = held.subarray(bytes.length);
    data.left -= bytes.length;
    const last = data.left === 0;
    if (last) data = null;
    return { type: 'data', stream, fin: fin && last, data: bytes };
  }

  return {
    push(chunk) { held = held.length === 0 ? chunk : Buffer.concat([held, chunk]); },
    next() {
      if (failed) return null;
      if (data !== null) return part();
      if (held.length < headBytes) return null;
      const first = held.readUInt32BE(0), flags = held.readUInt8(4), length = held.readUIntBE(5, 3);
      if (first < 0x8000_0000) {
        if (length > limits.streamFrameBytesMax) return fail(`a data frame of ${length} bytes`);
        if (first === 0) return fail('data of stream 0');
        held = held.subarray(headBytes);
        data = { stream: first, fin: (flags & flagFin) !== 0, left: length };
        return part();
      }
      const version = (first >>> 16) & 0x7fff, type = first & 0xffff;
      if (version !== 3) return fail(`SPDY version ${version}`);
      if (length > limits.spdyHeaderBlockBytesMax + 16) return fail(`a control frame of ${length} bytes`);
      if (held.length < headBytes + length) return null;
      const body = held.subarray(headBytes, headBytes + length);
      held = held.subarray(headBytes + length);
      return control(type, flags, body) ?? fail(`a malformed control frame of type ${type}`);
    },
  };
}

const idOf = (body: Buffer, at = 0): number => body.readUInt32BE(at) & 0x7fff_ffff;

function control(type: number, flags: number, body: Buffer): Frame | null {
  const fin = (flags & flagFin) !== 0;
  switch (type) {
    case types.synStream:
      // Stream, associated stream, priority and slot.
      if (body.length < 10 || idOf(body) === 0) return null;
      return { type: 'syn-stream', stream: idOf(body), fin, block: body.subarray(10) };
    case types.synReply: case types.headers: {
      if (body.length < 4 || idOf(body) === 0) return null;
      const name = type === types.headers ? 'headers' : 'syn-reply';
      return { type: name, stream: idOf(body), fin, block: body.subarray(4) };
    }
    case types.rstStream:
      if (body.length !== 8) return null;
      return { type: 'rst-stream', stream: idOf(body), status: body.readUInt32BE(4) };
    case types.settings: {
      if (body.length < 4 || body.length !== 4 + body.readUInt32BE(0) * 8) return null;
      const entries = Array.from({ length: (body.length - 4) / 8 }, (_, i) =>
        ({ id: body.readUIntBE(5 + i * 8, 3), value: body.readUInt32BE(8 + i * 8) }));
      return { type: 'settings', entries };
    }
    case types.ping: return body.length === 4 ? { type: 'ping', id: body.readUInt32BE(0) } : null;
    case types.goaway:
      return body.length === 8 ? { type: 'goaway', last: idOf(body), status: body.readUInt32BE(4) } : null;
    case types.windowUpdate: {
      if (body.length !== 8 || idOf(body, 4) === 0) return null;
      return { type: 'window-update', stream: idOf(body), delta: idOf(body, 4) };
    }
    default: return { type: 'other' };
  }
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

/** The head of a data frame; its bytes follow. */
export function dataHead(stream: number, length: number, fin: boolean): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(stream, 0);
  head.writeUInt32BE((fin ? flagFin << 24 : 0) + length, 4);
  return head;
}

function controlFrame(type: number, flags: number, body: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE((0x8003 * 0x10000 + type) >>> 0, 0);
  head.writeUInt32BE((flags << 24) + body.length, 4);
  return Buffer.concat([head, body]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => bytes.writeUInt32BE(value, at * 4));
  return bytes;
}

export const synReply = (stream: number, block: Buffer): Buffer =>
  controlFrame(types.synReply, 0, Buffer.concat([numbers(stream), block]));
export const rstStream = (stream: number, status: number): Buffer =>
  controlFrame(types.rstStream, 0, numbers(stream, status));
export const ping = (id: number): Buffer => controlFrame(types.ping, 0, numbers(id));
export const goaway = (last: number): Buffer => controlFrame(types.goaway, 0, numbers(last, 0));
export const windowUpdate = (stream: number, delta: number): Buffer =>
  controlFrame(types.windowUpdate, 0, numbers(stream, delta));
