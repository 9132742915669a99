// The requests of a server whose answer, or the beginning of whose stream, comes in slices; and what is to
// follow those slices.
//
// What always holds: what is said behind the slices of a request waits for them, within the bound of a slow
// watcher; each request is told of as closed once its slices, and whatever waits behind them, are written.

import type { ApiResponse, Slices } from '../../cluster/api/request.ts';
import type { RequestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { Exchange } from './exchange.ts';
import { pull, takesGzip } from './slices.ts';
import type { Pull } from './slices.ts';

export interface Answers {
  /** Begins an answer in slices; false where there is no need to: it is to be sent in one piece. */
  respond(id: RequestId, exchange: Exchange, response: ApiResponse): boolean;
  /** The slices that a stream begins with; its head was sent. */
  begin(id: RequestId, exchange: Exchange, first: Slices): void;
  /** True where this has to wait, and does, for slices that come before it. */
  behind(id: RequestId, data: string | Uint8Array): boolean;
  /** True where the end comes behind slices. */
  end(id: RequestId): boolean;
  forget(id: RequestId): void;
}

interface Sliced {
  readonly pull: Pull;
  readonly waiting: (string | Uint8Array)[];
  bytes: number;
  ended: boolean;
}

export function createAnswers(
  closed: (id: RequestId) => void, tooSlow: (id: RequestId) => void,
): Answers {
  const sliced = new Map<RequestId, Sliced>();

  function start(id: RequestId, exchange: Exchange, slices: Slices, gzip: boolean, ended: boolean): void {
    const one: Sliced = {
      waiting: [], bytes: 0, ended,
      pull: pull(exchange, slices, gzip, () => {
        sliced.delete(id);
        for (const data of one.waiting) exchange.write(data);
        if (!one.ended) return;
        exchange.end();
        closed(id);
      }),
    };
    sliced.set(id, one);
  }

  return {
    respond(id, exchange, { status, headers, body, rest }) {
      const gzip = body.length + (rest === undefined ? 0 : limits.gzipCharsMin) >= limits.gzipCharsMin
        && takesGzip(exchange.headers['accept-encoding']);
      if (rest === undefined && !gzip) return false;
      const encoded = gzip ? { 'content-encoding': 'gzip', vary: 'Accept-Encoding' } : {};
      exchange.begin(status, { ...headers, ...encoded });
      if (exchange.method === 'HEAD') {
        rest?.return();
        exchange.end();
        // Not from inside a call into the port.
        setImmediate(() => closed(id));
      } else start(id, exchange, behindBody(body, rest), gzip, true);
      return true;
    },
    begin(id, exchange, first) { start(id, exchange, first, false, false); },
    behind(id, data) {
      const one = sliced.get(id);
      if (one === undefined) return false;
      one.waiting.push(data);
      one.bytes += data.length;
      if (one.bytes > limits.watchBufferBytesMax) tooSlow(id);
      return true;
    },
    end(id) {
      const one = sliced.get(id);
      if (one === undefined) return false;
      one.ended = true;
      return true;
    },
    forget(id) {
      sliced.get(id)?.pull.stop();
      sliced.delete(id);
    },
  };
}

function* behindBody(body: string, rest: Slices | undefined): Slices {
  yield body;
  if (rest !== undefined) yield* rest;
}
