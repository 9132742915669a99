// Oracles of what must happen before something goes, and of what must not begin again: nothing is left in a
// namespace that goes, no dependent of an owner that was to go after them, and no container is made for a pod
// whose end is written down.

import { objectKey, splitKey } from '../../cluster/ids.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { Pod } from '../../cluster/api/types.ts';
import type { RuntimeCall } from '../../cluster/ports.ts';
import { dependents, get, objectsInNamespace } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change } from '../../cluster/state/types.ts';
import type { Report } from './oracle.ts';

export interface CleanupOracle {
  /** `state`: as it is after all changes of the command. */
  applied(state: State, changes: readonly Change[]): void;
  /** A kubelet calls its runtime; `state`: as this very kubelet knows it. */
  called(machine: string, call: RuntimeCall, state: State): void;
}

const foreground = 'foregroundDeletion';

export function createCleanupOracle(report: Report): CleanupOracle {
  function checkGone(state: State, { key, object, previous, revision }: Change): void {
    const { resource, name } = splitKey(key), { uid } = object.metadata;
    if (resource === resources.namespaces) {
      const [left] = objectsInNamespace(state, name);
      if (left === undefined) return;
      report('clean-up-first', `namespace ${name} goes at ${revision} with ${left.key} in it`);
    }
    if (previous?.metadata.finalizers?.includes(foreground) !== true) return;
    const blocking = dependents(state, uid).find((each) => each.object.metadata.ownerReferences
      ?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true));
    if (blocking === undefined) return;
    report('clean-up-first', `${key} goes at ${revision}, in the foreground, before ${blocking.key}`);
  }

  return {
    applied(state, changes) {
      for (const change of changes) if (change.type === 'DELETED') checkGone(state, change);
    },
    called(machine, call, state) {
      if (call.call !== 'create-container') return;
      const { pod, name } = call.container;
      const stored = get<Pod>(state, objectKey(resources.pods, pod.namespace, pod.name));
      const phase = stored?.status?.phase;
      if (stored?.metadata.uid !== pod.uid || (phase !== 'Succeeded' && phase !== 'Failed')) return;
      report('ended-stays-ended',
        `${machine} makes container ${name} of ${pod.namespace}/${pod.name}, which has ${phase}`);
    },
  };
}
