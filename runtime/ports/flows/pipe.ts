// The two ends of a flow at a container runtime: what a program says is handed on within the credit, and what
// it is told is written as fast as it takes it.
//
// What always holds: while the credit is used up its sources are paused, so that no more is held than they
// had read already; the end comes after all that was said, once, and nothing after it.

import type { Duplex, Readable, Writable } from 'node:stream';
import { limits } from '../../../cluster/limits.ts';
import type { FlowChannel, FlowEnd } from '../../../cluster/flow.ts';
import type { ContainersEvent } from '../../../cluster/ports.ts';

export interface Outlet {
  push(channel: FlowChannel, data: Buffer): void;
  credit(bytes: number): void;
  /** No more will be pushed. */
  end(end: FlowEnd): void;
  /** Nothing is told any more. */
  close(): void;
}

export interface OutletOptions {
  readonly flow: string;
  readonly credit: number;
  readonly deliver: (event: ContainersEvent) => void;
  /** Its sources are to rest, or to go on. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** The end was told. */
  readonly over: () => void;
}

export function createOutlet({ flow, credit, deliver, pause, resume, over }: OutletOptions): Outlet {
  const held: { readonly channel: FlowChannel; readonly data: Buffer }[] = [];
  let granted = credit, ending: FlowEnd | null = null, closed = false, paused = false;

  function pump(): void {
    for (let first = held.shift(); first !== undefined && !closed; first = held.shift()) {
      const { channel, data } = first, size = Math.min(data.length, granted, limits.flowChunkBytes);
      if (size > 0) {
        granted -= size;
        deliver({ type: 'flow-output', flow, channel, data: data.subarray(0, size) });
      }
      if (size === data.length) continue;
      held.unshift({ channel, data: data.subarray(size) });
      if (size === 0) break;
    }
    if (closed) return;
    if (held.length > 0 && !paused) pause();
    else if (held.length === 0 && paused) resume();
    paused = held.length > 0;
    if (ending === null || held.length > 0) return;
    closed = true;
    deliver({ type: 'flow-end', flow, end: ending });
    over();
  }

  return {
    push(channel, data) {
      if (closed || ending !== null || data.length === 0) return;
      held.push({ channel, data });
      pump();
    },
    credit(bytes) {
      granted += bytes;
      pump();
    },
    end(end) {
      ending ??= end;
      pump();
    },
    close() {
      closed = true;
      held.length = 0;
    },
  };
}

/** Writes to a program or a connection, and tells what was taken. Null: it takes no input at all. */
export function give(
  flow: string, to: Writable | null, data: Uint8Array, deliver: (event: ContainersEvent) => void,
): void {
  const taken = (): void => deliver({ type: 'flow-taken', flow, bytes: data.length });
  if (to === null || to.destroyed || to.writableEnded) setImmediate(taken);
  else to.write(data, taken);
}

/** One way of output that tells a single channel. */
export function read(from: Readable, channel: FlowChannel, outlet: Outlet): void {
  from.on('data', (data: Buffer) => outlet.push(channel, data));
  from.on('error', () => undefined);
}

/** Docker's frames: one byte that names the channel, three of nothing, four of length, then as many bytes. */
export function readMultiplexed(from: Duplex, outlet: Outlet): void {
  let rest: Buffer = Buffer.alloc(0);
  from.on('error', () => undefined);
  from.on('data', (data: Buffer) => {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
    while (rest.length >= frameHeadBytes) {
      const length = rest.readUInt32BE(4);
      // A part of a frame may be handed on: what is left of it keeps its head.
      const size = Math.min(length, rest.length - frameHeadBytes);
      if (size < length && size < limits.flowChunkBytes) return;
      const channel = rest[0] === 2 ? 'stderr' : 'stdout';
      outlet.push(channel, rest.subarray(frameHeadBytes, frameHeadBytes + size));
      const head = Buffer.from(rest.subarray(0, frameHeadBytes));
      rest = rest.subarray(frameHeadBytes + size);
      if (size === length) continue;
      head.writeUInt32BE(length - size, 4);
      rest = Buffer.concat([head, rest]);
    }
  });
}

const frameHeadBytes = 8;
