// A process that runs plans for another: one at a time, each answered with what came of it. Swarms,
// shrinking and checks run in such processes, so that they use all cores, that a run which never ends can be
// ended, and that a run can have a process to itself. What always holds: a job is answered once, by its
// outcome or by the loss of its worker; a lost worker takes no more jobs.

import { fork } from 'node:child_process';
import type { Canary } from './canary.ts';
import type { Violation } from './check/oracle.ts';
import { recordPlan } from './determinism.ts';
import type { Recording, Window } from './determinism.ts';
import type { FaultPlan } from './faults.ts';
import { mainFile } from './launch.ts';
import type { Launch } from './launch.ts';
import type { MarkCounts } from './marks.ts';
import { runPlan } from './run.ts';

export interface Job {
  readonly plan: FaultPlan;
  readonly canary: Canary | null;
  /** These as in `RunOptions`. */
  readonly untilMs?: number;
  readonly twin?: boolean;
}

/** What came of a run: what can be told of it in another process. */
export interface Outcome {
  readonly violation: Violation | null;
  readonly hash: string;
  readonly simulatedMs: number;
  /** Real time. */
  readonly elapsedMs: number;
  readonly events: number;
  readonly users: readonly string[];
  /** Rare states, by how often they were reached. */
  readonly marks: MarkCounts;
  /** Histories of clients that were too long to judge. */
  readonly undecided: number;
}

export interface Worker {
  run(job: Job): Promise<Outcome>;
  record(job: Job, window: Window | null): Promise<Recording>;
  /** Ends the process, whatever it is at. */
  stop(): void;
}

/** A run that takes this much longer than what it simulates, and a minute, has no end. */
const slownessMax = 4, startMsMax = 60_000;

/** How long a run of that plan may take in real time, before it is given up. */
export const patienceMs = ({ minutes, boundMs }: Pick<FaultPlan, 'minutes' | 'boundMs'>): number =>
  startMsMax + slownessMax * (minutes * 60_000 + boundMs);

export interface WorkerOptions {
  readonly launch: Launch;
  /** A job that takes longer than this costs the worker its life; real time. */
  readonly limitMs?: number;
  /** What is started; a test may have another. */
  readonly file?: string;
}

/**
 * A job without an outcome: its worker `died`, was `stuck` and was ended, or the simulator itself `threw`,
 * which the worker survives.
 */
export class JobLost extends Error {
  readonly how: 'died' | 'stuck' | 'threw';
  constructor(how: JobLost['how'], message: string) {
    super(message);
    this.how = how;
  }
}

interface Request { readonly job: Job; readonly window?: Window | null }
type Reply = { readonly done: Outcome | Recording } | { readonly error: string };

interface Waiting { done(reply: Outcome | Recording): void; fail(error: Error): void }

export function startWorker({ launch, limitMs: fixedMs, file = mainFile }: WorkerOptions): Worker {
  const child = fork(file, ['worker'], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced',
    execArgv: [...launch.execArgv], env: launch.env,
  });
  let waiting: Waiting | null = null;
  let lost: JobLost | null = null;

  function lose(how: 'died' | 'stuck', message: string): void {
    lost ??= new JobLost(how, message);
    waiting?.fail(lost);
    waiting = null;
    child.kill('SIGKILL');
  }
  child.on('message', (message) => {
    const answered = waiting, reply = message as Reply;
    waiting = null;
    if ('done' in reply) answered?.done(reply.done);
    else answered?.fail(new JobLost('threw', reply.error));
  });
  child.on('exit', (code, signal) => lose('died', `its process ended with ${signal ?? `code ${code}`}`));
  child.on('error', (error) => lose('died', error.message));

  function ask(request: Request): Promise<Outcome | Recording> {
    return new Promise((finish, fail) => {
      if (lost !== null) return fail(lost);
      const limitMs = fixedMs ?? patienceMs(request.job.plan);
      const timer = setTimeout(() => lose('stuck', `no end after ${Math.round(limitMs / 1000)} s`), limitMs);
      waiting = {
        done(reply) {
          clearTimeout(timer);
          finish(reply);
        },
        fail(error) {
          clearTimeout(timer);
          fail(error);
        },
      };
      child.send(request, (error) => { if (error !== null) lose('died', error.message); });
    });
  }
  return {
    run: (job) => ask({ job }) as Promise<Outcome>,
    record: (job, window) => ask({ job, window }) as Promise<Recording>,
    stop: () => lose('died', 'it was stopped'),
  };
}

/** The worker's side: answers job after job until the other process hangs up. */
export function serve(): void {
  process.on('message', (message) => {
    let reply: Reply;
    try {
      reply = { done: answer(message as Request) };
    } catch (error) {
      reply = { error: error instanceof Error ? error.stack ?? error.message : String(error) };
    }
    process.send?.(reply);
  });
  // Ctrl-C reaches every process of a terminal: whoever started this one decides what becomes of it.
  process.on('SIGINT', () => undefined);
  // Whoever started it is gone: nobody waits for the rest.
  process.on('disconnect', () => process.exit(0));
}

function answer({ job, window }: Request): Outcome | Recording {
  return window === undefined ? runJob(job) : recordPlan(job, window);
}

export function runJob({ plan, ...options }: Job): Outcome {
  const startedMs = performance.now();
  const { violation, hash, simulatedMs, events, users, marks, undecided } = runPlan(plan, options);
  return {
    violation, hash, simulatedMs, events, users, marks, undecided, elapsedMs: performance.now() - startedMs,
  };
}
