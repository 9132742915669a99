// `sim swarm`: many seeds in worker processes, with progress, and a count of failures by oracle at the end.

import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { BadInput, provenance, writeArtefact } from '../artefact.ts';
import type { Provenance } from '../artefact.ts';
import { marks } from '../marks.ts';
import type { MarkCounts, MarkName } from '../marks.ts';
import { lossesInRowMax, runSwarm } from '../swarm.ts';
import type { Failure, Progress, SeedResult, SwarmResult } from '../swarm.ts';
import { launchWith } from '../launch.ts';
import { startWorker } from '../worker.ts';
import { draw, drawFlags, drawText, integer, range, workersOption } from './options.ts';
import type { DrawFlags } from './options.ts';
import { bar, createProgressLine, durationText } from './progress.ts';
import type { ProgressLine } from './progress.ts';

export interface SwarmFlags extends DrawFlags {
  readonly seeds: readonly [number, number];
  readonly workers: number;
  readonly keepGoing?: boolean;
  readonly saveFailures?: string;
  readonly marks?: boolean;
  readonly parts?: number;
  readonly part?: number;
}

/** Where an Indexed Job says which part a pod is. */
export const partVariable = 'JOB_COMPLETION_INDEX';
/** Of a campaign. */
export const partsMax = 100_000;
/** As shells have it: 128 and the number of SIGINT. */
const interruptedCode = 130;
/** Of a failure's message, what is printed at once. */
const messageLinesMax = 6;
/** Without a terminal, a line each so many seeds. */
const plainEvery = 100;

export function swarmCommand(): Command {
  return drawFlags(new Command('swarm')
    .description('run many seeds, and count what fails by oracle')
    .requiredOption('--seeds <a..b>', 'which, both ends included', range)
    .option(...workersOption)
    .option('--keep-going', 'do not end at the first failure')
    .option('--save-failures <dir>', 'write an artefact for each failure: DIR/seed-N.json'))
    .option('--marks', 'count rare states, and fail if one of them was never reached')
    .option('--parts <n>', 'run only one of N equal parts of the seeds', integer(1, partsMax))
    .option('--part <k>', `which one, from 0 (default: $${partVariable})`, part)
    .action(swarm);
}

function part(text: string): number {
  const n = Number(text);
  if (text === '' || !Number.isInteger(n) || n < 0) throw new InvalidArgumentError('It must be 0 or more.');
  return n;
}

export async function swarm(flags: SwarmFlags): Promise<void> {
  const startedMs = performance.now();
  const [from, to] = partOf(flags, process.env[partVariable]);
  const progress = createProgressLine();
  const origin = provenance(), launch = await launchWith(flags.mutant ?? null);
  const interruption = new AbortController();
  // What was counted by then is worth knowing.
  process.once('SIGINT', () => interruption.abort());
  const result = await runSwarm({
    seeds: seedsBetween(from, to), of: to - from + 1, workers: flags.workers,
    keepGoing: flags.keepGoing === true, canary: flags.canary ?? null, draw: (seed) => draw(seed, flags),
    startWorker: () => startWorker({ launch }), signal: interruption.signal,
    onResult(each, sums) {
      if (each.failure !== null) {
        progress.print(failureText(each.seed, each.failure, flags));
        saveFailure(each, flags, origin, progress);
      }
      progress.show(...progressText(sums, performance.now() - startedMs));
    },
  });
  progress.end();
  console.log(sumsText(result, to - from + 1, performance.now() - startedMs));
  const missed = flags.marks === true ? neverReached(result.marks) : [];
  if (flags.marks === true) console.log(marksText(result.marks));
  const failed = result.failures.size > 0 || missed.length > 0;
  process.exitCode = failed ? 1 : interruption.signal.aborted ? interruptedCode : 0;
}

