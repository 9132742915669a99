// Processes of this machine, told apart for good: a pid is given out again, a pid with its start time and the
// machine's boot is not.

import { readFileSync } from 'node:fs';

export interface ProcessIdentity { readonly pid: number; readonly start: string }

/** One per boot of the machine; empty where the kernel does not say. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** Is this very process there, and not merely waiting to be collected by its parent? */
export function isAlive({ pid, start }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  return stat !== null && stat.start === start && stat.state !== 'Z' && stat.state !== 'X';
}

/** This process; its start time is empty where the kernel does not say. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, start: statOf(process.pid)?.start ?? '' };
}

/** The session that a process is of; null: it is gone, or waits to be collected. */
export function sessionOf(pid: number): number | null {
  const stat = statOf(pid);
  return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : stat.session;
}

interface Stat { readonly state: string; readonly start: string; readonly session: number }

function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses itself.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', start: fields[19] ?? '', session: Number(fields[3]) };
  } catch {
    return null;
  }
}

/** Signals the group that the process leads, or, before it leads one, the process. */
export function signalGroup(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (!isAlive(identity)) return;
  if (!send(-identity.pid, signal)) send(identity.pid, signal);
}

/** False where there is nothing to signal any more. */
export function send(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
