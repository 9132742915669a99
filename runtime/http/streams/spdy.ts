// The server's side of one SPDY/3.1 connection: streams that the client opens, each with its headers.
//
// Clients of Kubernetes (moby/spdystream) neither send nor heed WINDOW_UPDATE. So what is sent is held back
// by a window only once the client has shown, by a WINDOW_UPDATE or its settings, that it keeps one; what
// comes in is bounded by whoever reads it, who pauses the connection.
// What always holds: whatever a client sends, the number of streams and what is held for them is bounded; a
// frame that breaks the protocol ends the connection, one for a stream that is gone is passed over.
// Source: "SPDY Protocol - Draft 3.1".

import { unreachable } from '../../../cluster/assert.ts';
import { limits } from '../../../cluster/limits.ts';
import {
  createFrameReader, dataHead, goaway, initialWindowSize, ping, reset, rstStream, synReply, windowUpdate,
} from './frames.ts';
import type { Frame, Setting } from './frames.ts';
import { createEmptyBlocks, createHeaderReader } from './headers.ts';
import type { SpdyHeaders } from './headers.ts';
import { isTooSlow } from './transport.ts';
import type { Transport } from './transport.ts';

export interface SpdyStream {
  readonly id: number;
  readonly headers: SpdyHeaders;
  write(data: Uint8Array, done?: () => void): void;
  /** No more is written. */
  end(): void;
  /** Ended at once, in both directions. */
  reset(): void;
  /** So much of what it said has been read. */
  consumed(bytes: number): void;
}

export interface SpdyEvents {
  /** A stream was opened; false: it is refused. */
  opened(stream: SpdyStream): boolean;
  data(stream: SpdyStream, data: Buffer): void;
  /** The client says no more on it. */
  ended(stream: SpdyStream): void;
  /** The client gave it up. */
  reset(stream: SpdyStream): void;
  /** The protocol was broken: the connection is of no more use. */
  failed(why: string): void;
}

export interface SpdySession {
  data(chunk: Buffer): void;
  /** Says that no more streams are taken, once all that was written is on its way. */
  close(): void;
  destroy(): void;
}

interface Live extends SpdyStream {
  /** Bytes that may be sent, where the client keeps windows. */
  window: number;
  readonly held: { data: Buffer; readonly done: (() => void) | undefined }[];
  ending: boolean;
  sentFin: boolean;
  gotFin: boolean;
}

const defaultWindow = 64 * 1024;