/** The seeds of this part; there may be none, where there are fewer seeds than parts. */
export function partOf(
  { seeds: [from, to], parts, part: chosen }: Pick<SwarmFlags, 'seeds' | 'parts' | 'part'>,
  variable: string | undefined,
): readonly [number, number] {
  if (parts === undefined) {
    if (chosen !== undefined) throw new BadInput('--part says which of --parts, which is missing');
    return [from, to];
  }
  const index = chosen ?? (variable === undefined || variable === '' ? NaN : Number(variable));
  if (!Number.isInteger(index) || index < 0 || index >= parts) {
    throw new BadInput(`--parts ${parts} needs --part, or ${partVariable} in the environment, `
      + `from 0 to ${parts - 1}; it is ${chosen ?? variable ?? 'not set'}`);
  }
  const count = to - from + 1, start = (k: number): number => from + Math.floor(count * k / parts);
  return [start(index), start(index + 1) - 1];
}

function* seedsBetween(from: number, to: number): Iterable<number> {
  for (let seed = from; seed <= to; seed += 1) yield seed;
}

function saveFailure(
  { seed, plan, outcome, failure }: SeedResult, { saveFailures, canary, mutant }: SwarmFlags,
  origin: Provenance, progress: ProgressLine,
): void {
  if (saveFailures === undefined || failure === null) return;
  const file = join(saveFailures, `seed-${seed}.json`);
  // Of a run whose worker was lost, the plan is all there is.
  writeArtefact(file, {
    plan, canary: canary ?? null, mutant: mutant ?? null, violation: outcome?.violation ?? null,
    hash: outcome?.hash ?? '',
  }, origin);
  progress.print(`  saved: ${file}`);
}

function failureText(seed: number, { by, message, atMs }: Failure, flags: DrawFlags): string {
  const at = atMs === null ? '' : ` at ${(atMs / 1000).toFixed(3)} s`;
  const lines = message.split('\n').slice(0, messageLinesMax);
  return `seed ${seed}: ${by}${at}: ${lines.join('\n')}\n`
    + `  again: sim run --seed ${seed} ${drawText(flags)} --trace`;
}

function progressText(
  { done, of, failed, simulatedMs }: Progress, elapsedMs: number,
): [string, string | null] {
  const line = `${done} of ${of} seeds, ${failed} failed`;
  const speed = Math.round(simulatedMs / Math.max(1, elapsedMs));
  const left = durationText(elapsedMs / done * (of - done));
  return [`${bar(done, of)} ${line} · ${speed}× · ${left} left`, done % plainEvery === 0 ? line : null];
}

const allMarks = Object.keys(marks).sort() as MarkName[];

export const neverReached = (counts: MarkCounts): MarkName[] =>
  allMarks.filter((name) => (counts[name] ?? 0) === 0);

/** How often each rare state was reached, those that never were last, with what they are. */
export function marksText(counts: MarkCounts): string {
  const missed = neverReached(counts), reached = allMarks.filter((name) => !missed.includes(name));
  return [
    `${reached.length} of ${allMarks.length} marks reached`,
    ...reached.map((name) => `${String(counts[name]).padStart(9)}  ${name}`),
    ...missed.map((name) => `    never  ${name}: ${marks[name]}`),
  ].join('\n');
}

export function sumsText(
  { done, failures, simulatedMs, events, undecided, lost }: Omit<SwarmResult, 'marks'>, of: number,
  elapsedMs: number,
): string {
  const failed = [...failures.values()].reduce((sum, seeds) => sum + seeds.length, 0);
  const speed = Math.round(simulatedMs / Math.max(1, elapsedMs));
  return [
    ...lost ? [`the last ${lossesInRowMax} seeds and more had no outcome: the swarm ended`] : [],
    ...[...failures].sort(([a], [b]) => (a < b ? -1 : 1)).map(([oracle, seeds]) =>
      `${oracle}: ${seeds.length}, seeds ${seeds.join(' ')}`),
    `${done}${done < of ? ` of ${of}` : ''} seeds, ${failed} failed, `
    + `${Math.round(simulatedMs / 60_000)} minutes simulated in ${durationText(elapsedMs)} `
    + `(${speed}× real time), ${events} events`,
    ...undecided > 0 ? [`${undecided} histories of clients were too long to judge by their order`] : [],
  ].join('\n');
}
