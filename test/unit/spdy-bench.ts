// The client's side of SPDY/3.1 for tests: frames with compressed headers, as clients of Kubernetes send
// them, and what a server's bytes say.

import { constants, createDeflate, createInflate } from 'node:zlib';
import type { Deflate } from 'node:zlib';
import { dictionary } from '../../runtime/http/streams/headers.ts';

export interface SpdyClient {
  /** The frame of a new stream; each is compressed after the ones before. */
  syn(stream: number, headers: Readonly<Record<string, string>>, fin?: boolean): Promise<Buffer>;
  /** A SYN_STREAM whose block says what it likes. */
  block(stream: number, plain: Buffer): Promise<Buffer>;
}

export function createSpdyClient(): SpdyClient {
  const deflate = createDeflate({ dictionary });
  return {
    syn: async (stream, headers, fin = false) =>
      synFrame(stream, await compressed(deflate, pairs(headers)), fin),
    block: async (stream, plain) => synFrame(stream, await compressed(deflate, plain), false),
  };
}

function compressed(deflate: Deflate, plain: Buffer): Promise<Buffer> {
  return new Promise((done) => {
    const parts: Buffer[] = [], take = (part: Buffer): void => { parts.push(part); };
    deflate.on('data', take);
    deflate.write(plain);
    deflate.flush(constants.Z_SYNC_FLUSH, () => {
      deflate.off('data', take);
      done(Buffer.concat(parts));
    });
  });
}

export function pairs(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string): Buffer => Buffer.concat([numbers(value.length), Buffer.from(value)]);
  const all = Object.entries(headers);
  return Buffer.concat([numbers(all.length), ...all.flatMap(([name, value]) => [text(name), text(value)])]);
}

export function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => bytes.writeUInt32BE(value >>> 0, 4 * at));
  return bytes;
}

export function control(type: number, body: Buffer, flags = 0): Buffer {
  return Buffer.concat([numbers(0x8003_0000 + type, flags * 2 ** 24 + body.length), body]);
}

export function data(stream: number, bytes: Buffer | string, fin = false): Buffer {
  const body = Buffer.from(bytes);
  return Buffer.concat([numbers(stream, (fin ? 2 ** 24 : 0) + body.length), body]);
}

const synFrame = (stream: number, block: Buffer, fin: boolean): Buffer =>
  control(1, Buffer.concat([numbers(stream, 0), Buffer.from([0, 0]), block]), fin ? 1 : 0);

/** What a server said, a line per frame; the headers of replies are inflated as a client does. */
export async function spoken(bytes: Buffer): Promise<string[]> {
  const inflate = createInflate({ dictionary }).setMaxListeners(0), lines: string[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const first = bytes.readUInt32BE(at), flags = bytes[at + 4] ?? 0, length = bytes.readUIntBE(at + 5, 3);
    const body = bytes.subarray(at + 8, at + 8 + length), fin = (flags & 1) === 1 ? ' fin' : '';
    at += 8 + length;
    if (first < 2 ** 31) lines.push(`data ${first} ${JSON.stringify(body.toString('latin1'))}${fin}`);
    else lines.push(await controlLine(first & 0xffff, body, fin, inflate));
  }
  inflate.destroy();
  return lines;
}

async function controlLine(
  type: number, body: Buffer, fin: string, inflate: NodeJS.ReadWriteStream,
): Promise<string> {
  switch (type) {
    case 2: {
      const headers = await new Promise<Buffer>((done, fail) => {
        inflate.once('data', done);
        inflate.once('error', fail);
        inflate.write(body.subarray(4));
      });
      return `reply ${body.readUInt32BE(0)} headers=${headers.readUInt32BE(0)}${fin}`;
    }
    case 3: return `reset ${body.readUInt32BE(0)} status=${body.readUInt32BE(4)}`;
    case 6: return `ping ${body.readUInt32BE(0)}`;
    case 7: return `goaway last=${body.readUInt32BE(0)}`;
    case 9: return `window ${body.readUInt32BE(0)} +${body.readUInt32BE(4)}`;
    default: return `type ${type}`;
  }
}
