// The ReplicaSet controller: as many active pods of one template as it should have, adopted, made or deleted.
// Source: Kubernetes, "ReplicaSet", and pkg/controller/replicaset.
//
// What always holds: pods are made or deleted before the status is counted again, and a burst is bounded by
// `replicaSetBurstMax`; pods that are over or on their way out do not count as replicas.

import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { admitOwn, controllerUser } from '../../cluster/api/admission/own.ts';
import { deletion } from '../../cluster/api/deletion.ts';
import { controllerOf, createOp, keyOf, resources, updateOp } from '../../cluster/api/objects.ts';
import { pod as podResource } from '../../cluster/api/resources/pod.ts';
import { matchesSelector } from '../../cluster/api/selector.ts';
import { isProblem } from '../../cluster/api/status.ts';
import type { Problem } from '../../cluster/api/status.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import type { Condition, Pod, ReplicaSet } from '../../cluster/api/types.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change } from '../../cluster/state/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { claim } from './claim.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, Note, ReconcileContext, Reconciliation, Step } from './controller.ts';
import { availableInMs, deletionOrder, isActive, isReady, withCondition } from './pod-state.ts';
import { podFromTemplate } from './pod-template.ts';

export const replicaSetController: ControllerDefinition = {
  name: 'replicaset',
  component: 'replicaset-controller',
  keysOf: setsOf,
  allKeys: (state) =>
    list<ReplicaSet>(state, resources.replicaSets).map((set) => keyOf(resources.replicaSets, set)),
  reconcile: reconcileReplicaSet,
};

export function reconcileReplicaSet(state: State, key: string, context: ReconcileContext): Reconciliation {
  const set = get<ReplicaSet>(state, key as ObjectKey);
  if (set === null) return nothing;
  const near = list<Pod>(state, resources.pods, set.metadata.namespace ?? '').filter(isActive);
  const claimed = claim(set, set.spec.selector, near, resources.pods);
  const steps: Step[] = claimed.ops.length > 0 ? [{ ops: claimed.ops }] : [];
  const pods = claimed.own;
  const surplus = pods.length - (set.spec.replicas ?? 1);
  if (set.metadata.deletionTimestamp === undefined && steps.length === 0) {
    if (surplus < 0) {
      steps.push(...creations(state, set, Math.min(-surplus, limits.replicaSetBurstMax), context));
    } else if (surplus > 0)
      steps.push(...deletions(set, pods, Math.min(surplus, limits.replicaSetBurstMax), context));
  }
  // While pods come and go without trouble the count waits for them: it would be out of date at once.
  if (steps.length > 0 && context.refusal === null) return { steps };
  const status = statusOf(set, pods, surplus, context);
  if (!sameContent(set.status ?? {}, status)) {
    steps.push({ ops: [updateOp(resources.replicaSets, set, { ...set, status })] });
  }
  if (steps.length > 0) return { steps };
  const waits = pods.map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0, context.nowWallMs) ?? 0)
    .filter((ms) => ms > 0);
  return waits.length === 0 ? nothing : { steps: [], requeueAfterMs: waits.reduce((a, b) => Math.min(a, b)) };
}

function setsOf(state: State, { key, object, previous }: Change): readonly string[] {
  const { resource, namespace } = splitKey(key);
  if (resource === resources.replicaSets) return [key];
  if (resource !== resources.pods) return [];
  const owned = [object, previous].flatMap((pod) => {
    const owner = pod === null ? null : controllerOf(pod);
    return owner?.kind === 'ReplicaSet' ? [objectKey(resources.replicaSets, namespace, owner.name)] : [];
  });
  if (controllerOf(object) !== null) return [...new Set(owned)];
  // An orphan: whoever's selector matches may adopt it.
  const adopters = list<ReplicaSet>(state, resources.replicaSets, namespace)
    .filter(({ spec }) => matchesSelector(spec.selector, object.metadata.labels))
    .map((set) => keyOf(resources.replicaSets, set));
  return [...new Set([...owned, ...adopters])];
}

// ── making and deleting pods ─────────────────────────────────────────────────────────────────────────────

/** Pods of one command, so many that it stays well below what a log entry may hold. */
function podsPerCommand(set: ReplicaSet): number {
  const bytes = JSON.stringify(set.spec.template).length * 2 + 2_000;
  return Math.max(1, Math.min(limits.podsPerCommandMax, Math.floor(limits.entryBytesMax / 2 / bytes)));
}

