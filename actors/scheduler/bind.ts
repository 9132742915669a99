// What the scheduler writes: a pod's node, or why it has none.
// What always holds: a binding is refused if anything about the pod has changed since it was looked at.

import { resources, updateOp } from '../../cluster/api/objects.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import type { Condition, Pod } from '../../cluster/api/types.ts';
import type { Op } from '../../cluster/state/types.ts';
import { withCondition } from '../controllers/pod-state.ts';

export const schedulerName = 'default-scheduler';

/** Pods of another scheduler, bound ones and those on their way out are none of its business. */
export function isForScheduler({ metadata, spec, status }: Pod): boolean {
  const ours = (spec.schedulerName ?? '') === '' || spec.schedulerName === schedulerName;
  const over = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  return ours && !over && (spec.nodeName ?? '') === '' && metadata.deletionTimestamp === undefined;
}

export function bindOp(pod: Pod, node: string, nowWallMs: number): Op {
  const conditions = withPodScheduled(pod, { type: 'PodScheduled', status: 'True' }, nowWallMs);
  return updateOp(resources.pods, pod, {
    ...pod, spec: { ...pod.spec, nodeName: node }, status: { ...pod.status, conditions },
  });
}

/** Null where the pod says so already. */
export function unschedulableOp(pod: Pod, message: string, nowWallMs: number): Op | null {
  const conditions = withPodScheduled(pod, {
    type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message,
  }, nowWallMs);
  if (conditions === pod.status?.conditions) return null;
  return updateOp(resources.pods, pod, { ...pod, status: { ...pod.status, conditions } });
}

function withPodScheduled(pod: Pod, condition: Condition, nowWallMs: number): readonly Condition[] {
  return withCondition(pod.status?.conditions, condition, rfc3339(nowWallMs));
}
