// What the containers use, by the engine's own word: one reading of each that runs, without the second that
// the engine would wait for to tell a rate itself.
//
// What always holds: a container that goes away meanwhile is left out; few are asked for at once.
// Source: Docker Engine API, "Get container stats based on resource usage" (`one-shot`).

import type Dockerode from 'dockerode';
import type { RuntimeUsage } from '../../../cluster/usage.ts';
import { machineUsage } from '../machine.ts';
import { label } from './facts.ts';

/** Readings under way at once. */
const readingsMax = 8;

type Counted = RuntimeUsage['containers'][number];

export async function dockerUsage(docker: Dockerode, owner: string): Promise<RuntimeUsage> {
  const running = await docker.listContainers({
    filters: { label: [`${label.owner}=${owner}`, `${label.kind}=container`], status: ['running'] },
  });
  const waiting = running.map(({ Id }) => Id), containers: Counted[] = [];
  async function work(): Promise<void> {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const counted = await reading(docker, id);
      if (counted !== null) containers.push(counted);
    }
  }
  await Promise.all(Array.from({ length: readingsMax }, work));
  return { machine: machineUsage(), containers };
}

interface Stats {
  readonly cpu_stats?: { readonly cpu_usage?: { readonly total_usage?: number } };
  readonly memory_stats?: { readonly usage?: number; readonly stats?: Readonly<Record<string, number>> };
}

/** Null where it runs no more, or the engine can't tell. */
async function reading(docker: Dockerode, id: string): Promise<Counted | null> {
  try {
    const stats = await docker.getContainer(id).stats({ stream: false, 'one-shot': true }) as Stats;
    const cpuNs = stats.cpu_stats?.cpu_usage?.total_usage, bytes = stats.memory_stats?.usage;
    if (cpuNs === undefined || bytes === undefined) return null;
    // Control groups of version 1 and of version 2.
    const files = stats.memory_stats?.stats ?? {};
    const inactive = files['total_inactive_file'] ?? files['inactive_file'] ?? 0;
    return { id, cpuUs: Math.floor(cpuNs / 1000), memoryBytes: Math.max(0, bytes - inactive) };
  } catch {
    return null;
  }
}
