// One container's log out of Docker: its frames taken apart, no more handed on than the reader has granted.
// What always holds: what is held here is at most one chunk of the engine's beyond the credit.

import type Dockerode from 'dockerode';
import type { Readable } from 'node:stream';
import type { LogOptions } from '../../../cluster/ports.ts';
import { messageOf } from './facts.ts';

export interface DockerLog { credit(bytes: number): void; close(): void }

interface Modem { dial(options: object, done: (error: Error | null, stream: Readable) => void): void }

/** Follows or reads a log until it ends; `ended` is called once, unless it was closed first. */
export function openDockerLog(
  container: Dockerode.Container, options: LogOptions, credit: number,
  chunk: (data: Uint8Array) => void, ended: (error: string | null) => void,
): DockerLog {
  let source: Readable | null = null, granted = credit, held: Buffer = Buffer.alloc(0);
  let over = false, closed = false;

  function finish(error: string | null): void {
    if (closed) return;
    closed = true;
    source?.destroy();
    ended(error);
  }

  /** Hands on what is held as far as the credit goes; more is read once none is held. */
  function pump(): void {
    if (closed) return;
    const bytes = Math.min(granted, held.length);
    if (bytes > 0) {
      const part = held.subarray(0, bytes);
      held = held.subarray(bytes);
      granted -= bytes;
      chunk(part);
    }
    if (held.length > 0) source?.pause();
    else if (over) finish(null);
    else source?.resume();
  }

  async function start(): Promise<void> {
    const info = await container.inspect();
    const opened = await open(container, options);
    if (closed) return void opened.destroy();
    source = opened;
    const unframe = info.Config.Tty ? (data: Buffer): Buffer => data : demultiplexer();
    opened.on('data', (data: Buffer) => {
      const bytes = unframe(data);
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      pump();
    });
    opened.on('end', () => {
      over = true;
      pump();
    });
    opened.on('error', (error: Error) => finish(error.message));
  }

  start().catch((error: unknown) => finish(messageOf(error)));
  return {
    credit(bytes) {
      granted += bytes;
      // Not from inside a call into the port.
      setImmediate(pump);
    },
    close() {
      closed = true;
      source?.destroy();
    },
  };
}

/** Dockerode hands out a whole log as one buffer unless it is followed; a log may be larger than memory. */
function open(container: Dockerode.Container, options: LogOptions): Promise<Readable> {
  const modem = container.modem as Modem;
  return new Promise((done, fail) => {
    modem.dial({
      path: `/containers/${container.id}/logs?`, method: 'GET', isStream: true,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
      options: {
        stdout: true, stderr: true, timestamps: options.timestamps, follow: options.follow,
        ...options.tailLines === null ? {} : { tail: options.tailLines },
        ...options.sinceMs === null ? {} : { since: seconds(options.sinceMs) },
      },
    }, (error, stream) => error === null ? done(stream) : fail(error));
  });
}

/** The engine takes seconds with a fraction. */
function seconds(ms: number): string { return (ms / 1000).toFixed(3); }

/** Docker frames: one byte of stream, three of nothing, four of length, then that many bytes. */
function demultiplexer(): (data: Buffer) => Buffer {
  let rest: Buffer = Buffer.alloc(0);
  return (data) => {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
    const parts: Buffer[] = [];
    while (rest.length >= 8) {
      const length = rest.readUInt32BE(4);
      if (rest.length < 8 + length) break;
      parts.push(rest.subarray(8, 8 + length));
      rest = rest.subarray(8 + length);
    }
    return Buffer.concat(parts);
  };
}
