// Many seeds, in worker processes: each worker gets one seed at a time, so that a slow one holds up no other.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Violation } from './check/oracle.ts';

export interface SwarmOptions {
  readonly from: number;
  readonly to: number;
  readonly workers: number;
  readonly keepGoing: boolean;
  /** Flags that every worker is started with. */
  readonly flags: readonly string[];
  readonly onResult: (result: SeedResult, progress: Progress) => void;
}

export interface SeedResult {
  readonly seed: number;
  readonly violation: Violation | null;
  readonly hash: string;
  readonly simulatedMs: number;
  readonly elapsedMs: number;
  readonly events: number;
}

export interface Progress { readonly done: number; readonly of: number; readonly failed: number }

export interface SwarmResult {
  readonly done: number;
  /** Seeds by the oracle that spoke. */
  readonly failures: ReadonlyMap<string, readonly number[]>;
  readonly simulatedMs: number;
  readonly events: number;
}

export function runSwarm(file: string, options: SwarmOptions): Promise<SwarmResult> {
  const { from, to, workers, keepGoing, flags, onResult } = options;
  const failures = new Map<string, number[]>();
  const children = new Set<ChildProcess>();
  let next = from, done = 0, failed = 0, simulatedMs = 0, events = 0, stopping = false;

  return new Promise((finish, fail) => {
    const end = (child: ChildProcess): void => {
      children.delete(child);
      if (child.connected) child.disconnect();
      if (children.size === 0) finish({ done, failures, simulatedMs, events });
    };
    const give = (child: ChildProcess): void => {
      if (stopping || next > to) return end(child);
      child.send({ seed: next });
      next += 1;
    };
    const take = (child: ChildProcess, result: SeedResult): void => {
      done += 1;
      simulatedMs += result.simulatedMs;
      events += result.events;
      if (result.violation !== null) {
        failed += 1;
        const { oracle } = result.violation;
        failures.set(oracle, [...failures.get(oracle) ?? [], result.seed]);
        if (!keepGoing) stopping = true;
      }
      onResult(result, { done, of: to - from + 1, failed });
      give(child);
    };
    for (let n = 0; n < Math.min(workers, to - from + 1); n += 1) {
      const child = fork(file, ['--worker', ...flags], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      children.add(child);
      child.on('message', (result) => take(child, result as SeedResult));
      child.on('exit', (code) => {
        if (!children.has(child)) return;
        stopping = true;
        end(child);
        fail(new Error(`a worker ended with code ${code}`));
      });
      give(child);
    }
  });
}

/** The worker's side: answers each seed with its result, until the swarm hangs up. */
export function serveSwarm(run: (seed: number) => SeedResult): void {
  process.on('message', (message) => {
    process.send?.(run((message as { seed: number }).seed));
  });
}
