// The namespace controller: a namespace that is being deleted loses everything in it, then itself.
// Source: Kubernetes, "Namespaces", and pkg/controller/namespace/deletion.
//
// What always holds: the last finalizer is taken away only when nothing is left in the namespace, and pods
// are left their grace. Nothing new can come meanwhile: the state refuses it.

import { deletion } from '../../cluster/api/deletion.ts';
import { deleteOp, keyOf, resources, updateOp } from '../../cluster/api/objects.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import type { Condition, KubeObject, Namespace } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list, objectsInNamespace } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';
import { withCondition } from './pod-state.ts';

export const namespaceController: ControllerDefinition = {
  name: 'namespace',
  component: 'namespace-controller',
  keysOf: emptied,
  allKeys: (state) => list<Namespace>(state, resources.namespaces)
    .filter(isTerminating).map((namespace) => keyOf(resources.namespaces, namespace)),
  reconcile: emptyNamespace,
};

/** The finalizer of every namespace's spec, which this controller alone serves. */
const ownFinalizer = 'kubernetes';

const isTerminating = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined;

function emptied(state: State, { key, object }: Change): readonly string[] {
  const { resource, namespace } = splitKey(key);
  if (resource === resources.namespaces) return isTerminating(object) ? [key] : [];
  if (namespace === '') return [];
  const own = objectKey(resources.namespaces, '', namespace);
  const around = get<Namespace>(state, own);
  return around !== null && isTerminating(around) ? [own] : [];
}

export function emptyNamespace(state: State, key: string, context: ReconcileContext): Reconciliation {
  const namespace = get<Namespace>(state, key as ObjectKey);
  if (namespace === null || !isTerminating(namespace)) return nothing;
  const content = objectsInNamespace(state, namespace.metadata.name);
  const ops: Op[] = [];
  for (const { key: inside, object } of content) {
    if (ops.length >= limits.collectedPerCommand) break;
    const op = deletion(splitKey(inside).resource, object, { nowWallMs: context.nowWallMs });
    if (op !== null) ops.push(op);
  }
  if (ops.length > 0) return { steps: [{ ops }] };
  if (content.length === 0) return leave(namespace);
  // What is left waits for its grace or for somebody else's finalizer; each of its changes wakes this key.
  const status = {
    ...namespace.status,
    phase: 'Terminating' as const,
    conditions: remaining(namespace, content, context),
  };
  if (sameContent(status, namespace.status)) return nothing;
  return { steps: [{ ops: [updateOp(resources.namespaces, namespace, { ...namespace, status })] }] };
}

function leave(namespace: Namespace): Reconciliation {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((name) => name !== ownFinalizer);
  const free = finalizers.length === 0 && (namespace.metadata.finalizers?.length ?? 0) === 0;
  if (free) return { steps: [{ ops: [deleteOp(resources.namespaces, namespace)] }] };
  if (finalizers.length === (namespace.spec?.finalizers ?? []).length) return nothing;
  const next: Namespace = { ...namespace, spec: { ...namespace.spec, finalizers } };
  return { steps: [{ ops: [updateOp(resources.namespaces, namespace, next)] }] };
}

function remaining(
  namespace: Namespace, content: readonly { readonly key: ObjectKey; readonly object: KubeObject }[],
  context: ReconcileContext,
): readonly Condition[] {
  const counts = new Map<string, number>(), finalizers = new Map<string, number>();
  for (const { key, object } of content) {
    const [group = '', plural = ''] = splitKey(key).resource.split('/');
    count(counts, `${plural}.${group === 'core' ? '' : group}`);
    for (const name of object.metadata.finalizers ?? []) count(finalizers, name);
  }
  const told = (map: ReadonlyMap<string, number>, what: string): string =>
    [...map.keys()].sort().map((name) => `${name} ${what} ${map.get(name)} resource instances`).join(', ');
  const now = rfc3339(context.nowWallMs);
  const first = withCondition(namespace.status?.conditions, {
    type: 'NamespaceContentRemaining', status: 'True', reason: 'SomeResourcesRemain',
    message: `Some resources are remaining: ${told(counts, 'has')}`,
  }, now);
  return withCondition(first, finalizers.size === 0
    ? { type: 'NamespaceFinalizersRemaining', status: 'False', reason: 'ContentHasNoFinalizers',
        message: 'All content-preserving finalizers finished' }
    : { type: 'NamespaceFinalizersRemaining', status: 'True', reason: 'SomeFinalizersRemain',
        message: `Some content in the namespace has finalizers remaining: ${told(finalizers, 'in')}` }, now);
}

function count(map: Map<string, number>, name: string): void { map.set(name, (map.get(name) ?? 0) + 1); }
