// `npm run bench [name…]`: what Shoal does, in figures, beside what it is measured against, in the same run.
// Nothing is asserted about time. The parts of a benchmark that need a process of their own are this program
// again, with `--role`.

import { benchApi } from './api.ts';
import { benchDisk } from './disk.ts';
import { benchFailover } from './failover.ts';
import { benchIdle } from './idle.ts';
import { load } from './load.ts';
import { benchLog } from './log.ts';
import { member } from './member.ts';
import { benchSim } from './sim.ts';
import { benchStates } from './states.ts';

const benchmarks: Readonly<Record<string, () => Promise<unknown>>> = {
  disk: benchDisk,
  log: benchLog,
  api: benchApi,
  states: benchStates,
  failover: benchFailover,
  idle: benchIdle,
  sim: benchSim,
};

const roles: Readonly<Record<string, () => void>> = { load, member };

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !Object.hasOwn(benchmarks, name));
  if (unknown !== undefined) {
    console.error(`no benchmark is named "${unknown}"; there are: ${Object.keys(benchmarks).join(', ')}`);
    process.exitCode = 2;
    return;
  }
  for (const [name, run] of Object.entries(benchmarks)) {
    if (names.length === 0 || names.includes(name)) await run();
  }
}

const [first = '', role = ''] = process.argv.slice(2);
if (first === '--role') {
  // However the benchmark ends, its parts end with it.
  process.on('disconnect', () => process.exit());
  roles[role]?.();
}
else await main(process.argv.slice(2));
