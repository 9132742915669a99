// Oracles of what truly runs, judged from the simulated machines and not from what the API says.

import { objectKey } from '../../cluster/ids.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { Pod } from '../../cluster/api/types.ts';
import type { ContainerFact } from '../../cluster/ports.ts';
import { get } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Report } from './oracle.ts';

export interface ContainersOracle {
  started(machine: string, container: ContainerFact, state: State): void;
  /** It exited, or was removed, or vanished. */
  ended(machine: string, container: ContainerFact): void;
  /** Nobody can know any more that it ran: it may be started anew. */
  lost(container: ContainerFact): void;
  /** Containers alive now, by machine. */
  live(): readonly { readonly machine: string; readonly container: ContainerFact }[];
}

interface Live { readonly machine: string; readonly container: ContainerFact }

export function createContainersOracle(report: Report): ContainersOracle {
  /** `pod uid/container name` → where it lives. */
  const live = new Map<string, Live>();
  /** Pod uid → its machine and how many containers live there. */
  const pods = new Map<string, { readonly machine: string; count: number }>();
  /** Containers that have run to their end, and whose traces are still there. */
  const ran = new Map<string, string>();

  function end(machine: string, { id, pod, name }: ContainerFact): boolean {
    const key = `${pod.uid}/${name}`, found = live.get(key);
    if (found === undefined || found.container.id !== id || found.machine !== machine) return false;
    live.delete(key);
    const there = pods.get(pod.uid);
    if (there !== undefined && (there.count -= 1) === 0) pods.delete(pod.uid);
    return true;
  }

  return {
    started(machine, container, state) {
      const { pod, name, id } = container;
      const key = `${pod.uid}/${name}`, other = live.get(key);
      if (other !== undefined) {
        report('one-live-container', `${id} starts on ${machine} while ${other.container.id} lives on `
          + `${other.machine}`);
        return;
      }
      const home = pods.get(pod.uid);
      if (home !== undefined && home.machine !== machine) {
        report('pod-on-one-node',
          `${pod.namespace}/${pod.name} starts on ${machine} and lives on ${home.machine}`);
        return;
      }
      const earlier = ran.get(key), object = podOf(state, container);
      if (object?.status?.phase === 'Succeeded' || object?.status?.phase === 'Failed') {
        report('over-is-final', `${id} starts on ${machine}, and its pod is over: ${object.status.phase}`);
      }
      if (earlier !== undefined && object?.spec.restartPolicy === 'Never') {
        report('never-restarted',
          `${id} starts on ${machine} after ${earlier} ended, and its policy is Never`);
      }
      live.set(key, { machine, container });
      if (home === undefined) pods.set(pod.uid, { machine, count: 1 });
      else home.count += 1;
    },
    ended(machine, container) {
      if (end(machine, container)) ran.set(`${container.pod.uid}/${container.name}`, container.id);
    },
    lost(container) {
      ran.delete(`${container.pod.uid}/${container.name}`);
    },
    live: () => [...live.values()],
  };
}

function podOf(state: State, { pod }: ContainerFact): Pod | null {
  const object = get<Pod>(state, objectKey(resources.pods, pod.namespace, pod.name));
  return object?.metadata.uid === pod.uid ? object : null;
}
