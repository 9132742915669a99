// One request and its answer, over HTTP/1.1 or HTTP/2, under one shape. For HTTP/2 this is the stream itself:
// Node's compatibility layer, which makes a stream look like a request and a response of HTTP/1.1, costs
// another third of the time of a small request (measured).
// What always holds: an answer that comes after its client has gone away goes nowhere, without an error.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { ApiResponse } from '../../cluster/api/request.ts';

export interface Exchange {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** All values of a header, in the order in which they came: `headers` joins some with commas. */
  values(name: string): readonly string[];
  readonly socket: TLSSocket;
  /** `end` says that the whole body is here: it never comes if the client goes away first. */
  onBody(take: (part: Buffer) => void, end: () => void): void;
  /** Whatever its end was. */
  onClose(done: () => void): void;
  answer(response: ApiResponse): void;
  /** The head of a stream of chunks, at once. */
  begin(status: number, headers: Readonly<Record<string, string>>): void;
  write(data: string | Uint8Array, taken?: () => void): void;
  /** Bytes that the client has not taken yet. */
  waiting(): number;
  end(): void;
  /** The connection ends once what is asked on it by now is answered. */
  lastOne(): void;
  /** Cuts the client off: its stream, or its connection where it has but one. */
  destroy(): void;
}

export function http1Exchange(request: IncomingMessage, response: ServerResponse): Exchange {
  response.on('error', () => response.destroy());
  request.on('error', () => undefined);
  return {
    method: request.method ?? 'GET', target: request.url ?? '/', headers: request.headers,
    values: (name) => request.headersDistinct[name] ?? [],
    socket: request.socket as TLSSocket,
    onBody: (take, end) => readBody(request, take, end),
    onClose: (done) => { response.on('close', done); },
    answer({ status, headers, body }) {
      if (response.writableEnded || response.destroyed) return;
      response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
      // As text it goes out in one piece with the head: half of the TLS records, no gathering write.
      response.end(body);
    },
    begin(status, headers) {
      response.writeHead(status, headers);
      response.flushHeaders();
    },
    write(data, taken) { response.write(data, () => taken?.()); },
    waiting: () => response.writableLength,
    end: () => { response.end(); },
    lastOne: () => { response.shouldKeepAlive = false; },
    destroy: () => { response.destroy(); },
  };
}

/** `raw`: names and values by turns, as they came. */
export function http2Exchange(
  stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[],
): Exchange {
  const gone = (): boolean => stream.destroyed || stream.closed;
  stream.on('error', () => stream.destroy());
  return {
    method: String(headers[':method'] ?? 'GET'), target: String(headers[':path'] ?? '/'), headers,
    values: (name) => raw.filter((_, at) => at % 2 === 1 && raw[at - 1] === name),
    socket: stream.session?.socket as TLSSocket,
    onBody: (take, end) => readBody(stream, take, end),
    onClose: (done) => { stream.on('close', done); },
    answer({ status, headers: fields, body }) {
      if (gone()) return;
      stream.respond({ ...fields, ':status': status, 'content-length': Buffer.byteLength(body) });
      // Of HEAD Node ends the stream itself.
      if (!stream.writableEnded) stream.end(body);
      // What nobody reads would hold the stream open.
      stream.resume();
    },
    begin(status, fields) {
      if (!gone()) stream.respond({ ...fields, ':status': status });
    },
    write(data, taken) {
      if (!gone() && !stream.writableEnded) stream.write(data, () => taken?.());
    },
    waiting: () => stream.writableLength,
    end: () => {
      stream.end();
      stream.resume();
    },
    lastOne: () => { stream.session?.close(); },
    destroy: () => { stream.destroy(); },
  };
}

function readBody(from: Readable, take: (part: Buffer) => void, end: () => void): void {
  let broken = false;
  from.on('data', take);
  // HTTP/2 tells of an end also when the client went away, as if the rest were not wanted.
  from.on('aborted', () => { broken = true; });
  from.on('end', () => { if (!broken) end(); });
}
