// The Deployment controller: one ReplicaSet per revision of the template, grown and shrunk in steps.
// Source: Kubernetes, "Deployments", and pkg/controller/deployment.
//
// Each reconciliation takes one step and writes it as one command: the ReplicaSets that change together with
// what the Deployment says of it. What always holds: old and new pods are counted from the ReplicaSets'
// status, which only their own controller writes.

import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import {
  controllerOf, createOp, deleteOp, keyOf, newborn, ownerReference, resources, updateOp,
} from '../../cluster/api/objects.ts';
import { matchesSelector } from '../../cluster/api/selector.ts';
import type { Deployment, Pod, ReplicaSet } from '../../cluster/api/types.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { claim } from './claim.ts';
import type { ControllerDefinition, Note, ReconcileContext, Reconciliation } from './controller.ts';
import { nothing } from './controller.ts';
import {
  countedStatus, deadlineInMs, hasDeadline, isComplete, rolloutStatus, withStamped, withStatus,
} from './deployment-status.ts';
import type { DeploymentStatus } from './deployment-status.ts';
import {
  byAge, desiredAnnotation, findNewSet, hashLabel, maxAnnotation, maxRevision, newSetAnnotations,
  revisionAnnotation, revisionOf, setsToForget, templateHash, withHash,
} from './history.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { conditionOf } from './pod-state.ts';
import {
  activeOrLatest, boundsOf, growNew, isRolling, isSaturated, isScaled, newSetReplicas, proportional,
  replicasOf, shrinkOld,
} from './rolling.ts';
import type { Scale } from './rolling.ts';

export const deploymentController: ControllerDefinition = {
  name: 'deployment',
  component: 'deployment-controller',
  keysOf: deploymentsOf,
  allKeys: (state) =>
    list<Deployment>(state, resources.deployments).map((d) => keyOf(resources.deployments, d)),
  reconcile: reconcileDeployment,
};

/** One Deployment with its ReplicaSets, sorted into the current one and the others (oldest first). */
interface Rollout {
  readonly deployment: Deployment;
  readonly newSet: ReplicaSet | null;
  readonly oldSets: readonly ReplicaSet[];
  readonly all: readonly ReplicaSet[];
}

export function reconcileDeployment(state: State, key: string, context: ReconcileContext): Reconciliation {
  const deployment = get<Deployment>(state, key as ObjectKey);
  if (deployment === null) return nothing;
  const claimed = claim(
    deployment,
    deployment.spec.selector,
    setsNear(state, deployment),
    resources.replicaSets,
  );
  if (claimed.ops.length > 0) return { steps: [{ ops: claimed.ops }] };
  const sets = claimed.own;
  const newSet = findNewSet(deployment, sets);
  const oldSets = byAge(sets.filter((set) => set !== newSet));
  const rollout: Rollout = {
    deployment,
    newSet,
    oldSets,
    all: newSet === null ? oldSets : [...oldSets, newSet],
  };
  if (deployment.metadata.deletionTimestamp !== undefined) {
    return conclude(rollout, [], [], context, 'counted');
  }
  const paused = pausedCondition(deployment, context.nowWallMs);
  if (paused !== null) return { steps: [{ ops: [updateOp(resources.deployments, deployment, paused)] }] };
  if (deployment.spec.paused === true || isScaled(deployment, rollout.all)) return resize(rollout, context);
  return isRolling(deployment) ? rollingUpdate(state, rollout, context) : recreate(state, rollout, context);
}

function setsNear(state: State, deployment: Deployment): readonly ReplicaSet[] {
  return list<ReplicaSet>(state, resources.replicaSets, deployment.metadata.namespace ?? '');
}

