// etcd's Put over gRPC, as cheap for the client as it can be: HTTP/2 frames by hand, so that what is measured
// is etcd and not a client library (the machine's cores are shared by the servers and the load). Calls of one
// connection share it as streams, as etcd's own client does.
//
// Formats: RFC 9113 (frames), RFC 7541 (header block: literals only, so no table is kept), gRPC over HTTP/2,
// etcd's rpc.proto. A unary call that succeeds sends a message before its trailers, one that fails sends
// none: so response headers need not be decoded.

import { connect } from 'node:net';

export interface PutConnection {
  put(key: string, value: Uint8Array): Promise<void>;
  close(): void;
}

const frameHeaderBytes = 9;
const types = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const endStream = 1, endHeaders = 4, ack = 1;
const windowBytesMax = 2 ** 31 - 1, windowBytesFirst = 65_535;

/** The frames of a call, and how much of the window they take. */
interface Sending { readonly frames: Buffer; readonly bytes: number }
interface Call { readonly done: () => void; readonly fail: (error: Error) => void; answered: boolean }

export async function connectPut(host: string, port: number): Promise<PutConnection> {
  const socket = connect({ host, port, noDelay: true });
  await new Promise<void>((done, fail) => {
    socket.once('connect', done);
    socket.once('error', fail);
  });
  const calls = new Map<number, Call>(), headers = headerBlock(`${host}:${port}`);
  const unsent: Buffer[] = [];
  let stream = 1, windowBytes = windowBytesFirst, waiting: Sending[] = [];

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
    const call = calls.get(id);
    if (type === types.settings && (flags & ack) === 0) write(frame(types.settings, ack, 0, Buffer.alloc(0)));
    if (type === types.ping && (flags & ack) === 0) write(frame(types.ping, ack, 0, Buffer.from(payload)));
    if (type === types.windowUpdate && id === 0) {
      windowBytes += payload.readUInt32BE(0);
      for (const each of waiting.splice(0)) send(each);
    }
    if (type === types.goAway) return fail(new Error('etcd closes the connection'));
    if (call === undefined) return;
    if (type === types.data && payload.length > 0) call.answered = true;
    if (type !== types.reset && (flags & endStream) === 0) return;
    calls.delete(id);
    if (call.answered) call.done();
    else call.fail(new Error('etcd refused a put'));
  }
  function fail(error: Error): void {
    for (const call of calls.values()) call.fail(error);
    calls.clear();
    waiting = [];
    socket.destroy();
  }
  socket.on('data', frameReader(take));
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the connection to etcd closed')));
  const opening = Buffer.alloc(4);
  opening.writeUInt32BE(windowBytesMax - windowBytesFirst);
  write(Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(types.settings, 0, 0, Buffer.alloc(0)),
    frame(types.windowUpdate, 0, 0, opening),
  ]));
  return {
    put: (key, value) => new Promise((done, fail) => {
      calls.set(stream, { done, fail, answered: false });
      const message = putMessage(key, value);
      send({
        frames: Buffer.concat([
          frame(types.headers, endHeaders, stream, headers), frame(types.data, endStream, stream, message),
        ]),
        bytes: message.length,
      });
      stream += 2;
    }),
    close() { socket.destroy(); },
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
  let kept: Buffer = Buffer.alloc(0);
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

/** Indexed names where the static table has them, literal values, nothing added to the dynamic table. */
function headerBlock(authority: string): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat([
    Buffer.from([0x83, 0x86]), // :method POST, :scheme http
    Buffer.from([0x04]), text('/etcdserverpb.KV/Put'), // :path
    Buffer.from([0x01]), text(authority), // :authority
    Buffer.from([0x0f, 0x10]), text('application/grpc'), // content-type
    Buffer.from([0x00]), text('te'), text('trailers'),
  ]);
}

/** A gRPC message: uncompressed, length, then PutRequest{key = 1, value = 2}. */
function putMessage(key: string, value: Uint8Array): Buffer {
  const head = [0x0a, ...varint(key.length), ...Buffer.from(key), 0x12, ...varint(value.length)];
  const bytes = Buffer.allocUnsafe(5 + head.length + value.length);
  bytes.writeUInt8(0, 0);
  bytes.writeUInt32BE(head.length + value.length, 1);
  bytes.set(head, 5);
  bytes.set(value, 5 + head.length);
  return bytes;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  bytes.push(value);
  return bytes;
}
