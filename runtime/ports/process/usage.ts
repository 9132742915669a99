// What the programs of containers use, by /proc: for containers without control groups of their own. A
// program and all that it starts are of one session, which the program leads.
//
// What always holds: one look at each process of the machine tells of all containers.
// Source: proc(5), /proc/PID/stat.

import { readdirSync, readFileSync } from 'node:fs';
import type { UsageCounters } from '../../../cluster/usage.ts';
import { microsecondsPerTick } from '../machine.ts';

/** By the session's leader; sessions that nothing runs in are missing. */
export function usageOfSessions(leaders: ReadonlySet<number>): ReadonlyMap<number, UsageCounters> {
  const found = new Map<number, UsageCounters>();
  if (leaders.size === 0) return found;
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(name) : null;
    if (stat === null || !leaders.has(stat.session)) continue;
    const { cpuUs = 0, memoryBytes = 0 } = found.get(stat.session) ?? {};
    found.set(stat.session, { cpuUs: cpuUs + stat.cpuUs, memoryBytes: memoryBytes + stat.memoryBytes });
  }
  return found;
}

/** Nearly everywhere; it is but the figure of last resort. */
const pageBytes = 4_096;

function statOf(pid: string): (UsageCounters & { readonly session: number }) | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses itself. What follows begins with field 3.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): number => Number(fields[number - 3] ?? 0);
    // Its own time and that of children that it has waited for.
    const ticks = field(14) + field(15) + field(16) + field(17);
    return { session: field(6), cpuUs: ticks * microsecondsPerTick, memoryBytes: field(24) * pageBytes };
  } catch {
    return null;
  }
}
