// DIR/pid: which process runs the peer of a directory. What always holds: a pid that was given out again to
// something else is not taken for a peer.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Its pid; null where none runs. */
export function runningPeer(dir: string): number | null {
  const path = join(dir, 'pid');
  if (!existsSync(path)) return null;
  const pid = Number(readFileSync(path, 'utf8'));
  return Number.isInteger(pid) && pid > 0 && isPeer(pid) ? pid : null;
}

function isPeer(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPERM') return false;
  }
  try {
    return !existsSync('/proc/self') || readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('shoal');
  } catch {
    return false;
  }
}
