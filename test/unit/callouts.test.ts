// Calls on behalf of requests: how many go out at once, who is asked next where an endpoint is not reached,
// and when a request is given up.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createCallouts, newThinking } from '../../actors/peer/callouts.ts';
import type { Callouts, Thinking } from '../../actors/peer/callouts.ts';
import type { Core } from '../../actors/peer/core.ts';
import type { Callout } from '../../cluster/api/callout/call.ts';
import type { ApiContext } from '../../cluster/api/request.ts';
import { requestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { OutboundFailure, OutboundRequest } from '../../cluster/ports.ts';
import { createRandom } from '../../cluster/random.ts';

interface World {
  readonly callouts: Callouts;
  readonly sent: Map<string, OutboundRequest>;
  readonly cancelled: string[];
  readonly heard: string[];
  nowMs: number;
  ask(name: string, keys: readonly string[], hosts?: readonly string[]): Thinking;
  answer(id: string, failed?: OutboundFailure['reason']): void;
  fire(key: string): void;
}

function createWorld(): World {
  const sent = new Map<string, OutboundRequest>(), cancelled: string[] = [], heard: string[] = [];
  const armed = new Map<string, () => void>(), later: (() => void)[] = [];
  const core = {
    incarnation: 1, random: createRandom(7), now: () => world.nowMs,
    defer: (work: () => void) => { later.push(work); },
    arm: (key: string, _: number, work: () => void) => { armed.set(key, work); },
    disarm: (key: string) => { armed.delete(key); },
    ports: { outbound: {
      call: (id: string, request: OutboundRequest) => { sent.set(id, request); },
      cancel: (id: string) => { cancelled.push(id); },
    } },
  } as unknown as Core;
  const settle = (): void => {
    for (let work = later.shift(); work !== undefined; work = later.shift()) work();
  };
  const call = (key: string, hosts: readonly string[]): Callout => ({
    key, uid: `uid of ${key}`, addresses: hosts.map((host) => ({ host, port: 1 })),
    request: { method: 'POST', serverName: 's', authority: 's', path: key, headers: {}, body: null,
      caBundle: null, timeoutMs: 10_000 },
  });
  const world: World = {
    callouts: createCallouts(core), sent, cancelled, heard, nowMs: 0,
    ask(name, keys, hosts = ['a']) {
      const thinking = newThinking(requestId(name), () => ({}) as ApiContext);
      world.callouts.ask(thinking, keys.map((key) => call(key, hosts)), (result) =>
        void heard.push(`${name} ${result}`));
      settle();
      return thinking;
    },
    answer(id, failed) {
      const address = (sent.get(id) as OutboundRequest).address;
      world.callouts.completed({ type: 'outbound-done', id, result: failed === undefined
        ? { ok: true, status: 200, headers: {}, body: new Uint8Array() }
        : { ok: false, failure: { reason: failed, address, detail: '' } } });
      settle();
    },
    fire(key) {
      armed.get(key)?.();
      settle();
    },
  };
  return world;
}

test('a request is heard of once all of its questions are answered, each asked once', () => {
  const world = createWorld(), thinking = world.ask('r', ['x', 'y', 'x']);
  assert.equal([...world.sent.values()].map(({ path }) => path), ['x', 'y']);
  world.answer('1-1');
  assert.equal(world.heard, []);
  world.answer('1-2', 'timeout');
  world.answer('1-2');
  assert.equal(world.heard, ['r answered']);
  assert.is(thinking.answers.get('x')?.uid, 'uid of x');
  assert.is(thinking.answers.get('y')?.result.ok, false);
});

test('who is not reached is left for the next endpoint; who may have read it is not', () => {
  const world = createWorld(), thinking = world.ask('r', ['x'], ['a', 'b']);
  world.answer('1-1', 'refused');
  const tried = [...world.sent.values()].map(({ address }) => address.host);
  assert.equal(tried.toSorted(), ['a', 'b']);
  world.answer('1-2', 'broken');
  assert.is(world.sent.size, 2);
  assert.equal(world.heard, ['r answered']);
  const { result } = thinking.answers.get('x') ?? {};
  assert.is(result?.ok === false && result.failure.reason, 'broken');
});

test('so many calls go out at once; the others wait, and fail where too many do', () => {
  const world = createWorld(), { calloutsInFlightMax, calloutsWaitingMax } = limits;
  const keys = Array.from({ length: calloutsInFlightMax + calloutsWaitingMax + 5 }, (_, n) => `k${n}`);
  const thinking = world.ask('r', keys);
  assert.is(world.sent.size, calloutsInFlightMax);
  assert.is(thinking.answers.size, 5);
  world.answer('1-1');
  assert.is(world.sent.size, calloutsInFlightMax + 1);
  // Whoever goes away takes what waits along, and makes room.
  world.callouts.close(requestId('r'));
  assert.is(world.cancelled.length, calloutsInFlightMax);
  world.ask('s', ['z']);
  assert.is(world.sent.size, calloutsInFlightMax + 2);
  assert.equal(world.heard, []);
});

test('an adapter that says nothing, a request that asks too often or too long', () => {
  const world = createWorld();
  world.ask('silent', ['x']);
  world.fire('callout/1-1');
  assert.equal(world.heard, ['silent answered']);
  const often = world.ask('often', []);
  often.rounds = limits.calloutRoundsMax;
  world.callouts.ask(often, [], (result) => void world.heard.push(`often ${result}`));
  world.nowMs = limits.calloutRequestMsMax;
  const long = world.ask('long', []);
  long.sinceMs = 0;
  world.callouts.ask(long, [], (result) => void world.heard.push(`long ${result}`));
  assert.equal(world.heard, ['silent answered', 'often answered', 'often given up', 'long answered',
    'long given up']);
});

test.run();
