// The bytes of the log on disk: records joined into frames, one frame per sync.
// A frame is the unit of tearing: the next one is written only after this one is on stable storage, so after
// a crash only the last frame can be incomplete, and a bad frame that a good one follows is damage, not a
// crash.
//
//     frame   mark u32 | body length u32 | number u48 | form u16 | body CRC u32 | header CRC u32 | body |
//             zeros
//     body    records, each a kind byte and its fields; integers little-endian. In form 1 they are sealed
//             (`seal.ts`), in their place by mark and number; form 0, of old, is as it is
//
// `mark` is the segment's own random number: bytes of another segment, of a segment's former life, or of an
// entry that looks like a frame are never taken for one. Frames start at multiples of 8.

import { crc32 } from 'node:zlib';
import { unreachable } from '../../../cluster/assert.ts';
import { index, peerId, term } from '../../../cluster/ids.ts';
import type { Index, Term } from '../../../cluster/ids.ts';
import type { Entry, HardState } from '../../../cluster/log/types.ts';
import { sealBytes } from './seal.ts';
import type { Opened, Seal } from './seal.ts';

export type DiskRecord =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'hard'; readonly hard: HardState }
  | { readonly kind: 'truncate'; readonly after: Index }
  /** A received snapshot took the place of the log up to its index. */
  | { readonly kind: 'replace'; readonly index: Index; readonly term: Term }
  | { readonly kind: 'fact'; readonly name: string; readonly value: string };

export const frameHeaderBytes = 24;
const alignment = 8;
const entryHeaderBytes = 18;

const recordCodes = { entry: 1, hard: 2, truncate: 3, replace: 4, fact: 5 } as const;
const entryKinds: readonly Entry['kind'][] = ['noop', 'command', 'config'];

/** An upper bound of the record's bytes in a frame. */
export function recordBytes(record: DiskRecord): number {
  switch (record.kind) {
    case 'entry': return entryHeaderBytes + record.entry.data.length;
    case 'hard': return 16 + 3 * (record.hard.vote ?? '').length;
    case 'truncate': return 7;
    case 'replace': return 13;
    case 'fact': return 9 + 3 * (record.name.length + record.value.length);
    default: return unreachable(record);
  }
}

/** An upper bound of the bytes of a frame with these records. */
export function frameRoom(records: readonly DiskRecord[]): number {
  let bytes = frameHeaderBytes + alignment + sealBytes;
  for (const record of records) bytes += recordBytes(record);
  return bytes;
}

/** Encodes one frame at a time, into a buffer that is used again for the next. */
export interface FrameWriter {
  /** The frame's bytes, valid until the next call. */
  encode(records: readonly DiskRecord[], mark: number, number: number): Buffer;
}

export function createFrameWriter(seal: Seal): FrameWriter {
  let plain = Buffer.alloc(64 * 1024), buffer = Buffer.alloc(64 * 1024);
  return {
    encode(records, mark, number) {
      const room = frameRoom(records);
      if (room > buffer.length) {
        buffer = Buffer.alloc(Math.max(room, buffer.length * 2));
        plain = Buffer.alloc(buffer.length);
      }
      let end = 0;
      for (const record of records) end = writeRecord(plain, end, record);
      const sealed = seal.seal(plain.subarray(0, end), framePlace(mark, number));
      sealed.copy(buffer, frameHeaderBytes);
      const total = aligned(frameHeaderBytes + sealed.length);
      buffer.fill(0, frameHeaderBytes + sealed.length, total);
      buffer.writeUInt32LE(mark, 0);
      buffer.writeUInt32LE(sealed.length, 4);
      buffer.writeUIntLE(number, 8, 6);
      buffer.writeUInt16LE(sealedForm, 14);
      buffer.writeUInt32LE(crc32(sealed), 16);
      buffer.writeUInt32LE(crc32(buffer.subarray(0, 20)), 20);
      return buffer.subarray(0, total);
    },
  };
}

const plainForm = 0, sealedForm = 1;

/** No two frames have the same: a segment has a mark of its own each time it is used. */
function framePlace(mark: number, number: number): Buffer {
  const place = Buffer.alloc(10);
  place.writeUInt32LE(mark, 0);
  place.writeUIntLE(number, 4, 6);
  return place;
}

const aligned = (offset: number): number => Math.ceil(offset / alignment) * alignment;

function writeRecord(buffer: Buffer, start: number, record: DiskRecord): number {
  let at = buffer.writeUInt8(recordCodes[record.kind], start);
  switch (record.kind) {
    case 'entry':
      at = buffer.writeUInt8(entryKinds.indexOf(record.entry.kind), at);
      at = buffer.writeUIntLE(record.entry.index, at, 6);
      at = buffer.writeUIntLE(record.entry.term, at, 6);
      at = buffer.writeUInt32LE(record.entry.data.length, at);
      buffer.set(record.entry.data, at);
      return at + record.entry.data.length;
    case 'hard':
      at = buffer.writeUIntLE(record.hard.term, at, 6);
      at = buffer.writeUInt8(record.hard.vote === null ? 0 : 1, at);
      return writeText(buffer, at, record.hard.vote ?? '');
    case 'truncate':
      return buffer.writeUIntLE(record.after, at, 6);
    case 'replace':
      at = buffer.writeUIntLE(record.index, at, 6);
      return buffer.writeUIntLE(record.term, at, 6);
    case 'fact':
      return writeText(buffer, writeText(buffer, at, record.name), record.value);
    default: return unreachable(record);
  }
}

