// One container's log out of Docker: its frames taken apart, no more read than the reader has granted.
// What always holds: what is held here is at most one chunk of the engine's beyond the credit.

import type Dockerode from 'dockerode';
import type { Readable } from 'node:stream';
import type { LogOptions } from '../../../cluster/ports.ts';

export interface DockerLog { credit(bytes: number): void; close(): void }

/** Follows or reads a log until it ends; `ended` is called once, unless it was closed first. */
export function openDockerLog(
  container: Dockerode.Container, options: LogOptions, credit: number,
  chunk: (data: Uint8Array) => void, ended: (error: string | null) => void,
): DockerLog {
  let stream: Readable | null = null, granted = credit, closed = false;
  const finish = (error: string | null): void => {
    if (closed) return;
    closed = true;
    stream?.destroy();
    ended(error);
  };
  const start = async (): Promise<void> => {
    const info = await container.inspect();
    const source = await open(container, options);
    if (closed) return void source.destroy();
    stream = source;
    const take = info.Config.Tty ? chunk : demultiplexer(chunk);
    source.on('data', (data: Buffer) => {
      granted -= data.length;
      take(data);
      if (granted <= 0) source.pause();
    });
    source.on('end', () => finish(null));
    source.on('error', (error: Error) => finish(error.message));
  };
  start().catch((error: unknown) => finish(error instanceof Error ? error.message : String(error)));
  return {
    credit(bytes) {
      granted += bytes;
      if (granted > 0) stream?.resume();
    },
    close() {
      closed = true;
      stream?.destroy();
    },
  };
}

async function open(container: Dockerode.Container, options: LogOptions): Promise<Readable> {
  const common = {
    stdout: true, stderr: true, timestamps: options.timestamps,
    ...options.tailLines === null ? {} : { tail: options.tailLines },
    ...options.sinceMs === null ? {} : { since: Math.floor(options.sinceMs / 1000) },
  };
  if (options.follow) return await container.logs({ ...common, follow: true }) as unknown as Readable;
  const { Readable: Source } = await import('node:stream');
  return Source.from([await container.logs({ ...common, follow: false })]);
}

/** Docker frames: one byte of stream, three of nothing, four of length, then that many bytes. */
function demultiplexer(chunk: (data: Uint8Array) => void): (data: Buffer) => void {
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
    if (parts.length > 0) chunk(Buffer.concat(parts));
  };
}
