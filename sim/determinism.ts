// Whether a run is a function of its plan: the same plan is run twice, in two processes, and the rolling
// hashes of both after every event are compared. Once they differ they stay different, so the first event
// that differs is found by bisection; both runs then happen again to have that event's text. What always
// holds: runs that are said to be the same had the same events in the same order, and the same states at the
// end.

import { hashText } from '../cluster/random.ts';
import { eventText } from './report.ts';
import { runPlan } from './run.ts';
import { createRollingHash } from './world.ts';
import type { Job } from './worker.ts';

/** Events by number, from 1; both ends included. */
export interface Window { readonly from: number; readonly to: number }

export interface Recording {
  readonly hash: string;
  /** After each event, the hash of all up to it. */
  readonly rolling: Uint32Array;
  /** The events of the window, a line each. */
  readonly lines: readonly string[];
}

/** Runs the job's plan once, wherever. */
export type Recorder = (job: Job, window: Window | null) => Promise<Recording>;

export type Verdict =
  | { readonly same: true; readonly events: number; readonly hash: string }
  | {
    readonly same: false;
    /** Number of the first event that differs; null if all were the same and the end was not. */
    readonly event: number | null;
    /** That event in each run; null where a run has no such event, or differs anew each time. */
    readonly first: string | null;
    readonly second: string | null;
    /** What the runs had in common just before, a line each. */
    readonly before: readonly string[];
  };

/** So many events before the one that differs are printed. */
const linesBefore = 5;
/** Runs that differ by chance differ elsewhere each time: so often it is tried to catch both in the act. */
const attemptsMax = 4;
/** How far from where it differed last time it may differ and still be in the window. */
const windowEvents = 2_000;

/** Runs it by both recorders and finds where they part. */
export async function compareRuns(job: Job, one: Recorder, other: Recorder): Promise<Verdict> {
  let a = await one(job, null), b = await other(job, null);
  if (a.hash === b.hash && firstDifference(a.rolling, b.rolling) === null) {
    return { same: true, events: a.rolling.length, hash: a.hash };
  }
  let event: number | null = null;
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const found = firstDifference(a.rolling, b.rolling);
    if (found === null) break;
    event = found;
    const window = { from: Math.max(1, event - windowEvents), to: event + windowEvents };
    a = await one(job, window);
    b = await other(job, window);
    const again = firstDifference(a.rolling, b.rolling);
    if (again === null || again < window.from || again > window.to) continue;
    const at = again - window.from;
    return {
      same: false, event: again, first: a.lines[at] ?? null, second: b.lines[at] ?? null,
      before: a.lines.slice(Math.max(0, at - linesBefore), at),
    };
  }
  return { same: false, event, first: null, second: null, before: [] };
}

/** The number of the first event after which two runs' hashes differ; null if none does. */
export function firstDifference(a: Uint32Array, b: Uint32Array): number | null {
  const shared = Math.min(a.length, b.length);
  // What holds of `low` events and not of `high`: that the hashes after them are the same.
  let low = 0, high = shared + 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (a[middle - 1] === b[middle - 1]) low = middle;
    else high = middle;
  }
  return high <= shared ? high : a.length === b.length ? null : high;
}

/** One run with a hash after every event, and the events of the window as text. */
export function recordPlan({ plan, canary }: Job, window: Window | null): Recording {
  const hash = createRollingHash();
  const rolling: number[] = [], lines: string[] = [];
  const { hash: whole } = runPlan(plan, {
    canary,
    onEvent(line) {
      hash.add(line.atMs, hashText(line.peer), line.event);
      rolling.push(hash.value());
      if (window !== null && line.number >= window.from && line.number <= window.to) {
        lines.push(eventText(line));
      }
    },
  });
  return { hash: whole, rolling: Uint32Array.from(rolling), lines };
}