function writeText(buffer: Buffer, at: number, text: string): number {
  const bytes = buffer.write(text, at + 4, 'utf8');
  buffer.writeUInt32LE(bytes, at);
  return at + 4 + bytes;
}

export interface Frame {
  readonly offset: number;
  readonly number: number;
  readonly mark: number;
  readonly form: number;
  readonly body: Buffer;
}

/** The frame that starts at `offset`, or null if none does. */
export function frameAt(segment: Buffer, offset: number, mark: number): Frame | null {
  if (offset + frameHeaderBytes > segment.length) return null;
  if (segment.readUInt32LE(offset) !== mark) return null;
  if (crc32(segment.subarray(offset, offset + 20)) !== segment.readUInt32LE(offset + 20)) return null;
  const length = segment.readUInt32LE(offset + 4);
  const start = offset + frameHeaderBytes;
  if (start + length > segment.length) return null;
  const body = segment.subarray(start, start + length);
  if (crc32(body) !== segment.readUInt32LE(offset + 16)) return null;
  const number = segment.readUIntLE(offset + 8, 6), form = segment.readUInt16LE(offset + 14);
  return { offset, number, mark, form, body };
}

/** The first frame at or after `offset`, wherever it starts: to tell a torn end from damage. */
export function frameAfter(segment: Buffer, offset: number, mark: number): Frame | null {
  for (let at = aligned(offset); at + frameHeaderBytes <= segment.length; at += alignment) {
    if (segment.readUInt32LE(at) !== mark) continue;
    const frame = frameAt(segment, at, mark);
    if (frame !== null) return frame;
  }
  return null;
}

/** Where the frame after this one starts. */
export const frameEnd = (frame: Frame): number =>
  aligned(frame.offset + frameHeaderBytes + frame.body.length);

/** The body as it was before it was sealed. */
export function openFrame({ mark, number, form, body }: Frame, seal: Seal): Opened {
  switch (form) {
    case plainForm: return { plain: body, current: false };
    case sealedForm: return seal.open(body, framePlace(mark, number));
    default: return { refused: 'it is in a form of a newer version' };
  }
}

/** A frame's records. Its checksum held, so anything unreadable was written by another version: null. */
export function readRecords(body: Buffer): DiskRecord[] | null {
  const records: DiskRecord[] = [];
  const cursor = { at: 0 };
  try {
    while (cursor.at < body.length) {
      const record = readRecord(body, cursor);
      if (record === null) return null;
      records.push(record);
    }
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
  return records;
}

function readRecord(body: Buffer, cursor: { at: number }): DiskRecord | null {
  const code = body.readUInt8(cursor.at);
  cursor.at += 1;
  switch (code) {
    case recordCodes.entry: return readEntry(body, cursor);
    case recordCodes.hard: {
      const hardTerm = term(readU48(body, cursor));
      const voted = body.readUInt8(cursor.at) === 1;
      cursor.at += 1;
      const vote = readText(body, cursor);
      return { kind: 'hard', hard: { term: hardTerm, vote: voted ? peerId(vote) : null } };
    }
    case recordCodes.truncate: return { kind: 'truncate', after: index(readU48(body, cursor)) };
    case recordCodes.replace: {
      const at = index(readU48(body, cursor));
      return { kind: 'replace', index: at, term: term(readU48(body, cursor)) };
    }
    case recordCodes.fact: {
      const name = readText(body, cursor);
      return { kind: 'fact', name, value: readText(body, cursor) };
    }
    default: return null;
  }
}

/** The entry's data is a copy: a view would keep the whole segment in memory. */
function readEntry(body: Buffer, cursor: { at: number }): DiskRecord | null {
  const kind = entryKinds[body.readUInt8(cursor.at)];
  cursor.at += 1;
  const at = index(readU48(body, cursor));
  const entryTerm = term(readU48(body, cursor));
  const length = body.readUInt32LE(cursor.at);
  cursor.at += 4;
  if (kind === undefined || cursor.at + length > body.length) return null;
  const data = new Uint8Array(body.subarray(cursor.at, cursor.at + length));
  cursor.at += length;
  return { kind: 'entry', entry: { index: at, term: entryTerm, kind, data } };
}

function readU48(body: Buffer, cursor: { at: number }): number {
  const value = body.readUIntLE(cursor.at, 6);
  cursor.at += 6;
  return value;
}

function readText(body: Buffer, cursor: { at: number }): string {
  const length = body.readUInt32LE(cursor.at);
  const start = cursor.at + 4;
  if (start + length > body.length) throw new RangeError('text beyond the frame');
  cursor.at = start + length;
  return body.toString('utf8', start, cursor.at);
}