function deploymentsOf(state: State, { key, object, previous }: Change): readonly string[] {
  const { resource, namespace } = splitKey(key);
  if (resource === resources.deployments) return [key];
  if (resource === resources.replicaSets) {
    const owned = [object, previous].flatMap((set) => {
      const owner = set === null ? null : controllerOf(set);
      return owner?.kind === 'Deployment' ? [objectKey(resources.deployments, namespace, owner.name)] : [];
    });
    return owned.length > 0 ? [...new Set(owned)] : adopters(state, namespace, object as ReplicaSet);
  }
  // Recreate waits for the last old pod to go; nothing else of a pod matters here.
  if (resource !== resources.pods || previous === null) return [];
  const owner = controllerOf(object);
  if (owner?.kind !== 'ReplicaSet') return [];
  const set = get<ReplicaSet>(state, objectKey(resources.replicaSets, namespace, owner.name));
  const above = set === null ? null : controllerOf(set);
  if (above === null) return [];
  const deployment = get<Deployment>(state, objectKey(resources.deployments, namespace, above.name));
  return deployment === null || isRolling(deployment) ? [] : [keyOf(resources.deployments, deployment)];
}

function adopters(state: State, namespace: string, set: ReplicaSet): readonly string[] {
  return list<Deployment>(state, resources.deployments, namespace)
    .filter(({ spec }) => matchesSelector(spec.selector, set.metadata.labels))
    .map((deployment) => keyOf(resources.deployments, deployment));
}

/**
 * The Deployment with Progressing at Unknown while it is paused, and again when it goes on; null if it says
 * so.
 */
function pausedCondition(deployment: Deployment, nowWallMs: number): Deployment | null {
  if (!hasDeadline(deployment)) return null;
  const reason = conditionOf(deployment.status?.conditions, 'Progressing')?.reason;
  if (reason === 'ProgressDeadlineExceeded') return null;
  const paused = deployment.spec.paused === true;
  if (paused === (reason === 'DeploymentPaused')) return null;
  const next = paused
    ? {
        type: 'Progressing',
        status: 'Unknown' as const,
        reason: 'DeploymentPaused',
        message: 'Deployment is paused',
      }
    : {
        type: 'Progressing',
        status: 'Unknown' as const,
        reason: 'DeploymentResumed',
        message: 'Deployment is resumed',
      };
  const conditions = withStamped(deployment.status?.conditions, next, nowWallMs);
  return { ...deployment, status: { ...deployment.status, conditions } };
}

// ── the three ways ───────────────────────────────────────────────────────────────────────────────────────

function rollingUpdate(state: State, rollout: Rollout, context: ReconcileContext): Reconciliation {
  const { deployment, newSet, oldSets, all } = rollout;
  if (newSet === null) return createNewSet(state, rollout, context);
  const numbered = numberNewSet(rollout, newSet, context);
  if (numbered !== null) return numbered;
  const grown = growNew(deployment, all, newSet);
  if (grown !== null) return conclude(rollout, [grown], [], context, 'rollout');
  const shrunk = shrinkOld(deployment, newSet, oldSets);
  if (shrunk.length > 0) return conclude(rollout, shrunk, [], context, 'rollout');
  return finish(rollout, context);
}

function recreate(state: State, rollout: Rollout, context: ReconcileContext): Reconciliation {
  const { deployment, newSet, oldSets } = rollout;
  const shrunk = oldSets.filter((set) => replicasOf(set) > 0).map((set) => ({ set, replicas: 0 }));
  if (shrunk.length > 0) return conclude(rollout, shrunk, [], context, 'rollout');
  if (oldPodsRun(state, rollout)) return conclude(rollout, [], [], context, 'rollout');
  if (newSet === null) return createNewSet(state, rollout, context);
  const numbered = numberNewSet(rollout, newSet, context);
  if (numbered !== null) return numbered;
  if (replicasOf(newSet) !== replicasOf(deployment)) {
    return conclude(rollout, [{ set: newSet, replicas: replicasOf(deployment) }], [], context, 'rollout');
  }
  return finish(rollout, context);
}

/**
 * A pod of an old revision that is not over, terminating ones too: Recreate never lets two revisions
 * overlap.
 */
function oldPodsRun(state: State, { deployment, oldSets }: Rollout): boolean {
  const old = new Set(oldSets.map((set) => set.metadata.uid));
  if (old.size === 0) return false;
  return list<Pod>(state, resources.pods, deployment.metadata.namespace ?? '').some(
    (pod) =>
      old.has(controllerOf(pod)?.uid ?? '') &&
      pod.status?.phase !== 'Failed' &&
      pod.status?.phase !== 'Succeeded',
  );
}

