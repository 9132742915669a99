// Reads a container's log for one reader: the older file and the newer, then what is appended, within credit.
// What always holds: no more bytes are delivered than were granted; a stream ends once, unless it is closed.

import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { limits } from '../../../cluster/limits.ts';
import type { LogOptions } from '../../../cluster/ports.ts';

export interface LogReader {
  credit(bytes: number): void;
  /** The log grew, or its container ended. */
  pump(): void;
  close(): void;
}

export interface LogSource {
  /** The container's directory. */
  readonly dir: string;
  /** Nothing will be appended any more. */
  ended(): boolean;
  /** `error`: what the program wrote to its standard error. */
  chunk(data: Uint8Array, error: boolean): void;
  end(error: string | null): void;
}

const blockBytes = 64 * 1024;
/** In a record, after its stamp. */
const errorMark = ' stderr ';

export function createLogReader(source: LogSource, options: LogOptions, credit: number): LogReader {
  const lines = createLineReader(source.dir, options.tailLines);
  let granted = credit, closed = false, pending: Buffer = Buffer.alloc(0), isError = false;

  /** Fills `pending` from the next record; false: there is none now. */
  function refill(): boolean {
    while (pending.length === 0) {
      const line = lines.next();
      if (line === null) return false;
      pending = render(line, options);
      isError = line.indexOf(errorMark) === line.indexOf(0x20);
    }
    return true;
  }

  function pump(): void {
    if (closed) return;
    try {
      // Asked before reading: what is appended after that is read the next time.
      const ended = source.ended();
      while (refill()) {
        if (granted <= 0) return;
        const size = Math.min(granted, pending.length, limits.logChunkBytes);
        granted -= size;
        const data = pending.subarray(0, size);
        pending = pending.subarray(size);
        source.chunk(new Uint8Array(data), isError);
      }
      if (!options.follow || ended) finish(null);
    } catch (error) {
      finish(error instanceof Error ? error.message : String(error));
    }
  }

  function finish(error: string | null): void {
    if (closed) return;
    close();
    source.end(error);
  }

  function close(): void {
    closed = true;
    lines.close();
  }

  return {
    pump, close,
    credit(bytes) {
      granted += bytes;
      pump();
    },
  };
}

/** A record as the reader wants it: empty if it is too old, without a line's end if it is a piece of one. */
function render(line: Buffer, { timestamps, sinceMs }: LogOptions): Buffer {
  const stampEnd = line.indexOf(0x20), streamEnd = line.indexOf(0x20, stampEnd + 1);
  const tagEnd = line.indexOf(0x20, streamEnd + 1);
  if (tagEnd < 0) return Buffer.alloc(0);
  const stamp = line.subarray(0, stampEnd).toString('latin1');
  if (sinceMs !== null && Date.parse(stamp) < sinceMs) return Buffer.alloc(0);
  const whole = line[tagEnd - 1] === 0x46;
  const text = line.subarray(tagEnd + 1);
  return Buffer.concat([
    Buffer.from(timestamps ? `${stamp} ` : ''), text, Buffer.from(whole ? '\n' : ''),
  ]);
}

/** Line by line through `log.1` and `log`, and through what they are renamed to meanwhile. */
function createLineReader(dir: string, tailLines: number | null) {
  const current = join(dir, 'log'), older = join(dir, 'log.1');
  let fd: number | null = null, inode = 0, position = 0, buffer: Buffer = Buffer.alloc(0);

  function open(path: string, at: number): void {
    fd = openSync(path, 'r');
    inode = fstatSync(fd).ino;
    position = at;
  }

  function begin(): boolean {
    const start = tailLines === null ? { path: existsSync(older) ? older : current, at: 0 }
      : tailStart(older, current, tailLines);
    if (!existsSync(start.path)) return false;
    open(start.path, start.at);
    return true;
  }

  /** At the end of a file: the one that follows it, if there is one. */
  function follow(): boolean {
    if (fd === null || !existsSync(current) || statSync(current).ino === inode) return false;
    const isOlder = existsSync(older) && statSync(older).ino === inode;
    closeSync(fd);
    // Renamed twice while we read: what lay between is lost, as in any rotation.
    open(isOlder || !existsSync(older) ? current : older, 0);
    return true;
  }

  function next(): Buffer | null {
    if (fd === null && !begin()) return null;
    for (;;) {
      const end = buffer.indexOf(0x0a);
      if (end >= 0) {
        const line = buffer.subarray(0, end);
        buffer = buffer.subarray(end + 1);
        return line;
      }
      const block = Buffer.alloc(blockBytes);
      const length = readSync(fd as number, block, 0, blockBytes, position);
      position += length;
      if (length > 0) buffer = Buffer.concat([buffer, block.subarray(0, length)]);
      else if (!follow()) return null;
    }
  }

  return {
    next,
    close() {
      if (fd !== null) closeSync(fd);
      fd = null;
    },
  };
}

interface Place { readonly path: string; readonly at: number }

/** Where the last `count` lines of both files together begin. */
function tailStart(older: string, current: string, count: number): Place {
  const inCurrent = existsSync(current) ? lastLines(current, count) : { at: 0, found: 0 };
  if (inCurrent.found >= count || !existsSync(older)) return { path: current, at: inCurrent.at };
  return { path: older, at: lastLines(older, count - inCurrent.found).at };
}

/** The position at which the last `count` lines of a file begin, and how many there are. */
function lastLines(path: string, count: number): { readonly at: number; readonly found: number } {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    if (count === 0) return { at: size, found: 0 };
    const block = Buffer.alloc(blockBytes);
    let found = 0;
    for (let to = size; to > 0;) {
      const from = Math.max(0, to - blockBytes);
      readSync(fd, block, 0, to - from, from);
      for (let at = to - from - 1; at >= 0; at--) {
        // The end of the last line is not the start of another.
        if (block[at] !== 0x0a || from + at === size - 1) continue;
        found += 1;
        if (found === count) return { at: from + at + 1, found };
      }
      to = from;
    }
    return { at: 0, found: size === 0 ? 0 : found + 1 };
  } finally {
    closeSync(fd);
  }
}
