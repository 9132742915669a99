// What controllers read from a pod: is it ready, available, still counting, and which is deleted first.
// Source: Kubernetes' pkg/api/v1/pod and the ReplicaSet documentation ("Scaling down").

import type { Condition, Pod } from '../../cluster/api/types.ts';
import { parseTime } from '../../cluster/api/time.ts';

export function conditionOf(
  conditions: readonly Condition[] | undefined, type: string,
): Condition | null {
  return conditions?.find((condition) => condition.type === type) ?? null;
}

export const isReady = (pod: Pod): boolean => conditionOf(pod.status?.conditions, 'Ready')?.status === 'True';

/** Succeeded or Failed: its containers will not run again. */
export function isEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;

/** Counts towards its owner's replicas. */
export const isActive = (pod: Pod): boolean => !isEnded(pod) && !isTerminating(pod);

/** Milliseconds until a pod has been ready for long enough; 0 if it has, null if it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowWallMs: number): number | null {
  if (!isReady(pod)) return null;
  if (minReadySeconds <= 0) return 0;
  const since = parseTime(conditionOf(pod.status?.conditions, 'Ready')?.lastTransitionTime);
  if (since === null) return null;
  return Math.max(0, since + minReadySeconds * 1000 - nowWallMs);
}

/**
 * The order in which surplus pods go: unassigned first, then pending, not ready, on a node with more of their
 * kind, ready for a shorter time, restarted more often, younger; the last tie is broken by name.
 */
export function deletionOrder(pods: readonly Pod[]): readonly Pod[] {
  const onNode = new Map<string, number>();
  for (const { spec } of pods) {
    if (spec.nodeName !== undefined) onNode.set(spec.nodeName, (onNode.get(spec.nodeName) ?? 0) + 1);
  }
  const rank = (pod: Pod): readonly (number | string)[] => [
    pod.spec.nodeName === undefined || pod.spec.nodeName === '' ? 0 : 1,
    phaseRank(pod),
    isReady(pod) ? 1 : 0,
    costOf(pod),
    -(onNode.get(pod.spec.nodeName ?? '') ?? 0),
    -readySinceMs(pod),
    -restartsOf(pod),
    -(parseTime(pod.metadata.creationTimestamp) ?? 0),
    pod.metadata.name,
  ];
  return pods.map((pod) => ({ pod, rank: rank(pod) }))
    .sort((a, b) => compareRanks(a.rank, b.rank))
    .map(({ pod }) => pod);
}

function compareRanks(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (let i = 0; i < a.length; i++) {
    const left = a[i] ?? 0, right = b[i] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

function phaseRank(pod: Pod): number {
  switch (pod.status?.phase) {
    case 'Running': return 2;
    case 'Unknown': return 1;
    default: return 0;
  }
}

/** `controller.kubernetes.io/pod-deletion-cost`: the cheaper goes first. */
function costOf(pod: Pod): number {
  const text = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? '0';
  return /^-?(0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : 0;
}

function readySinceMs(pod: Pod): number {
  if (!isReady(pod)) return 0;
  return parseTime(conditionOf(pod.status?.conditions, 'Ready')?.lastTransitionTime) ?? 0;
}

function restartsOf(pod: Pod): number {
  let most = 0;
  for (const { restartCount } of pod.status?.containerStatuses ?? []) most = Math.max(most, restartCount);
  return most;
}

/**
 * Replaces a condition, or appends it. Keeps `lastTransitionTime` where the status stays the same, and gives
 * back the very array it got where nothing changes.
 */
export function withCondition(
  conditions: readonly Condition[] | undefined, next: Condition, now: string,
): readonly Condition[] {
  const known = conditionOf(conditions, next.type);
  if (known === null || conditions === undefined) {
    return [...(conditions ?? []), { ...next, lastTransitionTime: now }];
  }
  if (known.status === next.status && known.reason === next.reason && known.message === next.message) {
    return conditions;
  }
  const lastTransitionTime = known.status === next.status ? known.lastTransitionTime ?? now : now;
  return conditions.map((condition) =>
    condition.type === next.type ? { ...next, lastTransitionTime } : condition,
  );
}
