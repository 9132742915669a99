// One batch: plans drawn from seeds that no other batch has, run one after the other until the mutant's
// oracle speaks or the seeds are used up. What always holds: a batch is a function of the mutant, its number
// and the options, so a kill can be run again by its seed; what other oracles say is counted and kills
// nothing.

import type { OracleName } from '../check/oracle.ts';
import { drawPlan } from '../faults.ts';
import type { FaultPlan } from '../faults.ts';
import { runPlan } from '../run.ts';
import { mutantNamed } from './list.ts';
import type { Mutant } from './mutant.ts';

export interface BatchJob {
  readonly mutant: string;
  /** From 1. */
  readonly batch: number;
  readonly seeds: number;
  /** In place of the mutant's own. */
  readonly peers?: number;
  readonly minutes?: number;
}

export interface BatchResult {
  readonly batch: number;
  /** It was killed by the oracle that is named for it, with this seed. */
  readonly killedBy: number | null;
  /** Seeds run, and events delivered in them. */
  readonly seeds: number;
  readonly events: number;
  readonly message: string;
  /** What other oracles said, in how many seeds, and the first of those seeds. */
  readonly others: Readonly<Partial<Record<OracleName, Other>>>;
}

export interface Other { readonly seeds: number; readonly first: number; readonly message: string }

/** Batches lie this far apart. */
const seedsPerBatchMax = 100_000;

export const seedOf = (batch: number, n: number): number => batch * seedsPerBatchMax + n;

export const usualPeers = 3, usualMinutes = 2;

export function planFor({ draw = {} }: Mutant, seed: number, over: Partial<BatchJob> = {}): FaultPlan {
  const peers = over.peers ?? draw.peers ?? usualPeers;
  const minutes = over.minutes ?? draw.minutes ?? usualMinutes;
  return drawPlan(seed, { peers, minutes, ...draw.classes === undefined ? {} : { classes: draw.classes } });
}

/** `progress`: a seed was run. */
export async function runBatch(
  job: BatchJob, progress: () => Promise<void> = async () => { /* Nobody waits. */ },
): Promise<BatchResult> {
  const mutant = mutantNamed(job.mutant), others: Partial<Record<OracleName, Other>> = {};
  let events = 0;
  for (let n = 1; n <= job.seeds; n += 1) {
    const seed = seedOf(job.batch, n), plan = planFor(mutant, seed, job);
    const chaos = mutant.draw?.chaosOnly === true ? { untilMs: plan.healMs - 1 } : {};
    const { violation, events: delivered } = runPlan(plan, chaos);
    await progress();
    events += delivered;
    if (violation === null) continue;
    const { oracle, message } = violation;
    if (oracle === mutant.oracle) {
      return { batch: job.batch, killedBy: seed, seeds: n, events, message, others };
    }
    const known = others[oracle] ?? { seeds: 0, first: seed, message };
    others[oracle] = { ...known, seeds: known.seeds + 1 };
  }
  return { batch: job.batch, killedBy: null, seeds: job.seeds, events, message: '', others };
}

export type BatchReply = { readonly progress: true } | { readonly done: BatchResult };

/** The worker's side: batch after batch, until the other process hangs up. */
export function serveBatches(): void {
  const say = (reply: BatchReply): void => { process.send?.(reply); };
  // Between two seeds it is heard whether the other process is still there.
  const progress = async (): Promise<void> => {
    say({ progress: true });
    await new Promise((done) => { setImmediate(done); });
  };
  process.on('message', (job) => {
    void runBatch(job as BatchJob, progress).then((done) => say({ done }));
  });
  process.on('disconnect', () => process.exit(0));
}
