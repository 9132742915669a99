// `sim check`: whether runs are functions of their plans. A share of the seeds is run twice, in a process
// that has run others before and in a fresh one, and the rolling hashes are compared event by event. What
// always holds: the same seeds are chosen each time; exit code 1 if any of them is two runs.

import { Command } from 'commander';
import { hash32 } from '../../cluster/random.ts';
import { compareRuns } from '../determinism.ts';
import type { Recorder, Verdict } from '../determinism.ts';
import { launchWith } from '../launch.ts';
import type { Launch } from '../launch.ts';
import { JobLost, startWorker } from '../worker.ts';
import type { Worker } from '../worker.ts';
import { draw, drawFlags, drawText, range, share, workersOption } from './options.ts';
import type { DrawFlags } from './options.ts';
import { bar, createProgressLine, durationText } from './progress.ts';

interface CheckFlags extends DrawFlags {
  readonly seeds: readonly [number, number];
  readonly share: number;
  readonly workers: number;
}

const shareDefault = 0.1;
/** Tells the draw of seeds to be checked from every other that is made of a seed. */
const shareSalt = 0x63686b;

export function checkCommand(): Command {
  return drawFlags(new Command('check')
    .description('run a share of seeds twice, in fresh processes, and compare every event')
    .requiredOption('--seeds <a..b>', 'which, both ends included', range)
    .option('--share <p>', 'how many of them, as 10% or 0.1; at least one', share, shareDefault)
    .option(...workersOption))
    .action(check);
}

async function check(flags: CheckFlags): Promise<void> {
  const startedMs = performance.now();
  const seeds = chosen(flags.seeds, flags.share);
  const queue = seeds.values(), launch = await launchWith(flags.mutant ?? null);
  const line = createProgressLine();
  let done = 0, different = 0, events = 0;
  const lane = async (): Promise<void> => {
    let used = startWorker({ launch });
    try {
      for (const seed of queue) {
        const job = { plan: draw(seed, flags), canary: flags.canary ?? null };
        const verdict = await compareOrLose(job, recorderOf(used), fresh(launch));
        done += 1;
        if ('lost' in verdict) {
          different += 1;
          line.print(`seed ${seed} (${drawText(flags)}): a worker ${verdict.lost}`);
          used.stop();
          used = startWorker({ launch });
        } else if (verdict.same) events += verdict.events;
        else {
          different += 1;
          line.print(differenceText(`seed ${seed} (${drawText(flags)})`, verdict));
        }
        const sums = `${done} of ${seeds.length} seeds run twice, ${different} differ`;
        line.show(`${bar(done, seeds.length)} ${sums}`, done === seeds.length ? null : sums);
      }
    } finally {
      used.stop();
    }
  };
  await Promise.all(Array.from({ length: Math.min(flags.workers, seeds.length) }, lane));
  line.end();
  console.log(`${done} seeds run twice, ${different} differ, ${events} events the same in `
    + durationText(performance.now() - startedMs));
  process.exitCode = different > 0 ? 1 : 0;
}

/** A run without an end, or that ends its process, is no run that can be compared. */
async function compareOrLose(
  ...runs: Parameters<typeof compareRuns>
): Promise<Verdict | { readonly lost: string }> {
  try {
    return await compareRuns(...runs);
  } catch (error) {
    if (!(error instanceof JobLost)) throw error;
    return { lost: `${error.how}: ${error.message}` };
  }
}

const recorderOf = (worker: Worker): Recorder => (job, window) => worker.record(job, window);

/** A process for each run. */
function fresh(launch: Launch): Recorder {
  return async (...request) => {
    const worker = startWorker({ launch });
    try {
      return await worker.record(...request);
    } finally {
      worker.stop();
    }
  };
}

/** A share of the seeds, the same each time, spread over all of them, in order; at least one. */
export function chosen([from, to]: readonly [number, number], part: number): number[] {
  const seeds: number[] = [];
  for (let seed = from; seed <= to; seed += 1) {
    if (hash32(seed, shareSalt) < part * 2 ** 32) seeds.push(seed);
  }
  return seeds.length > 0 ? seeds : [from];
}

export function differenceText(what: string, verdict: Verdict & { same: false }): string {
  const { event, first, second, before } = verdict;
  if (event === null) return `${what}: the same events, but not the same states at the end`;
  if (first === null && second === null) {
    return `${what}: differs from event ${event} on, and elsewhere each time it is run: chance from outside`;
  }
  return [
    `${what}: event ${event} is the first that differs`,
    ...before.map((each) => `    ${each}`),
    `  used process  ${first ?? 'no more events'}`,
    `  fresh process ${second ?? 'no more events'}`,
  ].join('\n');
}
