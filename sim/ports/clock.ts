// A peer's clock in the simulated world. Each peer's monotonic clock may run fast or slow, and its wall clock
// may be off: nothing in a cluster may depend on two clocks agreeing.
// What always holds: a stopped clock (of a crashed peer) delivers nothing more.

import type { ClockPort, PeerEvent } from '../../cluster/ports.ts';
import type { SimScheduler, SimTask } from '../heap.ts';

export interface ClockFault {
  /** How much faster than the world this peer's clocks run, in parts per million; may be negative. */
  readonly driftPpm: number;
  /** How far ahead of the world this peer's wall clock is. */
  readonly wallSkewMs: number;
}

export const trueClock: ClockFault = { driftPpm: 0, wallSkewMs: 0 };

/** Wall time when the world begins: 2026-01-01T00:00:00Z. */
export const worldEpochMs = 1_767_225_600_000;

export interface SimClock extends ClockPort {
  /** The wall clock jumps, as when someone sets it. */
  setWallSkew(wallSkewMs: number): void;
  stop(): void;
}

export function createClock(
  scheduler: SimScheduler, deliver: (event: PeerEvent) => void, fault: ClockFault = trueClock,
): SimClock {
  const armed = new Map<string, SimTask>();
  const startedMs = scheduler.nowMs();
  const rate = 1 + fault.driftPpm / 1e6;
  let wallSkewMs = fault.wallSkewMs;
  let stopped = false;

  function disarm(key: string): void {
    const task = armed.get(key);
    if (task === undefined) return;
    armed.delete(key);
    scheduler.cancel(task);
  }
  return {
    nowMs: () => Math.floor((scheduler.nowMs() - startedMs) * rate),
    wallMs: () => Math.floor(worldEpochMs + scheduler.nowMs() * rate + wallSkewMs),
    arm(key, ms) {
      disarm(key);
      if (stopped) return;
      // Rounded up to the microsecond, and a microsecond late, so that `nowMs` never tells an earlier time.
      const delayMs = Math.ceil((Math.max(0, ms) / rate) * 1e3) / 1e3;
      armed.set(key, scheduler.at(scheduler.nowMs() + delayMs + (rate === 1 ? 0 : 0.001), () => {
        armed.delete(key);
        deliver({ type: 'timer', key });
      }));
    },
    disarm,
    setWallSkew(skewMs) { wallSkewMs = skewMs; },
    stop() {
      stopped = true;
      for (const task of armed.values()) scheduler.cancel(task);
      armed.clear();
    },
  };
}
