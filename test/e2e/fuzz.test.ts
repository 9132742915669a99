// A short campaign of hostile requests against a peer's process, at every run of the tests; `npm run
// fuzz:api` has the long one.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterTests } from './cluster.ts';
import { campaign } from './fuzz.ts';
import { shown } from './fuzz-report.ts';

const on = clusterTests(test, { peers: 1, runtime: 'process' });
const requests = 4_000, seed = 20261124;

on(`${requests} hostile requests: each is answered, and nothing that is stored changes`, async (cluster) => {
  const report = await campaign(cluster.peer(1), { seed, requests });
  for (const line of shown(report)) console.log(`FIGURE hostile requests: ${line}`);
  for (const status of ['200', '400', '401', '403', '404', '405', '409', '413', '415', '422']) {
    assert.ok((report.statuses.get(status) ?? 0) > 0, `some ${status}`);
  }
});

test.run();
