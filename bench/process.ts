// What a process takes of the machine, from /proc; null where there is none (not Linux).

import { readFileSync } from 'node:fs';

/** Of the kernel's clock ticks, which are hundredths of a second on every Linux that Node runs on. */
const tickMs = 10;

/** CPU time, of the program and of the kernel for it, since the process began. */
export function cpuMs(pid: number): number | null {
  const text = read(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The name before the last parenthesis may hold anything; user and system time are the 14th and 15th field.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

export function cpuMsOf(pids: readonly number[]): number | null {
  const all = pids.map(cpuMs);
  return all.includes(null) ? null : all.reduce<number>((sum, each) => sum + (each ?? 0), 0);
}

/** Resident memory. */
export function residentBytes(pid: number): number | null {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1_024;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
