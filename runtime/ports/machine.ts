// What this whole machine uses: CPU time since it started, and the memory that is not to be had back at once.
// Source: the kernel's documentation of /proc/stat and /proc/meminfo; elsewhere Node's own `os`.

import { readFileSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';
import type { UsageCounters } from '../../cluster/usage.ts';

/** The kernel tells times in hundredths of a second, whatever its own tick is (USER_HZ). */
export const microsecondsPerTick = 10_000;

export function machineUsage(): UsageCounters {
  try {
    return { cpuUs: cpuTicks() * microsecondsPerTick, memoryBytes: memoryInUse() };
  } catch {
    const busyMs = cpus().reduce((sum, { times: { user, nice, sys, irq } }) =>
      sum + user + nice + sys + irq, 0);
    return { cpuUs: busyMs * 1000, memoryBytes: totalmem() - freemem() };
  }
}

/** user, nice, system, irq, softirq and steal; guests are counted in user and nice already. */
function cpuTicks(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const [user = 0, nice = 0, system = 0, _idle, _wait, irq = 0, softirq = 0, steal = 0] =
    line.trim().split(/\s+/).slice(1).map(Number);
  return user + nice + system + irq + softirq + steal;
}

function memoryInUse(): number {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN);
  const used = kilobytes('MemTotal') - kilobytes('MemAvailable');
  if (!Number.isFinite(used)) throw new Error('the kernel does not tell what memory is available');
  return used * 1024;
}
