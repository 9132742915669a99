// What a campaign of hostile requests must leave behind: no memory and no handles, and its figures.

import * as assert from 'uvu/assert';
import type { CampaignReport } from './fuzz.ts';

/** What a process may hold more at the end than after a tenth: buffers and code that it keeps. */
const memoryMoreMB = 250, handlesMore = 24;

/** The figures, once it is sure that nothing leaked. */
export function shown(report: CampaignReport): string[] {
  const { statuses, seconds, memoryMB, handles, slowestMs } = report;
  assert.ok(memoryMB[1] - memoryMB[0] < memoryMoreMB, `memory: ${memoryMB.join(' MB, then ')} MB`);
  assert.ok(handles[1] - handles[0] < handlesMore, `handles: ${handles.join(', then ')}`);
  const counts = [...statuses].sort(([a], [b]) => (a < b ? -1 : 1));
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return [
    `${total} in ${Math.round(seconds)} s, the slowest ${Math.round(slowestMs)} ms`,
    counts.map(([status, count]) => `${status}: ${count}`).join(', '),
    `memory ${memoryMB.join(' MB, then ')} MB; handles ${handles.join(', then ')}`,
  ];
}
