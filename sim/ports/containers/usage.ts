// What simulated programs use: as much as their environment says, from their start on, all the time. The
// machine uses that and a little for itself.

import type { RuntimeUsage } from '../../../cluster/usage.ts';
import type { SimContainer } from './host.ts';

/** The machine's own: thousandths of a core, and bytes. */
const ownCpuMilli = 50, ownMemoryBytes = 256 * 1024 * 1024;

export function usageOf(running: readonly SimContainer[], nowMs: number): RuntimeUsage {
  const containers = running.map(({ id, startedAtMs, behaviour }) => ({
    id, cpuUs: Math.max(0, nowMs - startedAtMs) * behaviour.cpuMilli, memoryBytes: behaviour.memoryBytes,
  }));
  // Whole microseconds: a millisecond has as many of them as a core has thousandths.
  const cpuUs = containers.reduce((sum, each) => sum + each.cpuUs, nowMs * ownCpuMilli);
  const memoryBytes = containers.reduce((sum, each) => sum + each.memoryBytes, ownMemoryBytes);
  return { machine: { cpuUs, memoryBytes }, containers };
}
