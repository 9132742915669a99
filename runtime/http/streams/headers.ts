// SPDY's header blocks: names and values under zlib with a dictionary that both sides know, one context for a
// whole connection in each direction. What we send is stored, not compressed: our replies carry no headers.
//
// What always holds: a block that is larger than it may be, inflated or not, or that does not end where it
// should, is an error, and nothing is read after it.
// Source: "SPDY Protocol - Draft 3.1", section 2.6.10, with its dictionary; RFC 1950, RFC 1951.

import { createInflate } from 'node:zlib';
import { limits } from '../../../cluster/limits.ts';

export type SpdyHeaders = ReadonlyMap<string, string>;

export interface HeaderReader {
  /** One block at a time; `done` gets its headers, or why they are none. */
  read(block: Buffer, done: (headers: SpdyHeaders | string) => void): void;
  close(): void;
}

const words = `options head post put delete trace accept accept-charset accept-encoding accept-language
  accept-ranges age allow authorization cache-control connection content-base content-encoding
  content-language content-length content-location content-md5 content-range content-type date etag expect
  expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified
  location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te
  trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status 200_OK
  version HTTP/1.1 url public set-cookie keep-alive origin`
  .split(/\s+/).map((word) => word.replace('_', ' '));

const phrases = '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505'
  + '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized'
  + '403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable'
  + 'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT'
  + 'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,'
  + 'text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

/** Each word with its length before it, then the phrases: 1,423 bytes. */
export const dictionary: Buffer = Buffer.concat([
  ...words.map((word) => Buffer.concat([length32(word.length), Buffer.from(word)])), Buffer.from(phrases),
]);

function length32(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

export function createHeaderReader(): HeaderReader {
  const inflate = createInflate({ dictionary });
  let parts: Buffer[] = [], bytes = 0, waiting: ((headers: SpdyHeaders | string) => void) | null = null;
  let failed = false;

  function settle(result: SpdyHeaders | string): void {
    const done = waiting;
    waiting = null;
    if (typeof result === 'string') {
      failed = true;
      inflate.destroy();
    }
    done?.(result);
  }

  inflate.on('data', (data: Buffer) => {
    bytes += data.length;
    if (bytes <= limits.spdyHeaderBytesMax) parts.push(data);
    else settle(`headers of more than ${limits.spdyHeaderBytesMax} bytes`);
  });
  inflate.on('error', (error: Error) => settle(`headers that can't be inflated: ${error.message}`));
  return {
    read(block, done) {
      if (failed) return done('no more headers are read');
      waiting = done;
      parts = [];
      bytes = 0;
      inflate.write(block, () => settle(parseHeaders(Buffer.concat(parts))));
    },
    close() {
      failed = true;
      waiting = null;
      inflate.destroy();
    },
  };
}

/** The pairs of an inflated block. Names come in lower case; one name has one value here, the first. */
export function parseHeaders(block: Buffer): SpdyHeaders | string {
  let at = 0;
  const number = (): number => {
    const value = at + 4 <= block.length ? block.readUInt32BE(at) : -1;
    at += 4;
    return value;
  };
  const text = (): string | null => {
    const length = number();
    if (length < 0 || at + length > block.length) return null;
    at += length;
    return block.toString('latin1', at - length, at);
  };
  const count = number(), headers = new Map<string, string>();
  if (count < 0 || count > limits.spdyHeadersMax) return 'a malformed header block';
  for (let i = 0; i < count; i += 1) {
    const name = text(), value = text();
    if (name === null || value === null || name === '') return 'a malformed header block';
    if (headers.has(name)) return `header ${JSON.stringify(name)} twice`;
    // Several values of a name stand with a zero byte between them.
    headers.set(name, value.split('\0')[0] ?? '');
  }
  return at === block.length ? headers : 'a malformed header block';
}

/**
 * Blocks without headers, for replies: the head of a zlib stream before the first, then four zero bytes as a
 * stored block, and an empty one, at which whoever reads hands out what it has.
 */
export function createEmptyBlocks(): () => Buffer {
  let first = true;
  return () => {
    const head = first ? [0x78, 0x01] : [];
    first = false;
    return Buffer.from([...head, 0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
  };
}
