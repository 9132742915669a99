// How much faster than the clock the simulator runs five peers under all faults: simulated over real time of
// some seeds, each in a process of its own, beside the limit that Shoal sets itself.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, median, printTable, ratio } from './figures.ts';

const seeds = [1, 2, 3, 4, 5] as const, peers = 5, minutes = 10, factorMin = 50;

export async function benchSim(): Promise<void> {
  const factors: number[] = [], events: number[] = [];
  for (const seed of seeds) {
    const said = await run(seed);
    const found = /([\d.]+) s simulated in ([\d.]+) s.*?(\d+) events/.exec(said);
    if (found === null) throw new Error(`the simulator ended without a verdict:\n${said.slice(-2_000)}`);
    factors.push(Number(found[1]) / Number(found[2]));
    events.push(Number(found[3]) / Number(found[2]));
  }
  printTable(`sim: ${peers} peers for ${minutes} minutes with all faults, ${seeds.length} seeds`,
    ['', 'median', 'min', 'max', `median of ${factorMin}×`], [
      ['simulated/real time', ...[median(factors), Math.min(...factors), Math.max(...factors)].map(count),
        ratio(median(factors), factorMin)],
      ['events/s', ...[median(events), Math.min(...events), Math.max(...events)].map(count), '-'],
    ]);
}

function run(seed: number): Promise<string> {
  const main = fileURLToPath(new URL('../sim/main.ts', import.meta.url));
  const flags = ['--seed', String(seed), '--peers', String(peers), '--minutes', String(minutes)];
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...flags]);
    let said = '';
    child.stdout.on('data', (data: Buffer) => { said += data.toString(); });
    child.stderr.on('data', (data: Buffer) => { said += data.toString(); });
    child.on('error', fail);
    child.on('close', () => done(said));
  });
}
