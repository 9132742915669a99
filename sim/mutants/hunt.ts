// Hunts a mutant: independent batches in worker processes that have the bug, and what came of them.
// What always holds: a mutant counts as killed only if at least 95 % of all batches killed it, by the oracle
// that is named for it; once that can't be reached any more, the hunt is over.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { launchWith } from '../launch.ts';
import type { BatchJob, BatchReply, BatchResult, Other } from './batch.ts';
import type { Mutant } from './mutant.ts';

export interface HuntOptions {
  readonly batches: number;
  /** At most so many seeds in each batch. */
  readonly seeds: number;
  readonly workers: number;
  readonly peers?: number;
  readonly minutes?: number;
  readonly onBatch?: (result: BatchResult) => void;
}

export interface Hunt {
  readonly name: string;
  readonly killed: boolean;
  readonly batches: number;
  readonly seedsMax: number;
  /** Batches that ended: all, or so many that it was decided. */
  readonly run: number;
  readonly kills: number;
  /** Over the batches that killed it; null if none did. */
  readonly seeds: number | null;
  readonly events: number | null;
  /** Why a batch's process was lost, if one was. */
  readonly lost: string | null;
  /** A kill to look at. */
  readonly example: { readonly seed: number; readonly message: string } | null;
  readonly others: Readonly<Record<string, Other>>;
}

/** A seed that takes longer, in real time, never ends. */
const seedMsMax = 300_000;
/** Of all batches. */
const killedPercent = 95;

export async function hunt(mutant: Mutant, options: HuntOptions): Promise<Hunt> {
  const { batches, seeds, workers, onBatch } = options;
  const results: BatchResult[] = [], missesMax = Math.floor(batches * (100 - killedPercent) / 100);
  let next = 1;
  const over = (): boolean => results.filter(({ killedBy }) => killedBy === null).length > missesMax;
  const work = async (): Promise<void> => {
    let child: Batcher | null = null;
    while (next <= batches && !over()) {
      const job = jobOf(mutant, next, options);
      next += 1;
      child ??= await startBatcher(mutant);
      const result = await child.run(job);
      if (child.isLost()) child = null;
      results.push(result);
      onBatch?.(result);
    }
    child?.stop();
  };
  await Promise.all(Array.from({ length: Math.min(workers, batches) }, work));
  return summary(mutant, results.sort((a, b) => a.batch - b.batch), batches, seeds, !over());
}

function jobOf({ name }: Mutant, batch: number, { seeds, peers, minutes }: HuntOptions): BatchJob {
  return {
    mutant: name, batch, seeds, ...peers === undefined ? {} : { peers },
    ...minutes === undefined ? {} : { minutes },
  };
}

function summary(
  { name }: Mutant, results: readonly BatchResult[], batches: number, seedsMax: number, killed: boolean,
): Hunt {
  const kills = results.filter(({ killedBy }) => killedBy !== null);
  const others: Record<string, Other> = {};
  for (const result of results) {
    for (const [oracle, { seeds, first, message }] of Object.entries(result.others)) {
      const known = others[oracle] ?? { seeds: 0, first, message: lineOf(message) };
      others[oracle] = { ...known, seeds: known.seeds + seeds };
    }
  }
  const [first] = kills;
  return {
    name, killed, batches, seedsMax, run: results.length, kills: kills.length,
    seeds: median(kills.map(({ seeds }) => seeds)), events: median(kills.map(({ events }) => events)),
    lost: results.find(({ seeds }) => seeds === 0)?.message ?? null,
    example: first === undefined ? null : { seed: first.killedBy ?? 0, message: lineOf(first.message) },
    others,
  };
}

const lineCharsMax = 240;

function lineOf(message: string): string {
  const [line = ''] = message.split('\n');
  return line.length > lineCharsMax ? `${line.slice(0, lineCharsMax)}…` : line;
}

/** The lower one of two in the middle. */
export function median(values: readonly number[]): number | null {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null;
}

// ── processes ────────────────────────────────────────────────────────────────────────────────────────────

interface Batcher {
  /** A batch whose process is lost has killed nothing. */
  run(job: BatchJob): Promise<BatchResult>;
  isLost(): boolean;
  stop(): void;
}

const workerFile = fileURLToPath(new URL('worker.ts', import.meta.url));

async function startBatcher({ name }: Mutant): Promise<Batcher> {
  const { execArgv, env } = await launchWith(name);
  const child: ChildProcess = fork(workerFile, [], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced', execArgv: [...execArgv], env,
  });
  let lost = false;
  return {
    run: (job) => new Promise((finish) => {
      let timer: NodeJS.Timeout | undefined;
      const patient = (): void => {
        clearTimeout(timer);
        timer = setTimeout(() => child.kill('SIGKILL'), seedMsMax);
      };
      const end = (result: BatchResult): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        finish(result);
      };
      patient();
      child.on('message', (message) => {
        const reply = message as BatchReply;
        if ('done' in reply) end(reply.done);
        else patient();
      });
      child.on('exit', (code, signal) => {
        lost = true;
        const message = `its process ended with ${signal ?? `code ${code}`}`;
        end({ batch: job.batch, killedBy: null, seeds: 0, events: 0, message, others: {} });
      });
      child.send(job);
    }),
    isLost: () => lost,
    stop() { if (child.connected) child.disconnect(); },
  };
}
