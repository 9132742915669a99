// Takes a container's output out of the parts that its shim writes, into a log in Kubernetes' format:
//
//     2026-11-24T08:00:00.123000000Z stdout F a line
//
// What always holds: a part is deleted once all of it is in the log; the log is rotated once it is
// `containerLogBytesMax` large, and one older file is kept. How far it has come is on disk, so the next peer
// goes on from there; only a kill between two writes that follow each other can make it say a line twice.
// Source: Kubernetes, "CRI: Log management" (kubernetes/design-proposals, kubelet-cri-logging).

import {
  appendFileSync, closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, readdirSync, renameSync,
  rmSync, statSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { limits } from '../../../cluster/limits.ts';

export interface Collector {
  /** Takes what is there; true: there is more, and it should be asked again soon. */
  collect(drained: boolean): boolean;
  /** All output of a program that has ended is in the log. */
  done(): boolean;
}

type StreamName = 'out' | 'err';

/** `n`, `position`: where the first byte is that is not in the log yet. */
interface Cursor { n: number; position: number }
interface Progress { out: Cursor; err: Cursor; done: boolean }

/** A longer line is cut into records that say so. */
const recordBytesMax = 16 * 1024;
/** Taken in one go, so that one chatty container does not hold up the peer. */
const turnBytesMax = 256 * 1024;

export function createCollector(dir: string): Collector {
  const file = join(dir, 'progress.json'), log = join(dir, 'log');
  const progress: Progress = readProgress(file);
  let lastStampMs = 0;

  function collect(drained: boolean): boolean {
    if (progress.done) return false;
    const more = [take('out', drained), take('err', drained)].includes(true);
    if (drained && !more) {
      progress.done = true;
      writeFileSync(file, JSON.stringify(progress));
      removeParts(dir);
    }
    return more;
  }

  /** Moves what one stream has into the log. */
  function take(name: StreamName, drained: boolean): boolean {
    const cursor = progress[name];
    if (!existsSync(join(dir, `${name}.${cursor.n}`)) && !skipLost(dir, name, cursor)) return false;
    const { bytes, pieces, stampMs, more } = readFrom(dir, name, cursor);
    const { records, used } = split(bytes, drained && !more);
    if (used === 0) return false;
    lastStampMs = Math.max(lastStampMs, stampMs);
    append(name, records, new Date(lastStampMs));
    advance(dir, name, cursor, pieces, used);
    writeFileSync(file, JSON.stringify(progress));
    return more;
  }

  function append(name: StreamName, records: readonly LogRecord[], at: Date): void {
    const prefix = `${at.toISOString().slice(0, -1)}000000Z ${name === 'out' ? 'stdout' : 'stderr'} `;
    const parts = records.flatMap(({ bytes, whole }) =>
      [Buffer.from(`${prefix}${whole ? 'F' : 'P'} `), bytes, newline]);
    const size = existsSync(log) ? statSync(log).size : 0;
    if (size > limits.containerLogBytesMax) renameSync(log, join(dir, 'log.1'));
    appendFileSync(log, Buffer.concat(parts), { mode: 0o600 });
  }

  return { collect, done: () => progress.done };
}

const newline = Buffer.from('\n');

function readProgress(file: string): Progress {
  const fresh: Progress = { out: { n: 0, position: 0 }, err: { n: 0, position: 0 }, done: false };
  try {
    return { ...fresh, ...JSON.parse(readFileSync(file, 'utf8')) as Partial<Progress> };
  } catch {
    return fresh;
  }
}

/** The shim moved on without us: go on with the oldest part that it kept. False where there is none. */
function skipLost(dir: string, name: StreamName, cursor: Cursor): boolean {
  const next = parts(dir, name).find((n) => n > cursor.n);
  if (next === undefined) return false;
  cursor.n = next;
  cursor.position = 0;
  return true;
}

/** The numbers of a stream's parts, in order. */
function parts(dir: string, name: StreamName): readonly number[] {
  return readdirSync(dir).filter((file) => file.startsWith(`${name}.`))
    .map((file) => Number(file.slice(name.length + 1))).sort((a, b) => a - b);
}

function removeParts(dir: string): void {
  for (const name of ['out', 'err'] as const) {
    for (const n of parts(dir, name)) rmSync(join(dir, `${name}.${n}`), { force: true });
  }
}

/** What was read of one part. */
interface Piece { readonly n: number; readonly position: number; readonly length: number }

/**
 * Bytes from the cursor on, across parts. `more`: there is more than was read. A part is whole once the next
 * one is there: that is looked at first, for the part may grow while it is read.
 */
function readFrom(dir: string, name: StreamName, cursor: Cursor) {
  const found: Buffer[] = [], pieces: Piece[] = [];
  let room = turnBytesMax, { n, position } = cursor, stampMs = 0, whole = true;
  for (; room > 0 && whole; n++, position = 0) {
    whole = existsSync(join(dir, `${name}.${n + 1}`));
    const part = readPart(join(dir, `${name}.${n}`), position, room);
    if (part === null) break;
    found.push(part.bytes);
    pieces.push({ n, position, length: part.bytes.length });
    room -= part.bytes.length;
    // Output is as old as the part it is in says: it may have been written while no peer lived.
    if (part.bytes.length > 0) stampMs = Math.min(Date.now(), part.modifiedMs);
  }
  return { bytes: Buffer.concat(found), pieces, stampMs, more: room <= 0 };
}

function readPart(path: string, position: number, room: number) {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    const { size, mtimeMs } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.max(0, Math.min(room, size - position)));
    const length = readSync(fd, bytes, 0, bytes.length, position);
    return { bytes: bytes.subarray(0, length), modifiedMs: mtimeMs };
  } finally {
    closeSync(fd);
  }
}

interface LogRecord { readonly bytes: Buffer; readonly whole: boolean }

/** Lines, and pieces of overlong ones. A line without its end waits for it, unless nothing more can come. */
function split(bytes: Buffer, isEnd: boolean): { records: readonly LogRecord[]; used: number } {
  const records: LogRecord[] = [];
  let from = 0;
  while (from < bytes.length) {
    const end = bytes.indexOf(0x0a, from);
    const line = end < 0 ? bytes.length : end;
    if (line - from > recordBytesMax) {
      records.push({ bytes: bytes.subarray(from, from + recordBytesMax), whole: false });
      from += recordBytesMax;
    } else if (end >= 0) {
      records.push({ bytes: bytes.subarray(from, end), whole: true });
      from = end + 1;
    } else if (isEnd) {
      records.push({ bytes: bytes.subarray(from), whole: false });
      from = bytes.length;
    } else break;
  }
  return { records, used: from };
}

/** Moves the cursor over `used` bytes and deletes the parts behind it, after which others have been begun. */
function advance(
  dir: string, name: StreamName, cursor: Cursor, pieces: readonly Piece[], used: number,
): void {
  let left = used;
  pieces.forEach(({ n, position, length }, at) => {
    const taken = Math.min(left, length);
    left -= taken;
    if (taken === 0 && left === 0 && n !== cursor.n) return;
    cursor.n = n;
    cursor.position = position + taken;
    const next = pieces[at + 1];
    if (taken < length || next === undefined) return;
    rmSync(join(dir, `${name}.${n}`), { force: true });
    cursor.n = next.n;
    cursor.position = 0;
  });
}
