// `npm run fuzz:api -- [--seed N] [--requests N]`: hostile requests against a peer's process, 100,000 unless
// told otherwise. Ends with 1 where something does not hold, and says which request; the seed brings it back.

import { parseArgs } from 'node:util';
import { startCluster } from './cluster.ts';
import { campaign } from './fuzz.ts';
import { shown } from './fuzz-report.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    requests: { type: 'string', default: '100000' },
  },
});
const seed = Number(values.seed), requests = Number(values.requests);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(requests) || requests < 1) {
  console.error('--seed and --requests are whole numbers');
  process.exit(2);
}

const progress = (done: number): void => {
  if (done % 20_000 === 0) console.log(`${done} sent`);
};
console.log(`seed ${seed}, ${requests} requests`);
const cluster = await startCluster({ peers: 1, runtime: 'process' });
try {
  for (const line of shown(await campaign(cluster.peer(1), { seed, requests, progress }))) console.log(line);
} catch (error) {
  console.error(`seed ${seed}:`, error);
  console.error(cluster.peer(1).log());
  process.exitCode = 1;
} finally {
  await cluster.close();
}
