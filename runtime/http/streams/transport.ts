// What a switched-over connection carries bytes or messages on: the socket itself, or a WebSocket.
// What always holds: after `destroy` nothing is told; `closed` is told once.

import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { limits } from '../../../cluster/limits.ts';

export interface Transport {
  /** `done`: the bytes are on their way, so that others may follow. */
  write(data: Buffer, done?: () => void): void;
  /** Bytes that were not taken yet. */
  waiting(): number;
  pause(): void;
  resume(): void;
  /** Lets what was written arrive, then ends. */
  end(): void;
  destroy(): void;
}

export interface TransportEvents {
  data(data: Buffer): void;
  closed(): void;
}

/** Whoever is told to end has this long to do so. */
const lingerMs = 5_000;

/** `early`: what came together with the request. */
export function socketTransport(socket: Duplex, early: Buffer, events: TransportEvents): Transport {
  let over = false;
  const closed = (): void => {
    if (over) return;
    over = true;
    events.closed();
  };
  socket.on('data', (data: Buffer) => { if (!over) events.data(data); });
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.on('close', closed);
  // Before anything that is read later, and after whoever opens this is ready.
  if (early.length > 0) queueMicrotask(() => { if (!over) events.data(early); });
  return {
    write(data, done) { if (!socket.destroyed && !socket.writableEnded) socket.write(data, () => done?.()); },
    waiting: () => socket.writableLength,
    pause: () => { socket.pause(); },
    resume: () => { socket.resume(); },
    end() {
      socket.end();
      socket.resume();
      setTimeout(() => socket.destroy(), lingerMs).unref();
    },
    destroy() {
      over = true;
      socket.destroy();
    },
  };
}

/** Messages as they come, whether text or binary. `text`: what is written goes out as text. */
export function webSocketTransport(ws: WebSocket, text: boolean, events: TransportEvents): Transport {
  let over = false;
  ws.on('message', (data: RawData) => { if (!over) events.data(bytesOf(data)); });
  ws.on('error', () => ws.terminate());
  ws.on('close', () => {
    if (over) return;
    over = true;
    events.closed();
  });
  return {
    write(data, done) {
      if (ws.readyState === WebSocket.OPEN) ws.send(data, { binary: !text }, () => done?.());
    },
    waiting: () => ws.bufferedAmount,
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    end() {
      ws.resume();
      ws.close(normalClosure);
      setTimeout(() => ws.terminate(), lingerMs).unref();
    },
    destroy() {
      over = true;
      ws.terminate();
    },
  };
}

/** RFC 6455, section 7.4.1. */
const normalClosure = 1000;

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

/** A client that does not read is cut off: its flows' windows bound what they owe it, nothing the rest. */
export const isTooSlow = (transport: Transport): boolean => transport.waiting() > limits.streamBufferBytesMax;
