// The segments that hold the log: files of a fixed size, full of zeros before they are used, so that a write
// changes data only and its sync needs no change of the file's metadata (measured: twice the syncs per
// second). What always holds: a file with a segment's name is complete, with a valid header; segments are
// numbered without a gap; only the last one with frames in it is written to; segments go away from the front
// only.

import { constants } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { limits } from '../../../cluster/limits.ts';
import { closeFile, openFile, readAll, syncDirectory, syncFile, writeAll } from './files.ts';
import { frameAfter, frameAt, frameEnd } from './records.ts';
import type { Frame } from './records.ts';

/** The header has a page of its own, so that no later write can tear it. */
export const segmentHeaderBytes = 4096;
const magic = 'SHOALLOG';
const version = 1;
const suffix = '.log';
const sparePrefix = 'spare-';
const zeros = Buffer.alloc(1024 * 1024);

export interface Segment {
  readonly sequence: number;
  readonly path: string;
  readonly mark: number;
  readonly bytes: number;
  /** Highest index of the entries in it that still count, 0 if none does. */
  lastIndex: number;
}

/** Damage that no crash explains. The peer must not start: what it acknowledged may be gone. */
export class DiskDamage extends Error {
  override name = 'DiskDamage';
  constructor(directory: string, path: string, offset: number, what: string) {
    const log = join(directory, 'log');
    super(`${path} is damaged at byte ${offset}: ${what}. Nothing was changed. Keep a copy of ${directory}. `
      + `Then restore ${log} from a backup of this peer's, or remove ${log} and let the peer come back as a `
      + 'learner with `shoal join ADDRESS --token T`.');
  }
}

export const segmentPath = (folder: string, sequence: number): string =>
  join(folder, `${String(sequence).padStart(12, '0')}${suffix}`);

/** A new empty segment, durable under its name. Takes a spare file if there is one. */
export async function createSegment(folder: string, sequence: number, bytes: number): Promise<Segment> {
  const temporary = join(folder, 'next.tmp');
  const path = segmentPath(folder, sequence);
  const spare = (await readdir(folder)).filter((name) => name.startsWith(sparePrefix)).sort()[0];
  if (spare !== undefined) await rename(join(folder, spare), temporary);
  const fd = await openFile(temporary, spare === undefined ? 'w+' : 'r+');
  const mark = randomInt(1, 0x1_0000_0000);
  try {
    if (spare === undefined) await fillZeros(fd, segmentHeaderBytes, bytes);
    await writeAll(fd, encodeHeader(sequence, mark), 0);
    await syncFile(fd);
  } finally {
    await closeFile(fd);
  }
  await rename(temporary, path);
  await syncDirectory(folder);
  return { sequence, path, mark, bytes, lastIndex: 0 };
}

/** Opens a segment for writing. O_DSYNC: a write returns when its data is on stable storage, in one call. */
export const openSegment = (segment: Segment): Promise<number> =>
  openFile(segment.path, constants.O_RDWR | constants.O_DSYNC);

/** Removes a segment, or keeps its file as a spare. The caller removes from the front, one after another. */
export async function removeSegment(folder: string, segment: Segment): Promise<void> {
  const spares = (await readdir(folder)).filter((name) => name.startsWith(sparePrefix));
  if (segment.bytes === limits.segmentBytes && spares.length < limits.segmentsSpareMax) {
    await rename(segment.path, join(folder, `${sparePrefix}${segment.sequence}`));
  } else {
    await rm(segment.path);
  }
}

/** Fills the rest of a segment with zeros, durably: no byte of a torn frame is ever read again. */
export async function clearFrom(segment: Segment, offset: number): Promise<void> {
  const fd = await openFile(segment.path, 'r+');
  try {
    await fillZeros(fd, offset, segment.bytes);
    await syncFile(fd);
  } finally {
    await closeFile(fd);
  }
}

async function fillZeros(fd: number, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += zeros.length) {
    await writeAll(fd, zeros.subarray(0, Math.min(zeros.length, to - at)), at);
  }
}

