// The simulator's command: `npm run sim -- --seed N`, or a swarm of seeds with `--seeds A..B`.
// It prints the drawn faults first, then the verdict; the exit code is 1 if an oracle had something to say.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { canaries, isCanary } from './canary.ts';
import type { Canary } from './canary.ts';
import { drawPlan, faultClasses } from './faults.ts';
import type { FaultClass, FaultPlan } from './faults.ts';
import { eventText, noteLine, notesText, planText, verdictText } from './report.ts';
import { runPlan } from './run.ts';
import { runSwarm, serveSwarm } from './swarm.ts';
import type { Progress, SeedResult } from './swarm.ts';

interface Flags {
  readonly seed: number;
  readonly peers: number;
  readonly minutes: number;
  readonly trace?: boolean;
  readonly plan?: string;
  readonly save?: string;
  readonly classes?: readonly FaultClass[];
  readonly canary?: Canary;
  readonly seeds?: readonly [number, number];
  readonly workers: number;
  readonly keepGoing?: boolean;
  readonly worker?: boolean;
}

const program = new Command('sim')
  .description('runs a whole Shoal cluster in a simulated world, with faults drawn from a seed')
  .option('--seed <n>', 'which run', integer(0, Number.MAX_SAFE_INTEGER), 1)
  .option('--peers <n>', 'how many peers', integer(1, 200), 5)
  .option('--minutes <n>', 'simulated minutes', positive, 10)
  .option('--trace', 'one line per event')
  .option('--plan <file>', 'run this plan instead of drawing one')
  .option('--save <file>', 'write the plan as JSON, to be edited and run again')
  .option('--classes <list>', `draw faults of these classes only: ${faultClasses.join(', ')}`, classes)
  .option('--canary <name>', `break something on purpose: ${Object.keys(canaries).join(', ')}`, canary)
  .option('--seeds <a..b>', 'run a swarm of seeds, both ends included', range)
  .option('--workers <n>', 'processes of a swarm', integer(1, 64), 1)
  .option('--keep-going', 'do not end a swarm at the first failure, count failures by oracle')
  .option('--worker', 'serve a swarm (used by the swarm itself)');

await main(program.parse().opts<Flags>());

async function main(flags: Flags): Promise<void> {
  if (flags.worker === true) return serveSwarm((seed) => runSeed(seed, flags));
  if (flags.seeds !== undefined) return swarm(flags.seeds, flags);
  const plan = flags.plan === undefined ? draw(flags.seed, flags) : readPlan(flags.plan);
  if (flags.save !== undefined) writeFileSync(flags.save, `${JSON.stringify(plan, null, 2)}\n`);
  console.log(planText(plan));
  const startedMs = performance.now();
  const traced = flags.trace === true ? {
    onEvent: (line: Parameters<typeof eventText>[0]) => console.log(eventText(line)),
    onNote: (note: Parameters<typeof noteLine>[0]) => console.log(noteLine(note)),
  } : {};
  const result = runPlan(plan, { canary: flags.canary ?? null, ...traced });
  if (result.violation !== null && flags.trace !== true) console.log(notesText(result, 40));
  console.log(verdictText(result, performance.now() - startedMs));
  process.exitCode = result.violation === null ? 0 : 1;
}

async function swarm([from, to]: readonly [number, number], flags: Flags): Promise<void> {
  const startedMs = performance.now();
  const result = await runSwarm(fileURLToPath(import.meta.url), {
    from, to, workers: flags.workers, keepGoing: flags.keepGoing === true, flags: flagsOf(flags),
    onResult: show,
  });
  const elapsedMs = performance.now() - startedMs;
  if (process.stdout.isTTY) console.log();
  for (const [oracle, seeds] of [...result.failures].sort()) {
    console.log(`${oracle}: ${seeds.length}, seeds ${seeds.join(' ')}`);
  }
  const failed = [...result.failures.values()].reduce((sum, seeds) => sum + seeds.length, 0);
  const speed = Math.round(result.simulatedMs / elapsedMs);
  const minutes = Math.round(result.simulatedMs / 60_000);
  console.log(`${result.done} seeds, ${failed} failed, ${minutes} minutes simulated in `
    + `${Math.round(elapsedMs / 1000)} s (${speed}× real time), ${result.events} events`);
  process.exitCode = failed > 0 ? 1 : 0;
}

/** On a terminal one line that moves on; else a line for each failure and each hundred seeds. */
function show({ seed, violation }: SeedResult, { done, of, failed }: Progress): void {
  const line = `${done} of ${of} seeds, ${failed} failed`;
  const clear = process.stdout.isTTY ? '\r\x1b[K' : '';
  if (violation !== null) {
    console.log(`${clear}seed ${seed}: ${violation.oracle} at ${(violation.atMs / 1000).toFixed(3)} s: `
      + violation.message.split('\n').slice(0, 6).join('\n'));
  }
  if (process.stdout.isTTY) process.stdout.write(`${clear}${line}`);
  else if (done % 100 === 0 || done === of) console.log(line);
}

function runSeed(seed: number, flags: Flags): SeedResult {
  const startedMs = performance.now();
  const canaryOrNone = flags.canary ?? null;
  const { violation, hash, simulatedMs, events } = runPlan(draw(seed, flags), { canary: canaryOrNone });
  return { seed, violation, hash, simulatedMs, events, elapsedMs: performance.now() - startedMs };
}

function draw(seed: number, { peers, minutes, classes: allowed }: Flags): FaultPlan {
  return drawPlan(seed, { peers, minutes, ...allowed === undefined ? {} : { classes: allowed } });
}

function flagsOf({ peers, minutes, classes: allowed, canary: name }: Flags): string[] {
  return [
    '--peers', String(peers), '--minutes', String(minutes),
    ...allowed === undefined ? [] : ['--classes', allowed.join()],
    ...name === undefined ? [] : ['--canary', name],
  ];
}

function readPlan(file: string): FaultPlan {
  const plan = JSON.parse(readFileSync(file, 'utf8')) as FaultPlan;
  if (plan.version !== 1 || !Array.isArray(plan.faults)) {
    throw new Error(`${file} is no fault plan of version 1`);
  }
  return plan;
}

function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < low || n > high) {
      throw new InvalidArgumentError(`an integer, ${low} to ${high}`);
    }
    return n;
  };
}

function positive(text: string): number {
  const n = Number(text);
  if (!(n > 0 && n <= 1_000)) throw new InvalidArgumentError('minutes, more than 0, at most 1000');
  return n;
}

function classes(text: string): FaultClass[] {
  const wanted = text.split(',').filter((word) => word !== '');
  const unknown = wanted.find((word) => !(faultClasses as readonly string[]).includes(word));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of them`);
  return wanted as FaultClass[];
}

function canary(text: string): Canary {
  if (!isCanary(text)) throw new InvalidArgumentError(`"${text}" is none of them`);
  return text;
}

function range(text: string): [number, number] {
  const [, a, b] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  const from = Number(a), to = Number(b);
  if (!(from <= to)) throw new InvalidArgumentError('two numbers with two dots between, as 1..1000');
  return [from, to];
}