/** Paused, or a new size in the middle of a rollout: sizes change, the rollout does not go on. */
function resize(rollout: Rollout, context: ReconcileContext): Reconciliation {
  const { deployment, newSet, oldSets, all } = rollout;
  const forgotten = deployment.spec.paused === true ? setsToForget(deployment, oldSets) : [];
  return conclude(rollout, resized(deployment, newSet, oldSets, all), forgotten, context, 'counted');
}

function resized(
  deployment: Deployment,
  newSet: ReplicaSet | null,
  oldSets: readonly ReplicaSet[],
  all: readonly ReplicaSet[],
): readonly Scale[] {
  const one = activeOrLatest(newSet, oldSets);
  if (one !== null) return [{ set: one, replicas: replicasOf(deployment) }];
  const active = all.filter((set) => replicasOf(set) > 0);
  if (isSaturated(deployment, newSet)) {
    return active.filter((set) => set !== newSet).map((set) => ({ set, replicas: 0 }));
  }
  return isRolling(deployment) ? proportional(deployment, active) : [];
}

function finish(rollout: Rollout, context: ReconcileContext): Reconciliation {
  const { deployment, oldSets, newSet, all } = rollout;
  const complete = isComplete(deployment, countedStatus(deployment, all, newSet, context.nowWallMs));
  return conclude(rollout, [], complete ? setsToForget(deployment, oldSets) : [], context, 'rollout');
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

/** The scales, the sets that go, and what the Deployment then says, as one step. */
function conclude(
  rollout: Rollout, scales: readonly Scale[], forgotten: readonly ReplicaSet[], context: ReconcileContext,
  kind: 'counted' | 'rollout',
): Reconciliation {
  const { deployment, newSet, all } = rollout;
  const ops: Op[] = [], notes: Note[] = [];
  for (const { set, replicas } of scales) {
    const next = sized(deployment, set, replicas);
    if (next === null) continue;
    ops.push(updateOp(resources.replicaSets, set, next));
    if (replicas !== replicasOf(set)) {
      notes.push(scalingNote(deployment, set.metadata.name, replicasOf(set), replicas));
    }
  }
  for (const set of forgotten) ops.push(deleteOp(resources.replicaSets, set));
  const status = kind === 'counted'
    ? countedStatus(deployment, all, newSet, context.nowWallMs)
    : rolloutStatus(deployment, all, newSet, context.nowWallMs);
  const next = withStatus(deployment, status);
  if (next !== null) ops.push(updateOp(resources.deployments, deployment, next));
  if (ops.length > 0) return { steps: [{ ops, notes }] };
  const requeueAfterMs = kind === 'counted' ? null : deadlineInMs(deployment, status, context.nowWallMs);
  return requeueAfterMs === null ? nothing : { steps: [], requeueAfterMs: Math.max(1_000, requeueAfterMs) };
}

function sizeAnnotations(deployment: Deployment): Readonly<Record<string, string>> {
  const replicas = replicasOf(deployment);
  return {
    [desiredAnnotation]: String(replicas),
    [maxAnnotation]: String(replicas + boundsOf(deployment).maxSurge),
  };
}

function sized(deployment: Deployment, set: ReplicaSet, replicas: number): ReplicaSet | null {
  const annotations = { ...set.metadata.annotations, ...sizeAnnotations(deployment) };
  const changed = replicas !== replicasOf(set);
  if (!changed && sameContent(annotations, set.metadata.annotations)) return null;
  const generation = (set.metadata.generation ?? 1) + (changed ? 1 : 0);
  return { ...set, metadata: { ...set.metadata, annotations, generation }, spec: { ...set.spec, replicas } };
}

function scalingNote(deployment: Deployment, name: string, from: number, to: number): Note {
  const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${name} from ${from} to ${to}`;
  return { object: deployment, type: 'Normal', reason: 'ScalingReplicaSet', message };
}

/** A ReplicaSet for a template that has none; a name that is taken by another is evaded by the next hash. */
function createNewSet(state: State, rollout: Rollout, context: ReconcileContext): Reconciliation {
  const { deployment, all } = rollout;
  const { name, namespace = '' } = deployment.metadata;
  const template = deployment.spec.template;
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0);
  const setName = `${name}-${hash}`;
  if (get(state, objectKey(resources.replicaSets, namespace, setName)) !== null) {
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    const next = { ...deployment, status: { ...deployment.status, collisionCount } };
    return { steps: [{ ops: [updateOp(resources.deployments, deployment, next)] }] };
  }
  const revision = maxRevision(all) + 1;
  const replicas = newSetReplicas(deployment, all, 0);
  const { matchLabels, matchExpressions } = deployment.spec.selector;
  const set: ReplicaSet = newborn(
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: setName,
        namespace,
        generation: 1,
        labels: { ...template.metadata?.labels, [hashLabel]: hash },
        annotations: {
          ...newSetAnnotations(deployment, undefined, revision),
          ...sizeAnnotations(deployment),
        },
        ownerReferences: [ownerReference(deployment)],
      },
      spec: {
        replicas,
        ...(deployment.spec.minReadySeconds ? { minReadySeconds: deployment.spec.minReadySeconds } : {}),
        selector: {
          matchLabels: { ...matchLabels, [hashLabel]: hash },
          ...(matchExpressions === undefined ? {} : { matchExpressions }),
        },
        template: withHash(template, hash),
      },
      status: { replicas: 0 },
    },
    { uid: context.newUid(), nowWallMs: context.nowWallMs },
  );
  const progressing = hasDeadline(deployment)
    ? withStamped(
        deployment.status?.conditions,
        {
          type: 'Progressing',
          status: 'True',
          reason: 'NewReplicaSetCreated',
          message: `Created new replica set "${setName}"`,
        },
        context.nowWallMs,
      )
    : deployment.status?.conditions;
  const next = revised(
    deployment,
    revision,
    progressing === undefined ? deployment.status : { ...deployment.status, conditions: progressing },
  );
  const notes = replicas > 0 ? [scalingNote(deployment, setName, 0, replicas)] : [];
  const ops = [
    createOp(resources.replicaSets, set),
    ...(next === null ? [] : [updateOp(resources.deployments, deployment, next)]),
  ];
  return { steps: [{ ops, notes }] };
}

/** Makes the current set the newest revision, and the Deployment say so; null if it does already. */
function numberNewSet(
  rollout: Rollout,
  newSet: ReplicaSet,
  context: ReconcileContext,
): Reconciliation | null {
  const { deployment, oldSets } = rollout;
  const ops: Op[] = [];
  const annotations = newSetAnnotations(deployment, newSet.metadata.annotations, maxRevision(oldSets) + 1);
  const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
  const respecced = (newSet.spec.minReadySeconds ?? 0) !== minReadySeconds;
  const metadata = {
    ...newSet.metadata,
    annotations,
    generation: (newSet.metadata.generation ?? 1) + (respecced ? 1 : 0),
  };
  if (respecced || !sameContent(annotations, newSet.metadata.annotations ?? {})) {
    ops.push(
      updateOp(resources.replicaSets, newSet, {
        ...newSet,
        metadata,
        spec: { ...newSet.spec, minReadySeconds },
      }),
    );
  }
  const known =
    conditionOf(deployment.status?.conditions, 'Progressing') !== null || !hasDeadline(deployment);
  const status = known
    ? deployment.status
    : {
        ...deployment.status,
        conditions: withStamped(
          deployment.status?.conditions,
          {
            type: 'Progressing',
            status: 'True',
            reason: 'FoundNewReplicaSet',
            message: `Found new replica set "${newSet.metadata.name}"`,
          },
          context.nowWallMs,
        ),
      };
  const next = revised(deployment, revisionOf({ metadata }), status);
  if (next !== null) ops.push(updateOp(resources.deployments, deployment, next));
  return ops.length === 0 ? null : { steps: [{ ops }] };
}

/** The Deployment at this revision with this status; null where nothing changes. */
function revised(
  deployment: Deployment,
  revision: number,
  status: DeploymentStatus | undefined,
): Deployment | null {
  const annotations = { ...deployment.metadata.annotations, [revisionAnnotation]: String(revision) };
  if (revisionOf(deployment) === revision && status === deployment.status) return null;
  return {
    ...deployment,
    metadata: { ...deployment.metadata, annotations },
    ...(status === undefined ? {} : { status }),
  };
}