export interface ScannedSegment {
  readonly segment: Segment;
  readonly frames: readonly Frame[];
  /** Where the next frame goes. */
  readonly end: number;
  /** Something other than zeros lies beyond the end. */
  readonly dirty: boolean;
}

/** The sequence numbers of the segments in the folder, ascending. What is left of an unfinished one goes. */
export async function listSegments(directory: string, folder: string): Promise<number[]> {
  await rm(join(folder, 'next.tmp'), { force: true });
  const sequences = (await readdir(folder))
    .filter((name) => /^\d{12}\.log$/.test(name))
    .map((name) => Number(name.slice(0, 12)))
    .sort((a, b) => a - b);
  for (const [at, sequence] of sequences.entries()) {
    const expected = (sequences[0] ?? 0) + at;
    if (sequence === expected) continue;
    throw new DiskDamage(directory, segmentPath(folder, expected), 0,
      `the file is missing, though ${segmentPath(folder, sequence)} is there`);
  }
  return sequences;
}

/** Reads one segment. `number` is the frame number it must start with, or null if any will do. */
export async function scanSegment(
  directory: string, folder: string, sequence: number, number: number | null,
): Promise<ScannedSegment> {
  const path = segmentPath(folder, sequence);
  const content = await readWhole(path);
  const mark = decodeHeader(content, sequence);
  if (mark === null) throw new DiskDamage(directory, path, 0, 'its header is not that of a log segment');
  const segment = { sequence, path, mark, bytes: content.length, lastIndex: 0 };
  const frames: Frame[] = [];
  let end = segmentHeaderBytes, expected = number;
  for (let frame = frameAt(content, end, mark); frame !== null; frame = frameAt(content, end, mark)) {
    if (expected !== null && frame.number !== expected) {
      throw new DiskDamage(directory, path, end,
        `frame ${expected} is missing; frame ${frame.number} is there instead`);
    }
    frames.push(frame);
    end = frameEnd(frame);
    expected = frame.number + 1;
  }
  const after = frameAfter(content, end, mark);
  if (after !== null) {
    throw new DiskDamage(directory, path, end, 'the record there fails its checksum, and a valid one follows '
      + `at byte ${after.offset}, so this is no write that a crash cut short`);
  }
  return { segment, frames, end, dirty: !isZero(content, end) };
}

/** Whether a segment of this folder begins with a frame that is sealed. */
export async function hasSealedFrame(directory: string, folder: string): Promise<boolean> {
  for (const sequence of await listSegments(directory, folder)) {
    const content = await readWhole(segmentPath(folder, sequence)), mark = decodeHeader(content, sequence);
    if (mark !== null && (frameAt(content, segmentHeaderBytes, mark)?.form ?? 0) > 0) return true;
  }
  return false;
}

async function readWhole(path: string): Promise<Buffer> {
  const fd = await openFile(path, 'r');
  try {
    return await readAll(fd, limits.segmentBytes, 0);
  } finally {
    await closeFile(fd);
  }
}

function isZero(content: Buffer, from: number): boolean {
  for (let at = from; at < content.length; at += zeros.length) {
    const part = content.subarray(at, at + zeros.length);
    if (part.compare(zeros, 0, part.length) !== 0) return false;
  }
  return true;
}

function encodeHeader(sequence: number, mark: number): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes);
  header.write(magic, 0, 'latin1');
  header.writeUInt32LE(version, 8);
  header.writeUInt32LE(mark, 12);
  header.writeUIntLE(sequence, 16, 6);
  header.writeUInt32LE(crc32(header.subarray(0, 24)), 24);
  return header;
}

/** The segment's mark, or null if this is no header of the segment with that number. */
function decodeHeader(content: Buffer, sequence: number): number | null {
  if (content.length < segmentHeaderBytes || content.toString('latin1', 0, 8) !== magic) return null;
  if (content.readUInt32LE(24) !== crc32(content.subarray(0, 24))) return null;
  if (content.readUInt32LE(8) !== version || content.readUIntLE(16, 6) !== sequence) return null;
  return content.readUInt32LE(12);
}
