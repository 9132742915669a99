// What all simulated users share: a client that talks to some peer, gives up after a while, and tells its
// user what it knows. What always holds: each call ends exactly once; `null` means that nobody knows its
// fate.

import type { KubeObject, Status } from '../../cluster/api/types.ts';
import type { ApiResponse } from '../../cluster/api/request.ts';
import type { Random } from '../../cluster/random.ts';
import type { MarkName } from '../marks.ts';
import type { World } from '../world.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: string;
  readonly body?: unknown;
  /** Gives up after so many milliseconds, and is gone: its connection breaks. */
  readonly diesAfterMs?: number;
  /** Of a PATCH: `merge` or `strategic`. */
  readonly patch?: 'merge' | 'strategic';
}

export interface Result {
  readonly status: number;
  /** The body, parsed. */
  readonly object: KubeObject;
  readonly warning: string | null;
  /** By name: `peer-2`. */
  readonly peer: string;
}

export interface Stream {
  line(text: string): void;
  /** No more lines come. */
  ended(): void;
}

export interface UserClient {
  readonly name: string;
  /** One attempt on a peer of the client's choice. */
  call(call: Call, done: (result: Result | null) => void): void;
  /** A watch; `null` instead of a stream is answered by `refused` with the status. */
  watch(path: string, query: string, stream: Stream, refused: (status: number) => void): { close(): void };
  /** A stream of text that ends by itself: all of it, or `none` where it is refused or breaks off. */
  stream(path: string, query: string, ears: { whole(text: string): void; none(): void }): void;
  /** After so many milliseconds, while users are still at work. */
  later(ms: number, work: () => void): void;
  /** A rare state that this user has met. */
  mark(name: MarkName): void;
  readonly random: Random;
}

/** A user gives up on a call after this long. */
const patienceMs = 30_000;
/** A peer that lives and has not answered by then has forgotten the request: the oracle `answered`. */
const forgottenMs = 120_000;

const contentTypes = {
  merge: 'application/merge-patch+json', strategic: 'application/strategic-merge-patch+json',
} as const;

export function createUserClient(world: World, name: string, random: Random): UserClient {
  const { heap, plan, checker: { marks } } = world;
  const encoder = new TextEncoder();
  const pick = (): number => random.between(1, plan.peers);

  function headers({ method, patch }: Call): Readonly<Record<string, string>> {
    const type = patch === undefined ? 'application/json' : contentTypes[patch];
    return method === 'GET' ? { accept: 'application/json' }
      : { 'accept': 'application/json', 'content-type': type };
  }

  function look({ method }: Call, { status, headers: { warning } }: ApiResponse): void {
    if (method === 'GET' && warning !== undefined) marks.reach('stale-read');
    else if (method !== 'GET' && status === 503) marks.reach('write-refused-without-quorum');
  }

  return {
    name, random, mark: marks.reach,
    call(call, done) {
      const number = pick(), peer = `peer-${number}`;
      let over = false;
      const finish = (result: Result | null): void => {
        if (over) return;
        over = true;
        heap.cancel(timer);
        done(result);
      };
      const body = call.body === undefined ? null : encoder.encode(JSON.stringify(call.body));
      const request = world.request(number, {
        method: call.method, path: call.path, query: call.query ?? '', headers: headers(call), body,
      }, {
        answer(response) {
          look(call, response);
          finish(resultOf(response, peer));
        },
        broken: () => finish(null),
      });
      const timer = heap.at(heap.nowMs() + Math.min(patienceMs, call.diesAfterMs ?? Infinity), () => {
        if (call.method !== 'GET') marks.reach('outcome-unknown');
        finish(null);
        if (call.diesAfterMs !== undefined) return request.close();
        heap.at(heap.nowMs() + forgottenMs - patienceMs, () => request.close());
      });
    },
    watch(path, query, stream, refused) {
      let rest = '';
      const headersOfWatch = { accept: 'application/json' };
      return world.request(pick(), { method: 'GET', path, query, headers: headersOfWatch, body: null }, {
        answer: ({ status }) => refused(status),
        chunk(text) {
          const lines = (rest + text).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) if (line !== '') stream.line(line);
        },
        end: () => stream.ended(),
        broken: () => stream.ended(),
      });
    },
    stream(path, query, { whole, none }) {
      let text = '';
      const headersOfStream = { accept: 'application/json' };
      world.request(pick(), { method: 'GET', path, query, headers: headersOfStream, body: null }, {
        answer: none, broken: none,
        chunk(part) { text += part; },
        end() { whole(text); },
      });
    },
    later(ms, work) { heap.at(heap.nowMs() + ms, work); },
  };
}

function resultOf({ status, body, headers }: ApiResponse, peer: string): Result {
  const object = JSON.parse(body) as KubeObject;
  return { status, object, warning: headers['warning'] ?? null, peer };
}

/** Why it was refused. */
export const messageOf = ({ object }: Result): string => (object as unknown as Status).message ?? '';