export function createSpdySession(transport: Transport, events: SpdyEvents): SpdySession {
  const reader = createFrameReader(), headers = createHeaderReader(), emptyBlock = createEmptyBlocks();
  const streams = new Map<number, Live>();
  let last = 0, busy = false, over = false;
  let keepsWindows = false, initial = defaultWindow, window = defaultWindow;

  function send(frame: Buffer, done?: () => void): void {
    if (over) return;
    transport.write(frame, done);
    if (isTooSlow(transport)) fail('the client does not read');
  }

  function fail(why: string): void {
    if (over) return;
    destroy();
    events.failed(why);
  }

  function destroy(): void {
    over = true;
    headers.close();
    streams.clear();
  }

  function work(): void {
    while (!busy && !over) {
      const frame = reader.next();
      if (frame === null) return;
      if (frame.type === 'error') return fail(frame.message);
      take(frame);
    }
  }

  function take(frame: Frame): void {
    switch (frame.type) {
      case 'data': return data(frame.stream, frame.data, frame.fin);
      case 'syn-stream': case 'syn-reply': case 'headers': {
        // Each block is read, for the next ones are compressed with its help.
        busy = true;
        return headers.read(frame.block, (found) => {
          busy = false;
          if (over) return;
          if (typeof found === 'string') return fail(found);
          if (frame.type === 'syn-stream') open(frame.stream, found, frame.fin);
          work();
        });
      }
      case 'rst-stream': {
        const stream = streams.get(frame.stream);
        if (stream === undefined) return;
        streams.delete(frame.stream);
        return events.reset(stream);
      }
      case 'settings': return settings(frame.entries);
      case 'ping': return frame.id % 2 === 1 ? send(ping(frame.id)) : undefined;
      case 'window-update': return widen(frame.stream, frame.delta);
      case 'goaway': case 'other': return;
      default: return unreachable(frame);
    }
  }

  function open(id: number, found: SpdyHeaders, fin: boolean): void {
    // A client's streams have odd numbers that grow.
    if (id % 2 === 0 || id <= last) return fail(`stream ${id} after ${last}`);
    last = id;
    if (streams.size >= limits.spdyStreamsMax) return send(rstStream(id, reset.refused));
    const stream = createStream(id, found);
    if (!events.opened(stream)) return send(rstStream(id, reset.refused));
    streams.set(id, stream);
    send(synReply(id, emptyBlock()));
    if (fin) data(id, Buffer.alloc(0), true);
  }

  function data(id: number, bytes: Buffer, fin: boolean): void {
    const stream = streams.get(id);
    // What was on its way when the stream was given up is nobody's any more.
    if (stream === undefined) {
      return id > last ? fail(`data of stream ${id}, which was not opened`) : undefined;
    }
    if (stream.gotFin) return fail(`data after the end of stream ${id}`);
    if (bytes.length > 0) events.data(stream, bytes);
    if (!fin || streams.get(id) !== stream) return;
    stream.gotFin = true;
    events.ended(stream);
    forget(stream);
  }

  function forget(stream: Live): void {
    if (stream.gotFin && stream.sentFin) streams.delete(stream.id);
  }

  function settings(entries: readonly Setting[]): void {
    for (const { id, value } of entries) {
      if (id !== initialWindowSize) continue;
      keepsWindows = true;
      for (const stream of streams.values()) stream.window += value - initial;
      initial = value;
    }
    for (const stream of streams.values()) flush(stream);
  }

  function widen(id: number, delta: number): void {
    keepsWindows = true;
    if (id === 0) window += delta;
    const stream = streams.get(id);
    if (stream !== undefined) stream.window += delta;
    if (window > 0x7fff_ffff || (stream?.window ?? 0) > 0x7fff_ffff) return fail('a window beyond 2^31');
    for (const each of id === 0 ? [...streams.values()] : stream === undefined ? [] : [stream]) flush(each);
  }

  function flush(stream: Live): void {
    for (let first = stream.held[0]; first !== undefined; first = stream.held[0]) {
      const room = keepsWindows ? Math.min(stream.window, window) : first.data.length;
      const size = Math.min(first.data.length, Math.max(0, room));
      if (size === 0 && first.data.length > 0) return;
      stream.window -= size;
      window -= size;
      const part = first.data.subarray(0, size), whole = size === first.data.length;
      if (whole) stream.held.shift();
      else first.data = first.data.subarray(size);
      send(Buffer.concat([dataHead(stream.id, size, false), part]), whole ? first.done : undefined);
    }
    if (!stream.ending || stream.sentFin) return;
    stream.sentFin = true;
    send(dataHead(stream.id, 0, true));
    forget(stream);
  }

  function createStream(id: number, found: SpdyHeaders): Live {
    const stream: Live = {
      id, headers: found, window: initial, held: [], ending: false, sentFin: false, gotFin: false,
      write(bytes, done) {
        if (streams.get(id) !== stream || stream.ending) return;
        stream.held.push({ data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), done });
        flush(stream);
      },
      end() {
        stream.ending = true;
        flush(stream);
      },
      reset() {
        if (streams.delete(id)) send(rstStream(id, reset.cancel));
      },
      consumed(bytes) {
        if (over || bytes === 0) return;
        if (!stream.gotFin && streams.get(id) === stream) send(windowUpdate(id, bytes));
        send(windowUpdate(0, bytes));
      },
    };
    return stream;
  }

  return {
    data(chunk) {
      if (over) return;
      reader.push(chunk);
      work();
    },
    close() { send(goaway(last)); },
    destroy,
  };
}
