// The clock port's contract on the real adapter and on the simulated one, with faults; the agenda's order;
// and the real random port.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PeerEvent } from '../../cluster/ports.ts';
import { createRandom } from '../../cluster/random.ts';
import { createClock } from '../../runtime/ports/clock.ts';
import { createRandomPort } from '../../runtime/ports/random.ts';
import { createHeap } from '../../sim/heap.ts';
import { createClock as createSimClock, driftPpmMax, trueClock } from '../../sim/ports/clock.ts';
import type { ClockFault } from '../../sim/ports/clock.ts';
import { clockContract, keysOf } from './clock.ts';
import type { ClockHarness } from './clock.ts';

function realHarness(): ClockHarness {
  const events: PeerEvent[] = [];
  const clock = createClock((event) => {
    if (event.type === 'timer') harness.onEvent(event.key);
    events.push(event);
  });
  const pass = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
  const harness: ClockHarness = {
    port: clock, events, pass, onEvent: () => undefined,
    stop: () => clock.close(),
    async until(what, condition) {
      const deadline = performance.now() + 5_000;
      while (!condition()) {
        if (performance.now() > deadline) throw new Error(`${what}: not within 5 s`);
        await pass(1);
      }
    },
  };
  return harness;
}

function simHarness(fault: ClockFault): ClockHarness {
  const heap = createHeap();
  const events: PeerEvent[] = [];
  const clock = createSimClock(heap, (event) => {
    if (event.type === 'timer') harness.onEvent(event.key);
    events.push(event);
  }, fault);
  const harness: ClockHarness = {
    port: clock, events, onEvent: () => undefined,
    stop: () => clock.stop(),
    async pass(ms) {
      const end = heap.nowMs() + ms;
      while (heap.step(end)) if (heap.nowMs() > end) throw new Error('time ran away');
    },
    async until(what, condition) {
      while (!condition()) if (!heap.step()) throw new Error(`${what}: nothing more happens`);
    },
  };
  return harness;
}

clockContract(test, 'real', realHarness);
clockContract(test, 'simulated', () => simHarness(trueClock));
clockContract(test, 'simulated, fast', () => simHarness({ driftPpm: 3_337, wallSkewMs: 86_400_000 }));
clockContract(test, 'simulated, slow', () => simHarness({ driftPpm: -2_999, wallSkewMs: -3_600_000 }));

test('a drifting clock gains on the world, and a crash silences it', async () => {
  const heap = createHeap();
  const events: PeerEvent[] = [];
  const clock = createSimClock(heap, (event) => events.push(event), { driftPpm: 10_000, wallSkewMs: 500 });
  const wallMs = clock.wallMs();
  clock.arm('early', 1_010);
  clock.arm('never', 2_000);
  while (heap.step(1_001)) assert.ok(true);
  assert.equal(keysOf(events), ['early']);
  assert.is(clock.wallMs() - wallMs, 1_011);
  clock.stop();
  clock.arm('after the crash', 1);
  while (heap.step(10_000)) assert.unreachable('a stopped clock has no events');
  assert.equal(keysOf(events), ['early']);
});

test('a rate that changes moves what is armed, and takes no clock back', () => {
  const heap = createHeap();
  const events: PeerEvent[] = [];
  const clock = createSimClock(heap, (event) => events.push(event));
  const runTo = (ms: number): void => { while (heap.step(ms)) assert.ok(heap.nowMs() <= ms); };
  const wallMs = clock.wallMs();
  clock.arm('a', 1_000);
  clock.arm('b', 2_000);
  runTo(500);
  clock.setDrift(100_000);
  assert.is(clock.nowMs(), 500);
  // 500 ms of a clock that is a tenth fast.
  runTo(954);
  assert.equal(keysOf(events), []);
  runTo(955);
  assert.equal(keysOf(events), ['a']);
  assert.ok(clock.nowMs() >= 1_000);
  clock.setDrift(-100_000);
  let shownMs = clock.nowMs();
  for (let ms = 955; ms < 2_050; ms += 7) {
    runTo(ms);
    assert.ok(clock.nowMs() >= shownMs);
    shownMs = clock.nowMs();
  }
  runTo(2_050);
  assert.equal(keysOf(events), ['a']);
  runTo(2_068);
  assert.equal(keysOf(events), ['a', 'b']);
  const passedMs = clock.wallMs() - wallMs;
  assert.ok(Math.abs(passedMs - clock.nowMs()) <= 1, 'the wall clock goes on from where it was');
});

test('no two clocks that may be drawn run apart by a third, which leases rest on', () => {
  const fastest = 1 + driftPpmMax / 1e6, slowest = 1 - driftPpmMax / 1e6;
  assert.ok(fastest / slowest < 4 / 3);
});

test('the agenda runs by time, then by order of scheduling, and never what was cancelled', () => {
  const random = createRandom(11);
  const heap = createHeap();
  const expected: { timeMs: number; n: number }[] = [];
  const ran: { timeMs: number; n: number }[] = [];
  for (let n = 0; n < 20_000; n += 1) {
    const item = { timeMs: random.below(50), n };
    const task = heap.at(item.timeMs, () => ran.push(item));
    if (random.chance(2, 3)) {
      heap.cancel(task);
      heap.cancel(task);
    } else {
      expected.push(item);
    }
  }
  assert.is(heap.size(), expected.length);
  while (heap.step()) assert.is(ran.at(-1)?.timeMs, heap.nowMs());
  assert.equal(ran, expected.sort((a, b) => a.timeMs - b.timeMs || a.n - b.n));
  assert.is(heap.size(), 0);
});

test('an event for the past runs now; time stops where it was told to', () => {
  const heap = createHeap();
  const ran: string[] = [];
  heap.at(10, () => heap.at(3, () => ran.push(`at ${heap.nowMs()}`)));
  heap.at(20, () => ran.push('late'));
  while (heap.step(15)) assert.ok(heap.nowMs() <= 15);
  assert.equal(ran, ['at 10']);
  assert.is(heap.nowMs(), 15);
});

test('random words are 32 bits wide and all different', () => {
  const random = createRandomPort();
  const words = Array.from({ length: 5_000 }, () => random.u32());
  assert.ok(words.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32));
  // Of 5,000 words some four pairs in a thousand runs are equal by chance; fifty would be a broken buffer.
  assert.ok(new Set(words).size > 4_950);
  assert.ok(words.some((word) => word > 2 ** 31) && words.some((word) => word < 2 ** 31));
});

test.run();
