// Marks that a committed change of an object tells.

import { resources } from '../../cluster/api/objects.ts';
import type { Condition, Node, Pod } from '../../cluster/api/types.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { Change } from '../../cluster/state/types.ts';
import type { MarkName } from './names.ts';

/** Null for most. */
export function markOfChange({ type, key, object, previous }: Change): MarkName | null {
  switch (splitKey(key).resource) {
    case resources.pods: return type === 'MODIFIED' ? ofPod(object as Pod, previous as Pod) : null;
    case resources.nodes: return type === 'MODIFIED' ? ofNode(object as Node, previous as Node) : null;
    case resources.namespaces: return type === 'DELETED' ? 'namespace-emptied' : null;
    default: return null;
  }
}

function ofPod(pod: Pod, before: Pod): MarkName | null {
  if (pod.metadata.deletionTimestamp !== undefined && before.metadata.deletionTimestamp === undefined) {
    return has(pod, 'DisruptionTarget', 'DeletionByTaintManager') ? 'pod-evicted' : null;
  }
  if (pod.status === before.status) return null;
  if (pod.status?.phase === 'Failed' && before.status?.phase !== 'Failed') return 'pod-failed';
  if (has(pod, 'PodScheduled', 'Unschedulable') && !has(before, 'PodScheduled', 'Unschedulable')) {
    return 'no-node-fits';
  }
  const reason = waits(pod);
  if (reason === waits(before)) return null;
  if (reason === 'CrashLoopBackOff') return 'crash-loop-back-off';
  return reason === 'ImagePullBackOff' ? 'image-pull-back-off' : null;
}

function ofNode({ status }: Node, { status: before }: Node): MarkName | null {
  const now = ready(status?.conditions), was = ready(before?.conditions);
  if (now === was) return null;
  return now === 'Unknown' ? 'node-unreachable' : now === 'False' ? 'node-not-ready' : null;
}

const ready = (conditions: readonly Condition[] | undefined): string | undefined =>
  conditions?.find(({ type }) => type === 'Ready')?.status;

const has = ({ status }: Pod, type: string, reason: string): boolean =>
  status?.conditions?.some((each) => each.type === type && each.reason === reason) ?? false;

/** Why the first container that waits does. */
function waits({ status }: Pod): string | undefined {
  const all = [...status?.initContainerStatuses ?? [], ...status?.containerStatuses ?? []];
  return all.map(({ state }) => state?.waiting?.reason).find((reason) => reason?.endsWith('BackOff'));
}
