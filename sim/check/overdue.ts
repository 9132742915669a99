// Oracles of what runs too long, judged from the simulated Docker: a container of a pod that the peer on its
// machine knows to be deleted, over, or unknown must end within its grace, as long as nothing keeps the peer
// from seeing to it. A fault on the machine starts the time anew: so this speaks during the chaos too.

import { resources } from '../../cluster/api/objects.ts';
import type { Pod } from '../../cluster/api/types.ts';
import { objectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Fault } from '../faults.ts';
import type { ContainersOracle } from './containers.ts';
import type { Report } from './oracle.ts';

/** A machine whose peer runs and is caught up. */
export interface Tended { readonly name: string; readonly number: number; readonly state: State }

export interface OverdueOracle {
  /** To be called now and then, with the machines whose peer could act. */
  look(machines: readonly Tended[]): void;
}

/** A call to the runtime that failed is made again after up to this long. */
const settleMs = limits.runtimeRetryMsMax + 5_000;
/** The kubelet hears of a deletion, stops the container, waits for the runtime. */
const lateMsMax = 8_000;
/** What no pod owns is found by the next list of the machine. */
const unknownMsMax = 2 * limits.relistIntervalMs + 8_000;

interface Due { readonly sinceMs: number; readonly why: string; readonly withinMs: number }

export function createOverdueOracle(
  report: Report, containers: Pick<ContainersOracle, 'live'>, faults: readonly Fault[], nowMs: () => number,
): OverdueOracle {
  const due = new Map<string, Due>();

  /** The last time that something kept this machine, or everybody, from doing its work. */
  function disturbed(number: number): boolean {
    const now = nowMs();
    return faults.some((fault) => fault.atMs <= now && now < fault.atMs + fault.forMs + settleMs
      && ('peer' in fault ? fault.peer === number : 'peers' in fault ? fault.peers.includes(number) : false));
  }

  return {
    look(machines) {
      const now = nowMs(), tended = new Map(machines.map((each) => [each.name, each]));
      const seen = new Set<string>();
      for (const { machine, container } of containers.live()) {
        const home = tended.get(machine);
        if (home === undefined) continue;
        const late = lateness(home.state, home.name, container.pod);
        if (late === null || disturbed(home.number)) continue;
        const id = `${machine}/${container.id}`, known = due.get(id);
        seen.add(id);
        if (known === undefined || known.why !== late.why) due.set(id, { sinceMs: now, ...late });
        else if (now - known.sinceMs > Math.min(known.withinMs, late.withinMs)) {
          const { namespace, name } = container.pod, seconds = Math.round((now - known.sinceMs) / 1_000);
          report(late.why === 'unknown' ? 'no-orphans' : 'grace-is-kept',
            `container ${container.id} of ${namespace}/${name}, which ${says[late.why]}, lives on ${machine} `
            + `${seconds} s after`);
        }
      }
      for (const id of due.keys()) if (!seen.has(id)) due.delete(id);
    },
  };
}

const says = { deleted: 'is to go', over: 'is over', unknown: 'nobody knows there' } as const;

/** Why this container has to end, and within which time from when that is known. */
function lateness(
  state: State, node: string, { namespace, name, uid }: { namespace: string; name: string; uid: string },
): { readonly why: keyof typeof says; readonly withinMs: number } | null {
  const pod = get<Pod>(state, objectKey(resources.pods, namespace, name));
  if (pod === null || pod.metadata.uid !== uid || pod.spec.nodeName !== node) {
    return { why: 'unknown', withinMs: unknownMsMax };
  }
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
  if (deletionTimestamp !== undefined) {
    return { why: 'deleted', withinMs: deletionGracePeriodSeconds * 1_000 + lateMsMax };
  }
  const isOver = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  const graceMs = (pod.spec.terminationGracePeriodSeconds ?? 30) * 1_000;
  return isOver ? { why: 'over', withinMs: graceMs + lateMsMax } : null;
}
