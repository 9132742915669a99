// etcd's Put over gRPC: a message of its rpc.proto in an HTTP/2 call. A unary call that succeeds sends a
// message before its trailers, one that fails sends none: so trailers need not be decoded.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { headerBlock, names, openHttp2 } from './http2.ts';

export interface PutConnection { put(key: string, value: Uint8Array): Promise<void> }

const host = '127.0.0.1';

/** Its certificate is its own; it only matters here that what travels is encrypted. */
export async function dialEtcd(port: number, secure: boolean): Promise<Socket> {
  const socket = secure
    ? connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    : connect({ host, port });
  socket.setNoDelay(true);
  await new Promise<void>((done, fail) => {
    socket.once(secure ? 'secureConnect' : 'connect', done);
    socket.once('error', fail);
  });
  return socket;
}

export async function connectPut(port: number, secure: boolean): Promise<PutConnection> {
  const connection = openHttp2(await dialEtcd(port, secure));
  const headers = headerBlock('POST', secure ? 'https' : 'http', [
    [names.path, '/etcdserverpb.KV/Put'], [names.authority, `${host}:${port}`],
    [names.contentType, 'application/grpc'], ['te', 'trailers'],
  ]);
  return {
    async put(key, value) {
      const { body } = await connection.call(headers, putMessage(key, value));
      if (body.length === 0) throw new Error('etcd refused a put');
    },
  };
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
