// The contract of the clock port, as a suite that every adapter must pass.

import * as assert from 'uvu/assert';
import type { ClockPort, PeerEvent } from '../../cluster/ports.ts';

export interface ClockHarness {
  readonly port: ClockPort;
  readonly events: PeerEvent[];
  /** Called at each event, before it is recorded. */
  onEvent: (key: string) => void;
  until(what: string, condition: () => boolean): Promise<void>;
  /** Lets this much time pass. */
  pass(ms: number): Promise<void>;
  stop(): void;
}

type Test = (name: string, body: () => Promise<void>) => void;

export const keysOf = (events: readonly PeerEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'timer' ? [event.key] : []));

/** Registers the whole suite. */
export function clockContract(test: Test, name: string, makeHarness: () => ClockHarness): void {
  const it = (what: string, body: (harness: ClockHarness) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const harness = makeHarness();
      try {
        await body(harness);
      } finally {
        harness.stop();
      }
    });
  };

  it('a timer comes once, in time, and not from inside the call', async ({ port, events, ...harness }) => {
    const armedMs = port.nowMs();
    port.arm('a', 20);
    port.arm('b', 0);
    assert.equal(events, []);
    await harness.until('a', () => keysOf(events).includes('a'));
    assert.ok(port.nowMs() - armedMs >= 20, `${port.nowMs() - armedMs} ms`);
    await harness.pass(40);
    assert.equal(keysOf(events), ['b', 'a']);
  });

  it('what is due first comes first', async ({ port, events, ...harness }) => {
    for (const ms of [30, 10, 20]) port.arm(`after ${ms}`, ms);
    await harness.until('all', () => events.length === 3);
    assert.equal(keysOf(events), ['after 10', 'after 20', 'after 30']);
  });

  it('a disarmed timer does not come', async ({ port, events, ...harness }) => {
    port.arm('gone', 10);
    port.arm('stays', 15);
    port.disarm('gone');
    port.disarm('never armed');
    await harness.until('stays', () => events.length > 0);
    await harness.pass(20);
    assert.equal(keysOf(events), ['stays']);
  });

  it('arming an armed key moves it', async ({ port, events, ...harness }) => {
    const armedMs = port.nowMs();
    port.arm('moved', 5);
    port.arm('moved', 40);
    port.arm('sooner', 10_000);
    port.arm('sooner', 10);
    await harness.until('moved', () => keysOf(events).includes('moved'));
    assert.ok(port.nowMs() - armedMs >= 40);
    assert.equal(keysOf(events), ['sooner', 'moved']);
  });

  it('a timer may be armed again from its own event, and another disarmed', async (harness) => {
    const { port, events } = harness;
    harness.onEvent = (key) => {
      if (key !== 'again' || events.length >= 2) return;
      port.arm('again', 5);
      port.disarm('other');
    };
    port.arm('again', 5);
    port.arm('other', 8);
    await harness.until('three', () => events.length === 3);
    assert.equal(keysOf(events), ['again', 'again', 'again']);
  });

  it('monotonic time does not go back, wall time is of this age', async ({ port, ...harness }) => {
    let before = port.nowMs();
    for (let n = 0; n < 20; n += 1) {
      await harness.pass(1);
      assert.ok(port.nowMs() >= before);
      before = port.nowMs();
    }
    assert.ok(before >= 15 && before < 60_000, `${before} ms`);
    assert.ok(port.wallMs() > 1_750_000_000_000);
  });
}