/**
 * The first pod that admission refuses ends the round: the others would fare no better. A command that a
 * quota refuses makes none of its pods, though there may be room for some: then they come in few and small
 * commands, each twice as large as the last, as in Kubernetes' slow start. What there is room for is found in
 * a few rounds, and where there is none, little is written in vain.
 */
function creations(state: State, set: ReplicaSet, count: number, context: ReconcileContext): Step[] {
  const most = podsPerCommand(set), slow = context.refusal !== null;
  const taken = new Set<string>(), steps: Step[] = [];
  const refused: Note = { ...note(set, 'FailedCreate', 'Error creating: '), type: 'Warning' };
  let left = count;
  while (left > 0 && !(slow && steps.length >= limits.slowStartCommands)) {
    const size = Math.min(slow ? 2 ** steps.length : most, most, left);
    left -= size;
    const { pods, denied } = admitted(state, set, size, taken, context);
    if (pods.length > 0) {
      steps.push({
        ops: pods.map((pod) => createOp(resources.pods, pod)),
        notes: pods.map((pod) => note(set, 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`)),
        refused,
      });
    }
    if (denied !== null) return [...steps, { ops: [], refused, denied }];
  }
  return steps;
}

const user = controllerUser('replicaset-controller');

function admitted(
  state: State, set: ReplicaSet, count: number, taken: Set<string>, context: ReconcileContext,
): { readonly pods: readonly Pod[]; readonly denied: Problem | null } {
  const pods: Pod[] = [];
  while (pods.length < count) {
    const pod = admitOwn(state, podResource, newPod(set, taken, context), user, context.nowWallMs);
    if (isProblem(pod)) return { pods, denied: pod };
    pods.push(pod);
  }
  return { pods, denied: null };
}

/** Two pods of one round never draw the same name; a clash with an older pod is refused and drawn again. */
function newPod(set: ReplicaSet, taken: Set<string>, context: ReconcileContext): Pod {
  for (;;) {
    const pod = podFromTemplate(set, set.spec.template, context);
    if (taken.has(pod.metadata.name)) continue;
    taken.add(pod.metadata.name);
    return pod;
  }
}

function deletions(set: ReplicaSet, pods: readonly Pod[], count: number, context: ReconcileContext): Step[] {
  const chosen = deletionOrder(pods).slice(0, count), steps: Step[] = [];
  for (let at = 0; at < chosen.length; at += limits.podsPerCommandMax) {
    const some = chosen.slice(at, at + limits.podsPerCommandMax);
    steps.push({
      ops: some.flatMap((pod) => deletion(resources.pods, pod, { nowWallMs: context.nowWallMs }) ?? []),
      notes: some.map((pod) => note(set, 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)),
    });
  }
  return steps;
}

const note = (object: ReplicaSet, reason: string, message: string): Note => ({
  object,
  type: 'Normal',
  reason,
  message,
});

// ── status ───────────────────────────────────────────────────────────────────────────────────────────────

type Status = NonNullable<ReplicaSet['status']>;

function statusOf(set: ReplicaSet, pods: readonly Pod[], surplus: number, context: ReconcileContext): Status {
  const ready = pods.filter(isReady);
  const minReady = set.spec.minReadySeconds ?? 0;
  const available = ready.filter((pod) => availableInMs(pod, minReady, context.nowWallMs) === 0);
  const template = { matchLabels: set.spec.template.metadata?.labels ?? {} };
  const labelled = pods.filter((pod) => matchesSelector(template, pod.metadata.labels));
  const shown: Record<string, number> = {};
  const counts = {
    fullyLabeledReplicas: labelled.length,
    readyReplicas: ready.length,
    availableReplicas: available.length,
  };
  for (const [name, count] of Object.entries(counts)) if (count > 0) shown[name] = count;
  const conditions = failureConditions(set, surplus, context);
  return {
    replicas: pods.length, ...shown, observedGeneration: set.metadata.generation ?? 0,
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

/** ReplicaFailure while pods can't be made or deleted, with the words of the first refusal. */
function failureConditions(
  set: ReplicaSet,
  surplus: number,
  { refusal, nowWallMs }: ReconcileContext,
): readonly Condition[] {
  const known = set.status?.conditions ?? [];
  if (refusal === null || surplus === 0) return known.filter(({ type }) => type !== 'ReplicaFailure');
  if (known.some(({ type, status }) => type === 'ReplicaFailure' && status === 'True')) return known;
  const reason = surplus < 0 ? 'FailedCreate' : 'FailedDelete';
  return withCondition(
    known,
    { type: 'ReplicaFailure', status: 'True', reason, message: refusal.message },
    rfc3339(nowWallMs),
  );
}
