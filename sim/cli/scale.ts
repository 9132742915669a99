// `sim scale`: a large cluster, its pods, and the death of its leader and a share of its machines, with what
// each took in simulated and in real time.

import { Command } from 'commander';
import { runScale } from '../scale.ts';
import type { ScalePhase } from '../scale.ts';
import { integer, seed } from './options.ts';

interface ScaleFlags {
  readonly seed: number; readonly peers: number; readonly pods: number; readonly oneInDies: number;
}

/** As many as a cluster may have. */
const peersMax = 1_000, podsMax = 30_000;

export function scaleCommand(): Command {
  return new Command('scale')
    .description('run a large cluster: how long pods take to run, and to run again after failures')
    .option('--seed <n>', 'which run', seed, 1)
    .option('--peers <n>', 'how many machines', integer(3, peersMax), 1_000)
    .option('--pods <n>', 'how many pods', integer(1, podsMax), 10_000)
    .option('--one-in-dies <n>', 'besides the leader, one machine in so many dies', integer(2, peersMax), 50)
    .action(scale);
}

function scale(flags: ScaleFlags): void {
  const startedMs = performance.now();
  const world = runScale({
    ...flags, nowMs: () => performance.now(), onPhase: (phase) => console.log(phaseText(phase)),
  });
  const realMs = performance.now() - startedMs, violation = world.violation();
  if (violation !== null) {
    console.log(`FAIL  ${violation.oracle} at ${seconds(violation.atMs)}: ${violation.message}`);
    process.exitCode = 1;
  }
  const { rss } = process.memoryUsage();
  console.log(`${seconds(world.heap.nowMs())} simulated in ${seconds(realMs)} `
    + `(${(world.heap.nowMs() / realMs).toFixed(1)}× real time), ${world.events()} events, `
    + `${Math.round(world.events() / realMs * 1_000)} a second, ${Math.round(rss / 2 ** 20)} MB`);
}

function phaseText({ name, simulatedMs, realMs, events, entries }: ScalePhase): string {
  return `${name}: ${seconds(simulatedMs)} simulated in ${seconds(realMs)} `
    + `(${(simulatedMs / realMs).toFixed(1)}×), ${events} events, ${entries} entries`;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 100_000 ? 1 : 0)} s`;
