// A large answer on its way to its client: pulled slice by slice, one in each turn of the event loop, and
// only while little of it waits for the client; compressed, where the client takes gzip, on another thread.
//
// What always holds: between two slices whatever else is due has its turn; no more than
// `limits.answerBufferBytesMax` and one slice wait for a client; a client that takes nothing for
// `answerSilenceMsMax`, or is not done within `answerMsMax`, is cut off.

import { constants, createGzip } from 'node:zlib';
import type { Gzip } from 'node:zlib';
import type { Slices } from '../../cluster/api/request.ts';
import { limits } from '../../cluster/limits.ts';
import type { Exchange } from './exchange.ts';

export interface Pull {
  /** Nothing is pulled or written any more. */
  stop(): void;
}

export interface PullBounds {
  readonly answerBufferBytesMax: number; readonly answerSilenceMsMax: number; readonly answerMsMax: number;
}

/** `done`: all of it was handed over; not called where the client was cut off, or after `stop`. */
export function pull(
  exchange: Exchange, slices: Slices, gzip: boolean, done: () => void, bounds: PullBounds = limits,
): Pull {
  const sink = gzip ? compressed(exchange, taken) : plain(exchange, taken);
  const startedMs = performance.now();
  let progressMs = startedMs, idle = false, over = false;
  const watchdog = setInterval(() => {
    const nowMs = performance.now();
    const silent = nowMs - progressMs > bounds.answerSilenceMsMax;
    if (!silent && nowMs - startedMs <= bounds.answerMsMax) return;
    stop();
    exchange.destroy();
  }, Math.min(bounds.answerSilenceMsMax, 1_000));
  watchdog.unref();

  function turn(): void {
    if (over) return;
    if (sink.waiting() > bounds.answerBufferBytesMax) {
      idle = true;
      return;
    }
    const next = slices.next();
    if (next.done === true) {
      stop();
      return sink.finish(done);
    }
    if (next.value === '') progressMs = performance.now();
    else sink.write(next.value);
    setImmediate(turn);
  }
  /** The client, or its connection, has taken some. */
  function taken(): void {
    progressMs = performance.now();
    if (!idle || over) return;
    idle = false;
    setImmediate(turn);
  }
  function stop(): void {
    if (over) return;
    over = true;
    clearInterval(watchdog);
    slices.return();
  }
  setImmediate(turn);
  return {
    stop() {
      stop();
      sink.abandon();
    },
  };
}

interface Sink {
  write(text: string): void;
  /** Bytes, or characters, that were written and not taken. */
  waiting(): number;
  finish(done: () => void): void;
  abandon(): void;
}

function plain(exchange: Exchange, taken: () => void): Sink {
  return {
    write: (text) => exchange.write(Buffer.from(text), taken),
    waiting: () => exchange.waiting(),
    finish: (done) => done(),
    abandon: () => undefined,
  };
}

function compressed(exchange: Exchange, taken: () => void): Sink {
  const gzip: Gzip = createGzip({ level: constants.Z_BEST_SPEED });
  let finished: () => void = () => undefined;
  gzip.on('data', (part: Buffer) => exchange.write(part, taken));
  gzip.on('end', () => finished());
  return {
    write(text) { gzip.write(text, taken); },
    waiting: () => gzip.writableLength + exchange.waiting(),
    finish(done) {
      finished = done;
      gzip.end();
    },
    abandon() {
      gzip.removeAllListeners('data');
      gzip.destroy();
    },
  };
}

/** Whether the header lets gzip through; a weight of zero does not. Source: RFC 9110, section 12.5.3. */
export function takesGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '').split(',').some((part) => {
    const [name = '', ...parameters] = part.trim().toLowerCase().split(';').map((each) => each.trim());
    return name === 'gzip' && !parameters.some((each) => /^q=0(\.0*)?$/.test(each));
  });
}
