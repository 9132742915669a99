// A peer's clock in the simulated world. Each peer's monotonic clock may run fast or slow, and its wall clock
// may be off: nothing in a cluster may depend on two clocks agreeing.
//
// The bound. A leader's lease (`cluster/log/read.ts`) rests on one thing: while it lasts, no two clocks run
// apart by more than a third. So no drift that is drawn, nor one that a plan may ask for, goes beyond
// `driftPpmMax` either way: the fastest clock gains less than a third on the slowest. What wall clocks show
// has no bound: nothing rests on it.
// What always holds: the monotonic clock never goes back, whatever its rate; a stopped clock (of a crashed
// peer) delivers nothing more.

import type { ClockPort, PeerEvent } from '../../cluster/ports.ts';
import type { SimScheduler, SimTask } from '../heap.ts';

export interface ClockFault {
  /** How much faster than the world this peer's clocks run, in parts per million; may be negative. */
  readonly driftPpm: number;
  /** How far ahead of the world this peer's wall clock is. */
  readonly wallSkewMs: number;
}

export const trueClock: ClockFault = { driftPpm: 0, wallSkewMs: 0 };

/** 1.14 is less than 4/3 of 0.86. */
export const driftPpmMax = 140_000;

/** Wall time when the world begins: 2026-01-01T00:00:00Z. */
export const worldEpochMs = 1_767_225_600_000;

export interface SimClock extends ClockPort {
  /** The wall clock jumps, as when someone sets it. */
  setWallSkew(wallSkewMs: number): void;
  /** From now on both clocks run at this rate; what is armed comes when the new rate has it due. */
  setDrift(driftPpm: number): void;
  stop(): void;
}

interface Armed { readonly task: SimTask; readonly dueMs: number }

export function createClock(
  scheduler: SimScheduler, deliver: (event: PeerEvent) => void, fault: ClockFault = trueClock,
): SimClock {
  const armed = new Map<string, Armed>();
  let rate = 1 + fault.driftPpm / 1e6;
  let wallSkewMs = fault.wallSkewMs;
  let stopped = false;
  /** What the monotonic clock showed when its rate last changed, and when that was. */
  let shownMs = 0, sinceMs = scheduler.nowMs();
  const wallStartMs = worldEpochMs + sinceMs * rate;

  const exactMs = (): number => shownMs + (scheduler.nowMs() - sinceMs) * rate;
  function disarm(key: string): void {
    const found = armed.get(key);
    if (found === undefined) return;
    armed.delete(key);
    scheduler.cancel(found.task);
  }
  function schedule(key: string, ms: number): void {
    // Rounded up to the microsecond, and a microsecond late, so that `nowMs` never tells an earlier time.
    const delayMs = Math.ceil((Math.max(0, ms) / rate) * 1e3) / 1e3;
    const task = scheduler.at(scheduler.nowMs() + delayMs + (rate === 1 ? 0 : 0.001), () => {
      armed.delete(key);
      deliver({ type: 'timer', key });
    });
    armed.set(key, { task, dueMs: exactMs() + ms });
  }
  return {
    nowMs: () => Math.floor(exactMs()),
    wallMs: () => Math.floor(wallStartMs + exactMs() + wallSkewMs),
    arm(key, ms) {
      disarm(key);
      if (!stopped) schedule(key, ms);
    },
    disarm,
    setWallSkew(skewMs) { wallSkewMs = skewMs; },
    setDrift(driftPpm) {
      const next = 1 + driftPpm / 1e6;
      if (next === rate) return;
      shownMs = exactMs();
      sinceMs = scheduler.nowMs();
      rate = next;
      for (const [key, { task, dueMs }] of [...armed]) {
        scheduler.cancel(task);
        schedule(key, dueMs - shownMs);
      }
    },
    stop() {
      stopped = true;
      for (const { task } of armed.values()) scheduler.cancel(task);
      armed.clear();
    },
  };
}
