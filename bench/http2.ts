// HTTP/2 by hand, as cheap for the client as it can be, so that what is measured is the server and not a
// client library: the machine's cores are shared by the servers and the load. Calls of one connection share
// it as streams, as those of etcd's own client and of Kubernetes' clients do.
//
// Formats: RFC 9113 (frames), RFC 7541 (headers). What we send are literals; the server is told that we keep
// no table, so that a response begins with its status as an index or as a literal of three digits.

import type { Socket } from 'node:net';

export interface Reply { readonly status: number; readonly body: Buffer }

export interface Http2Connection {
  readonly open: boolean;
  /** Rejects when the connection fails first: then nobody knows what became of it. */
  call(headers: Buffer, body: Buffer | null): Promise<Reply>;
  close(): void;
}

const frameHeaderBytes = 9;
const types = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const endStream = 1, endHeaders = 4, padded = 8, prioritized = 32, ack = 1;
const windowBytesMax = 2 ** 31 - 1, windowBytesFirst = 65_535;
/** SETTINGS_HEADER_TABLE_SIZE 0 and SETTINGS_INITIAL_WINDOW_SIZE 2^31 - 1: we always read on. */
const settings = Buffer.from([0, 1, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
const nothing = Buffer.alloc(0);

interface Call {
  readonly done: (reply: Reply) => void;
  readonly fail: (error: Error) => void;
  status: number;
  body: Buffer;
}
/** The frames of a call, and how much of the window they take. */
interface Sending { readonly frames: Buffer; readonly bytes: number }

/** Speaks HTTP/2 over a socket that is connected. */
export function openHttp2(socket: Socket): Http2Connection {
  const calls = new Map<number, Call>(), unsent: Buffer[] = [];
  let stream = 1, windowBytes = windowBytesFirst, waiting: Sending[] = [], open = true;

  function write(bytes: Buffer): void {
    if (unsent.length === 0) queueMicrotask(() => socket.write(Buffer.concat(unsent.splice(0))));
    unsent.push(bytes);
  }
  function send(next: Sending): void {
    if (waiting.length > 0 || windowBytes < next.bytes) return void waiting.push(next);
    windowBytes -= next.bytes;
    write(next.frames);
  }
  function take(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === types.settings && (flags & ack) === 0) return write(frame(types.settings, ack, 0, nothing));
    if (type === types.ping && (flags & ack) === 0) return write(frame(types.ping, ack, 0, payload));
    if (type === types.goAway) return fail(new Error('the server closes the connection'));
    if (type === types.windowUpdate && id === 0) {
      windowBytes += payload.readUInt32BE(0);
      for (const each of waiting.splice(0)) send(each);
    }
    const call = calls.get(id);
    if (call === undefined) return;
    if (type === types.headers && call.status === 0) call.status = statusOf(payload, flags);
    if (type === types.data && payload.length > 0) call.body = Buffer.concat([call.body, payload]);
    const last = (type === types.data || type === types.headers) && (flags & endStream) !== 0;
    if (type === types.reset || last) {
      calls.delete(id);
      if (type === types.reset) call.fail(new Error('the server reset a stream'));
      else call.done(call);
    }
  }
  function fail(error: Error): void {
    open = false;
    socket.destroy();
    for (const call of calls.values()) call.fail(error);
    calls.clear();
    waiting = [];
  }
  socket.on('data', frameReader(take));
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the connection closed')));
  const opening = Buffer.alloc(4);
  opening.writeUInt32BE(windowBytesMax - windowBytesFirst);
  write(Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(types.settings, 0, 0, settings),
    frame(types.windowUpdate, 0, 0, opening),
  ]));
  return {
    get open() { return open; },
    call: (headers, body) => new Promise((done, failed) => {
      if (!open) return failed(new Error('the connection is closed'));
      calls.set(stream, { done, fail: failed, status: 0, body: nothing });
      const head = frame(types.headers, body === null ? endHeaders | endStream : endHeaders, stream, headers);
      if (body === null) send({ frames: head, bytes: 0 });
      else {
        const frames = Buffer.concat([head, frame(types.data, endStream, stream, body)]);
        send({ frames, bytes: body.length });
      }
      stream += 2;
    }),
    close() { fail(new Error('the connection was closed')); },
  };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, frameHeaderBytes);
  return bytes;
}

type Take = (type: number, flags: number, id: number, payload: Buffer) => void;

function frameReader(take: Take): (data: Buffer) => void {
  let kept: Buffer = nothing;
  return (data) => {
    const bytes = kept.length === 0 ? data : Buffer.concat([kept, data]);
    let at = 0;
    while (at + frameHeaderBytes <= bytes.length) {
      const end = at + frameHeaderBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const id = bytes.readUInt32BE(at + 5) & 0x7fffffff;
      take(bytes.readUInt8(at + 3), bytes.readUInt8(at + 4), id, bytes.subarray(at + frameHeaderBytes, end));
      at = end;
    }
    kept = bytes.subarray(at);
  };
}

// ── headers ──────────────────────────────────────────────────────────────────────────────────────────────

/** Names by their index in the static table, or as text; values are literals, nothing is added to a table. */
export type Field = readonly [name: number | string, value: string];
export const names = { authority: 1, path: 4, accept: 19, contentLength: 28, contentType: 31 } as const;
export const methods = { GET: 0x82, POST: 0x83 } as const, schemes = { http: 0x86, https: 0x87 } as const;

export function headerBlock(
  method: keyof typeof methods, scheme: keyof typeof schemes, fields: readonly Field[],
): Buffer {
  const parts: Buffer[] = [Buffer.from([methods[method], schemes[scheme]])];
  for (const [name, value] of fields) {
    if (typeof name === 'string') parts.push(Buffer.from([0]), literal(name));
    else parts.push(Buffer.from(name < 15 ? [name] : [15, name - 15]));
    parts.push(literal(value));
  }
  return Buffer.concat(parts);
}

function literal(value: string): Buffer<ArrayBuffer> {
  const length = value.length < 127 ? [value.length] : [127, value.length - 127];
  if (value.length >= 127 + 128) throw new Error('a header is too long for this client');
  return Buffer.concat([Buffer.from(length), Buffer.from(value)]);
}

/** The static table's entries from 8 on. */
const indexedStatus = [200, 204, 206, 304, 400, 404, 500] as const;
const statusName = 8;

/** The first field of a response is its status. */
function statusOf(payload: Buffer, flags: number): number {
  let at = ((flags & padded) === 0 ? 0 : 1) + ((flags & prioritized) === 0 ? 0 : 5);
  // A change of the table's size may come first.
  while (((payload[at] ?? 0) & 0xe0) === 0x20) at += 1;
  const first = payload[at] ?? 0;
  if ((first & 0x80) !== 0) return indexedStatus[(first & 0x7f) - statusName] ?? 0;
  const length = payload[at + 1] ?? 0, text = payload.subarray(at + 2, at + 2 + (length & 0x7f));
  return (length & 0x80) === 0 ? Number(text.toString('latin1')) : huffmanDigits(text);
}

/** Digits in the code of RFC 7541: 0, 1 and 2 have five bits, the others six, from 011001 on. */
function huffmanDigits(bytes: Buffer): number {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  let number = 0, at = 0;
  for (let digits = 0; digits < 3; digits += 1) {
    const five = parseInt(bits.slice(at, at + 5), 2), six = parseInt(bits.slice(at, at + 6), 2);
    number = number * 10 + (five <= 2 ? five : six - 0b011001 + 3);
    at += five <= 2 ? 5 : 6;
  }
  return number;
}
