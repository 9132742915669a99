// What a Deployment says of itself: counts and the conditions Available, Progressing and ReplicaFailure, with
// the reasons that `kubectl rollout status` and `kubectl wait` read.
// Source: Kubernetes, "Deployments: Deployment status", and pkg/controller/deployment/progress.go.

import type { Condition, Deployment, ReplicaSet } from '../../cluster/api/types.ts';
import { parseTime, rfc3339 } from '../../cluster/api/time.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { conditionOf } from './pod-state.ts';
import { boundsOf, replicasOf } from './rolling.ts';

export type DeploymentStatus = NonNullable<Deployment['status']>;

/** The API fills in 600; MaxInt32 means no deadline, as in Kubernetes. */
const noDeadlineSeconds = 2_147_483_647;

export function hasDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== noDeadlineSeconds;
}

/**
 * Counts and Available; every other condition stays as it was. Counts of zero are left out, as in
 * Kubernetes.
 */
export function countedStatus(
  deployment: Deployment, sets: readonly ReplicaSet[], newSet: ReplicaSet | null, nowWallMs: number,
): DeploymentStatus {
  const sum = (of: (status: NonNullable<ReplicaSet['status']>) => number | undefined): number =>
    sets.reduce((total, { status }) => total + (status === undefined ? 0 : of(status) ?? 0), 0);
  const replicas = sum((status) => status.replicas), available = sum((status) => status.availableReplicas);
  const counts = {
    replicas,
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum((status) => status.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, replicas - available),
    collisionCount: deployment.status?.collisionCount ?? 0,
  };
  const shown: Record<string, number> = {};
  for (const [name, count] of Object.entries(counts)) if (count > 0) shown[name] = count;
  const enough = available >= replicasOf(deployment) - boundsOf(deployment).maxUnavailable;
  const condition: Condition = enough
    ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.' }
    : { type: 'Available', status: 'False', reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.' };
  return {
    observedGeneration: deployment.metadata.generation ?? 0, ...shown,
    conditions: withStamped(deployment.status?.conditions, condition, nowWallMs),
  };
}

/**
 * Kubernetes' SetDeploymentCondition: a new reason moves it to the end; lastTransitionTime follows the
 * status.
 */
export function withStamped(
  conditions: readonly Condition[] | undefined, next: Condition, nowWallMs: number,
): readonly Condition[] {
  const now = rfc3339(nowWallMs);
  const known = conditionOf(conditions, next.type);
  if (known !== null && known.status === next.status && known.reason === next.reason) return conditions ?? [];
  const lastTransitionTime =
    known !== null && known.status === next.status ? (known.lastTransitionTime ?? now) : now;
  return [...without(conditions, next.type), { ...next, lastUpdateTime: now, lastTransitionTime }];
}

export function without(conditions: readonly Condition[] | undefined, type: string): readonly Condition[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment);
  return (status.updatedReplicas ?? 0) === wanted && (status.replicas ?? 0) === wanted
    && (status.availableReplicas ?? 0) === wanted
    && (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0);
}

function isProgressing(deployment: Deployment, next: DeploymentStatus): boolean {
  const last: DeploymentStatus = deployment.status ?? {};
  const old = (status: DeploymentStatus): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (next.updatedReplicas ?? 0) > (last.updatedReplicas ?? 0) || old(next) < old(last)
    || (next.readyReplicas ?? 0) > (last.readyReplicas ?? 0)
    || (next.availableReplicas ?? 0) > (last.availableReplicas ?? 0);
}

/** Milliseconds until the rollout has stood still for too long; null where that can't happen. */
export function deadlineInMs(
  deployment: Deployment,
  status: DeploymentStatus,
  nowWallMs: number,
): number | null {
  if (!hasDeadline(deployment)) return null;
  const condition = conditionOf(status.conditions, 'Progressing');
  if (condition === null || condition.reason === 'NewReplicaSetAvailable') return null;
  if (condition.reason === 'ProgressDeadlineExceeded' || isComplete(deployment, status)) return null;
  const since = parseTime(condition.lastUpdateTime);
  if (since === null) return null;
  return Math.max(0, since + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000 - nowWallMs);
}

/** The status during a rollout: counts, Available, how it progresses, and whether pods can't be made. */
export function rolloutStatus(
  deployment: Deployment, sets: readonly ReplicaSet[], newSet: ReplicaSet | null, nowWallMs: number,
): DeploymentStatus {
  const counted = countedStatus(deployment, sets, newSet, nowWallMs);
  const failure = sets.flatMap((set) => set.status?.conditions ?? [])
    .find((condition) => condition.type === 'ReplicaFailure' && condition.status === 'True');
  const { type, status, reason, message } = failure ?? { type: '', status: 'Unknown' };
  const conditions =
    failure === undefined
      ? without(progressed(deployment, counted, newSet, nowWallMs), 'ReplicaFailure')
      : withStamped(
          progressed(deployment, counted, newSet, nowWallMs),
          {
            type,
            status,
            ...(reason === undefined ? {} : { reason }),
            ...(message === undefined ? {} : { message }),
          },
          nowWallMs,
        );
  return { ...counted, conditions };
}

function progressed(
  deployment: Deployment, next: DeploymentStatus, newSet: ReplicaSet | null, nowWallMs: number,
): readonly Condition[] {
  const conditions = next.conditions ?? [];
  if (!hasDeadline(deployment)) return without(conditions, 'Progressing');
  const current = conditionOf(conditions, 'Progressing');
  const over =
    (next.replicas ?? 0) === (next.updatedReplicas ?? 0) && current?.reason === 'NewReplicaSetAvailable';
  if (over) return conditions;
  const subject = newSet === null
    ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${newSet.metadata.name}"`;
  if (isComplete(deployment, next)) {
    return withStamped(conditions, { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable',
      message: `${subject} has successfully progressed.` }, nowWallMs);
  }
  if (isProgressing(deployment, next)) {
    // Each step forward renews lastUpdateTime, from which the deadline counts.
    const stamped = withStamped(without(conditions, 'Progressing'), { type: 'Progressing', status: 'True',
      reason: 'ReplicaSetUpdated', message: `${subject} is progressing.` }, nowWallMs);
    const kept = current?.status === 'True' ? current.lastTransitionTime : undefined;
    if (kept === undefined) return stamped;
    return stamped.map((one) => (one.type === 'Progressing' ? { ...one, lastTransitionTime: kept } : one));
  }
  if (deadlineInMs(deployment, next, nowWallMs) === 0) {
    return withStamped(conditions, { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded',
      message: `${subject} has timed out progressing.` }, nowWallMs);
  }
  return conditions;
}

/** The Deployment with this status, or null where it says the same already. */
export function withStatus(deployment: Deployment, status: DeploymentStatus): Deployment | null {
  return sameContent(deployment.status ?? {}, status) ? null : { ...deployment, status };
}
