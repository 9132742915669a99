// Pods that nobody will ever report on again are removed from the state: those of a Node that is gone, those
// that are to be deleted and were never placed, and ended ones beyond a bound, the oldest first.
// Source: Kubernetes, "Pod Lifecycle: Garbage collection of Pods", and pkg/controller/podgc.

import { deleteOp, keyOf, resources, updateOp } from '../../cluster/api/objects.ts';
import { parseTime, rfc3339 } from '../../cluster/api/time.ts';
import type { Pod } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list, podsOnNode } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change } from '../../cluster/state/types.ts';
import { nothing } from '../controllers/controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from '../controllers/controller.ts';
import { isEnded, isTerminating, withCondition } from '../controllers/pod-state.ts';

const endedKey = 'pods/ended';

export const podCollectionController: ControllerDefinition = {
  name: 'pod-collection',
  component: 'pod-garbage-collector',
  keysOf: concerned,
  allKeys: (state) => [
    endedKey,
    ...list<Pod>(state, resources.pods).map((pod) => keyOf(resources.pods, pod)),
  ],
  reconcile: collectPod,
};

const isPlaced = (pod: Pod): boolean => (pod.spec.nodeName ?? '') !== '';

function concerned(state: State, { type, key, object }: Change): readonly string[] {
  const { resource, name } = splitKey(key);
  if (resource === resources.pods && type !== 'DELETED') return [key];
  const gone = resource === resources.nodes && type === 'DELETED';
  return gone ? podsOnNode(state, name || object.metadata.name).map((pod) => keyOf(resources.pods, pod)) : [];
}

export function collectPod(state: State, key: string, context: ReconcileContext): Reconciliation {
  if (key === endedKey) return collectEnded(state);
  const pod = get<Pod>(state, key as ObjectKey);
  if (pod === null) return nothing;
  if (!isPlaced(pod)) return isTerminating(pod) ? remove(pod) : nothing;
  if (get(state, objectKey(resources.nodes, '', pod.spec.nodeName ?? '')) !== null) return nothing;
  return isEnded(pod) ? remove(pod) : { steps: [{ ops: orphanOps(pod, context) }] };
}

/** With finalizers it stays, marked as failed, until they are served. */
function orphanOps(pod: Pod, { nowWallMs }: ReconcileContext): ReturnType<typeof deleteOp>[] {
  if ((pod.metadata.finalizers?.length ?? 0) === 0) return [deleteOp(resources.pods, pod)];
  const now = rfc3339(nowWallMs);
  const conditions = withCondition(
    pod.status?.conditions,
    {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message: 'PodGC: node no longer exists',
    },
    now,
  );
  const metadata = { ...pod.metadata, deletionTimestamp: now, deletionGracePeriodSeconds: 0 };
  return [
    updateOp(resources.pods, pod, {
      ...pod,
      metadata,
      status: { ...pod.status, phase: 'Failed' as const, conditions },
    }),
  ];
}

function remove(pod: Pod): Reconciliation {
  return (pod.metadata.finalizers?.length ?? 0) > 0
    ? nothing
    : { steps: [{ ops: [deleteOp(resources.pods, pod)] }] };
}

function collectEnded(state: State): Reconciliation {
  const ended = list<Pod>(state, resources.pods).filter((pod) => isEnded(pod) && !isTerminating(pod)
    && (pod.metadata.finalizers?.length ?? 0) === 0);
  const surplus = ended.length - limits.terminatedPodsMax;
  if (surplus <= 0) return { steps: [], requeueAfterMs: limits.podCollectionIntervalMs };
  const created = (pod: Pod): number => parseTime(pod.metadata.creationTimestamp) ?? 0;
  const oldest = [...ended].sort(
    (a, b) => created(a) - created(b) || (a.metadata.name < b.metadata.name ? -1 : 1),
  );
  const some = oldest.slice(0, Math.min(surplus, limits.collectedPerCommand));
  return { steps: [{ ops: some.map((pod) => deleteOp(resources.pods, pod)) }] };
}
