// The real clock: timers by key, one event each. What always holds: an event never comes before its time by
// this clock, never after `disarm`, and never from inside a call.

import type { ClockPort, PeerEvent } from '../../cluster/ports.ts';

export interface Clock extends ClockPort {
  /** Disarms everything. */
  close(): void;
}

/** setTimeout's longest; a longer wait is taken in steps. */
const timeoutMsMax = 2 ** 31 - 1;

interface Armed { cancel: () => void; readonly dueMs: number }

export function createClock(deliver: (event: PeerEvent) => void): Clock {
  const startedMs = performance.now();
  const armed = new Map<string, Armed>();
  const nowMs = (): number => performance.now() - startedMs;

  /** What is due at once comes with the next turn of the loop: setTimeout would make it a millisecond. */
  function wait(key: string, dueMs: number): () => void {
    const ms = Math.min(timeoutMsMax, Math.max(0, Math.ceil(dueMs - nowMs())));
    if (ms === 0) {
      const immediate = setImmediate(() => fire(key, dueMs));
      return () => clearImmediate(immediate);
    }
    const timeout = setTimeout(() => fire(key, dueMs), ms);
    return () => clearTimeout(timeout);
  }
  /** Node's timers count whole milliseconds of a clock of their own and may be early by a part of one. */
  function fire(key: string, dueMs: number): void {
    const timer = armed.get(key);
    if (timer === undefined || timer.dueMs !== dueMs) return;
    if (nowMs() < dueMs) {
      timer.cancel = wait(key, dueMs);
      return;
    }
    armed.delete(key);
    deliver({ type: 'timer', key });
  }
  function disarm(key: string): void {
    const timer = armed.get(key);
    if (timer === undefined) return;
    armed.delete(key);
    timer.cancel();
  }
  return {
    nowMs,
    wallMs: () => Date.now(),
    arm(key, ms) {
      disarm(key);
      const dueMs = nowMs() + ms;
      armed.set(key, { cancel: wait(key, dueMs), dueMs });
    },
    disarm,
    close() {
      for (const key of [...armed.keys()]) disarm(key);
    },
  };
}
