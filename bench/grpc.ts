// etcd's Put over gRPC: a message of its rpc.proto in an HTTP/2 call. A unary call that succeeds sends a
// message before its trailers, one that fails sends none: so trailers need not be decoded.

import { connect } from 'node:net';
import { headerBlock, names, openHttp2 } from './http2.ts';

export interface PutConnection { put(key: string, value: Uint8Array): Promise<void> }

export async function connectPut(host: string, port: number): Promise<PutConnection> {
  const socket = connect({ host, port, noDelay: true });
  await new Promise<void>((done, fail) => {
    socket.once('connect', done);
    socket.once('error', fail);
  });
  const connection = openHttp2(socket);
  const headers = headerBlock('POST', 'http', [
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
