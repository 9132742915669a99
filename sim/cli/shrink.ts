// `sim shrink FILE`: looks for the smallest plan that still fails as an artefact's does, within bounds of
// runs and of time, and writes an artefact of it. What always holds: what it writes was run, and failed by
// the same oracle; where nothing fails there is nothing to shrink, which is an error.

import { Command } from 'commander';
import { BadInput, differences, provenance, readRecipe, writeArtefact } from '../artefact.ts';
import type { Recipe } from '../artefact.ts';
import { oracles } from '../check/oracle.ts';
import type { FaultPlan } from '../faults.ts';
import { launchWith } from '../launch.ts';
import { planText } from '../report.ts';
import { shrink } from '../shrink.ts';
import type { ShrinkProgress, Shrunk } from '../shrink.ts';
import { JobLost, startWorker } from '../worker.ts';
import type { Job, Outcome, Worker } from '../worker.ts';
import { integer, workersOption } from './options.ts';
import { createProgressLine, durationText } from './progress.ts';

interface ShrinkFlags {
  readonly out?: string;
  readonly workers: number;
  readonly runs: number;
  readonly seconds: number;
}

const runsDefault = 500, runsMost = 100_000, secondsDefault = 900, secondsMost = 86_400;

export function shrinkCommand(): Command {
  return new Command('shrink')
    .description('find the smallest plan that still fails by the same oracle')
    .argument('<file>', 'an artefact, or a plan that fails')
    .option('--out <file>', 'where the artefact of the smallest goes (default: FILE with .min before .json)')
    .option(...workersOption)
    .option('--runs <n>', 'end after so many', integer(1, runsMost), runsDefault)
    .option('--seconds <n>', 'end after so long', integer(1, secondsMost), secondsDefault)
    .action(shrinkFile);
}

async function shrinkFile(file: string, flags: ShrinkFlags): Promise<void> {
  const startedMs = performance.now();
  const recipe = readRecipe(file);
  const { plan, canary, mutant, twin } = recipe;
  const job: Job = { plan, canary, ...twin ? { twin } : {} };
  const launch = await launchWith(mutant);
  const crew = createCrew(() => startWorker({ launch }));
  const line = createProgressLine();
  let interrupted = false;
  // What was found by then is worth keeping.
  process.once('SIGINT', () => { interrupted = true; });
  try {
    const outcome = await crew.run(job);
    expectFailure(file, recipe, outcome);
    const size = sizeOf(plan, outcome.users.length);
    line.print(`${outcome.violation?.oracle} fails with ${size}; looking for less`);
    const found = await shrink({
      job, outcome, lanes: flags.workers, runsMax: flags.runs,
      run: (each) => crew.run(each),
      timeIsUp: () => interrupted || performance.now() - startedMs > flags.seconds * 1000,
      onProgress: showing(line, flags.runs),
    });
    line.end();
    const out = flags.out ?? `${file.replace(/\.json$/, '')}.min.json`;
    const { violation, hash } = found.outcome;
    writeArtefact(out, { plan: found.plan, canary, mutant, violation, hash });
    console.log(shrunkText(plan, outcome, found, performance.now() - startedMs));
    console.log(`saved: ${out}\nagain: sim replay ${out} --trace`);
  } finally {
    crew.stop();
  }
}

function expectFailure(
  file: string, { recorded }: Recipe, outcome: Outcome | null,
): asserts outcome is Outcome {
  if (outcome === null) throw new BadInput(`${file}: its run has no end here: there is nothing to shrink by`);
  if (outcome.violation !== null) return;
  const changed = recorded === null ? [] : differences(recorded, provenance());
  throw new BadInput(`${file}: its run passes: there is nothing to shrink`
    + (changed.length === 0 ? '' : `\n  since it was recorded: ${changed.join('; ')}`));
}

/** Workers by need: one that lost its job is replaced by the next. */
function createCrew(start: () => Worker): { run(job: Job): Promise<Outcome | null>; stop(): void } {
  const idle: Worker[] = [], all = new Set<Worker>();
  return {
    async run(job) {
      const worker = idle.pop() ?? start();
      all.add(worker);
      try {
        const outcome = await worker.run(job);
        idle.push(worker);
        return outcome;
      } catch (error) {
        if (!(error instanceof JobLost)) throw error;
        worker.stop();
        all.delete(worker);
        return null;
      }
    },
    stop() { for (const worker of all) worker.stop(); },
  };
}

/** On a terminal a line per run; elsewhere one whenever a phase begins or the plan got smaller. */
function showing(
  line: ReturnType<typeof createProgressLine>, runsMax: number,
): (progress: ShrinkProgress) => void {
  let last = '';
  return ({ phase, runs, plan, users }) => {
    const size = `${phase}: ${sizeOf(plan, users)}`;
    line.show(`${runs} of at most ${runsMax} runs · ${size}`, size === last ? null : `${size}, ${runs} runs`);
    last = size;
  };
}

const sizeOf = ({ faults, peers }: FaultPlan, users: number): string =>
  `${counted(faults.length, 'fault')}, ${counted(users, 'user')}, ${counted(peers, 'peer')}`;

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

function shrunkText(before: FaultPlan, was: Outcome, found: Shrunk, elapsedMs: number): string {
  const { plan, outcome, runs, finished } = found;
  const { violation, users, hash } = outcome;
  if (violation === null) return planText(plan);
  const { oracle, message, atMs, event } = violation;
  return [
    planText(plan),
    `FAIL  ${oracle}: ${oracles[oracle]}`,
    `      ${message}`,
    `      at ${(atMs / 1000).toFixed(3)} s, event ${event}`,
    `trace ${hash}`,
    `from ${sizeOf(before, was.users.length)}`,
    `  to ${sizeOf(plan, users.length)}, in ${counted(runs, 'run')} and ${durationText(elapsedMs)}`
    + (finished ? '' : '; the search was ended: --runs and --seconds allow more'),
  ].join('\n');
}
