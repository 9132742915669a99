// Many seeds, in worker processes: each worker gets one seed at a time, so that a slow one holds up no other.
// What always holds: each seed that was begun is counted once, as passed or under the oracle that spoke; a
// seed that kills its worker, never ends, or makes the simulator throw, is counted under `worker-died`,
// `worker-stuck` or `worker-threw`, a failure like any other.

import type { Canary } from './canary.ts';
import type { FaultPlan } from './faults.ts';
import type { MarkCounts, MarkName } from './marks.ts';
import { JobLost } from './worker.ts';
import type { Job, Outcome, Worker } from './worker.ts';

export interface SwarmOptions {
  readonly seeds: Iterable<number>;
  readonly of: number;
  readonly workers: number;
  /** Goes on after a failure. */
  readonly keepGoing: boolean;
  readonly canary: Canary | null;
  readonly draw: (seed: number) => FaultPlan;
  readonly startWorker: () => Worker;
  /** Ends it: seeds under way are given up and not counted. */
  readonly signal?: AbortSignal;
  readonly onResult: (result: SeedResult, progress: Progress) => void;
}

export interface SeedResult {
  readonly seed: number;
  readonly plan: FaultPlan;
  /** Null if there is none, for what the failure says. */
  readonly outcome: Outcome | null;
  readonly failure: Failure | null;
}

export interface Failure {
  /** The oracle that spoke, or what became of the worker. */
  readonly by: string;
  readonly message: string;
  /** Simulated; null where that is not known. */
  readonly atMs: number | null;
}

export interface Progress { readonly done: number; readonly of: number; readonly failed: number;
  readonly simulatedMs: number }

export interface SwarmResult {
  readonly done: number;
  /** Seeds by the oracle that spoke. */
  readonly failures: ReadonlyMap<string, readonly number[]>;
  readonly simulatedMs: number;
  readonly events: number;
  /** The sums of all runs; what none reached is not there. */
  readonly marks: MarkCounts;
  /** Histories of clients that were too long to judge. */
  readonly undecided: number;
  /** It ended itself, for the last seeds came to nothing. */
  readonly lost: boolean;
}

/** So many seeds in a row without an outcome say that there will be none: the swarm ends. */
export const lossesInRowMax = 10;

export async function runSwarm(options: SwarmOptions): Promise<SwarmResult> {
  const { seeds, of, workers, keepGoing, canary, draw, startWorker, signal, onResult } = options;
  const failures = new Map<string, number[]>();
  const queue = seeds[Symbol.iterator]();
  const marks = new Map<MarkName, number>();
  let lossesInRow = 0, done = 0, failed = 0, simulatedMs = 0, events = 0, undecided = 0, stopping = false;

  function take(result: SeedResult): void {
    const { seed, outcome, failure } = result;
    done += 1;
    simulatedMs += outcome?.simulatedMs ?? 0;
    events += outcome?.events ?? 0;
    undecided += outcome?.undecided ?? 0;
    for (const [name, count] of Object.entries(outcome?.marks ?? {}) as [MarkName, number][]) {
      marks.set(name, (marks.get(name) ?? 0) + count);
    }
    if (failure !== null) {
      failed += 1;
      failures.set(failure.by, [...failures.get(failure.by) ?? [], seed]);
      stopping ||= !keepGoing;
    }
    lossesInRow = outcome === null ? lossesInRow + 1 : 0;
    stopping ||= lossesInRow >= lossesInRowMax;
    onResult(result, { done, of, failed, simulatedMs });
  }

  async function lane(): Promise<void> {
    let worker = startWorker();
    signal?.addEventListener('abort', () => {
      stopping = true;
      worker.stop();
    });
    try {
      for (let next = queue.next(); next.done !== true && !stopping; next = queue.next()) {
        const plan = draw(next.value);
        const result = await runSeed(worker, next.value, { plan, canary });
        if (signal?.aborted === true) return;
        if (result.outcome === null) {
          worker.stop();
          worker = startWorker();
        }
        take(result);
      }
    } finally {
      worker.stop();
    }
  }

  await Promise.all(Array.from({ length: Math.max(1, Math.min(workers, of)) }, lane));
  for (const found of failures.values()) found.sort((a, b) => a - b);
  const lost = lossesInRow >= lossesInRowMax;
  return { done, failures, simulatedMs, events, marks: Object.fromEntries(marks), undecided, lost };
}

async function runSeed(worker: Worker, seed: number, job: Job): Promise<SeedResult> {
  const { plan } = job;
  try {
    const outcome = await worker.run(job);
    const { violation } = outcome;
    const failure = violation === null ? null
      : { by: violation.oracle, message: violation.message, atMs: violation.atMs };
    return { seed, plan, outcome, failure };
  } catch (error) {
    if (!(error instanceof JobLost)) throw error;
    const failure = { by: `worker-${error.how}`, message: error.message, atMs: null };
    return { seed, plan, outcome: null, failure };
  }
}
