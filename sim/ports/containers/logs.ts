// Log streams of the simulated runtime: the lines a container printed, within the credit of each reader.
// What always holds: a stream that was opened ends exactly once, unless it is closed first.

import { limits } from '../../../cluster/limits.ts';
import type { ContainersEvent, LogOptions } from '../../../cluster/ports.ts';
import type { SimContainer } from './host.ts';

export interface SimLogs {
  open(stream: string, container: string, options: LogOptions, credit: number): void;
  credit(stream: string, bytes: number): void;
  close(stream: string): void;
  /** The container printed something, exited, or is gone. */
  changed(container: string): void;
}

export interface SimLogsOptions {
  readonly container: (id: string) => SimContainer | null;
  readonly deliver: (event: ContainersEvent) => void;
}

interface Reader {
  readonly stream: string;
  readonly container: SimContainer;
  readonly options: LogOptions;
  /** Bytes granted and not used. */
  credit: number;
  /** The next line of the container's output to take. */
  next: number;
  /** Bytes of lines that were taken and not sent. */
  pending: Uint8Array;
}

export function createSimLogs({ container, deliver }: SimLogsOptions): SimLogs {
  const readers = new Map<string, Reader>();
  const encoder = new TextEncoder();

  /** False when there is nothing more to send for now. */
  function refill(reader: Reader): boolean {
    const { container: from, options } = reader;
    while (reader.pending.length === 0) {
      const printed = from.output[reader.next];
      if (printed === undefined) return false;
      reader.next += 1;
      if (options.sinceMs !== null && printed.wallMs < options.sinceMs) continue;
      const stamp = options.timestamps ? `${new Date(printed.wallMs).toISOString()} ` : '';
      reader.pending = encoder.encode(`${stamp}${printed.line}\n`);
    }
    return true;
  }

  function pump(reader: Reader): void {
    while (refill(reader)) {
      if (reader.credit === 0) return;
      const size = Math.min(reader.credit, limits.logChunkBytes, reader.pending.length);
      deliver({ type: 'log-chunk', stream: reader.stream, data: reader.pending.slice(0, size) });
      reader.credit -= size;
      reader.pending = reader.pending.slice(size);
    }
    const { container: from, options } = reader;
    const over = !options.follow || from.state === 'exited' || container(from.id) === null;
    if (!over || !readers.delete(reader.stream)) return;
    deliver({ type: 'log-end', stream: reader.stream, error: null });
  }

  return {
    open(stream, id, options, credit) {
      const found = container(id);
      if (found === null) {
        deliver({ type: 'log-end', stream, error: `no such container: ${id}` });
        return;
      }
      const next = options.tailLines === null ? 0 : Math.max(0, found.output.length - options.tailLines);
      const reader = { stream, container: found, options, credit, next, pending: new Uint8Array() };
      readers.set(stream, reader);
      pump(reader);
    },
    credit(stream, bytes) {
      const reader = readers.get(stream);
      if (reader === undefined) return;
      reader.credit += bytes;
      pump(reader);
    },
    close(stream) { readers.delete(stream); },
    changed(id) {
      for (const reader of [...readers.values()]) if (reader.container.id === id) pump(reader);
    },
  };
}
