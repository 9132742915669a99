// The garbage collector: what its owners no longer hold is deleted; an owner deleted in the foreground goes
// after its dependents; an owner that orphans them lets go of them first.
// Source: Kubernetes, "Garbage Collection", "Owners and Dependents", and pkg/controller/garbagecollector.
//
// What always holds: an owner is found by its uid; an object with the same name and another uid is nobody's
// owner. An owner of a kind that Shoal does not serve is left to those who do, and so are its dependents.

import {
  deletion, foregroundFinalizer, orphanFinalizer, withoutFinalizer,
} from '../../cluster/api/deletion.ts';
import { keyOf, resources, updateOp } from '../../cluster/api/objects.ts';
import { registryOf } from '../../cluster/api/registry.ts';
import { nameOfResource } from '../../cluster/api/route.ts';
import type { KubeObject, OwnerReference } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey, ResourceName } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { dependents, get, list, storedResources } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

export const garbageController: ControllerDefinition = {
  name: 'garbage',
  component: 'garbage-collector-controller',
  keysOf: concerned,
  allKeys: (state) => storedResources(state).flatMap((resource) =>
    list<KubeObject>(state, resource).filter(matters).map((object) => keyOf(resource, object))),
  reconcile: collect,
};

const isMarked = (object: KubeObject): boolean => object.metadata.deletionTimestamp !== undefined;

const hasFinalizer = (object: KubeObject, name: string): boolean =>
  object.metadata.finalizers?.includes(name) ?? false;

/** In the foreground: it stays until its dependents are gone. */
const waits = (object: KubeObject): boolean => isMarked(object) && hasFinalizer(object, foregroundFinalizer);

const matters = (object: KubeObject): boolean =>
  (object.metadata.ownerReferences?.length ?? 0) > 0 || (object.metadata.finalizers?.length ?? 0) > 0;

function concerned(state: State, { type, key, object, previous }: Change): readonly string[] {
  if (splitKey(key).resource === resources.events) return [];
  const keys: string[] = type !== 'DELETED' && matters(object) ? [key] : [];
  const now = type === 'DELETED' || waits(object);
  if (now && (previous === null || type === 'DELETED' || !waits(previous))) {
    for (const dependent of dependents(state, object.metadata.uid)) keys.push(dependent.key);
  }
  // An owner in the foreground waits for this one.
  if (type === 'ADDED') return keys;
  for (const reference of previous?.metadata.ownerReferences ?? []) {
    const owner = ownerKey(state, reference, object);
    if (owner !== null) keys.push(owner);
  }
  return keys;
}

function ownerKey(state: State, reference: OwnerReference, dependent: KubeObject): ObjectKey | null {
  const resource = registryOf(state).byKind(reference.apiVersion, reference.kind);
  if (resource === null) return null;
  const namespace = resource.namespaced ? dependent.metadata.namespace ?? '' : '';
  return objectKey(nameOfResource(resource), namespace, reference.name);
}

export function collect(state: State, key: string, context: ReconcileContext): Reconciliation {
  const object = get<KubeObject>(state, key as ObjectKey);
  if (object === null) return nothing;
  const { resource } = splitKey(key as ObjectKey);
  if (isMarked(object) && hasFinalizer(object, orphanFinalizer)) return orphan(state, resource, object);
  if (waits(object)) return serveForeground(state, resource, object, context);
  if (isMarked(object)) return nothing;
  return judge(state, resource, object, context);
}

/** Lets go of every dependent, then of the object. */
function orphan(state: State, resource: ResourceName, object: KubeObject): Reconciliation {
  const ops = dependents(state, object.metadata.uid).slice(0, limits.collectedPerCommand)
    .map(({ key, object: dependent }) => updateOp(splitKey(key).resource, dependent,
      withoutOwners(dependent, (owner) => owner.uid !== object.metadata.uid)));
  if (ops.length > 0) return { steps: [{ ops }] };
  const last = withoutFinalizer(resource, object, orphanFinalizer);
  return last === null ? nothing : { steps: [{ ops: [last] }] };
}

/** Deletes the dependents; those that block keep the object, and the rest may go later. */
function serveForeground(
  state: State, resource: ResourceName, object: KubeObject, context: ReconcileContext,
): Reconciliation {
  const all = dependents(state, object.metadata.uid);
  const blocking = all.filter(({ object: dependent }) => dependent.metadata.ownerReferences?.some((owner) =>
    owner.uid === object.metadata.uid && owner.blockOwnerDeletion === true) ?? false);
  if (blocking.length > 0) {
    // Each dependent decides for itself, for it may have other owners.
    const ops = blocking.slice(0, limits.collectedPerCommand).flatMap(({ key, object: dependent }) =>
      judge(state, splitKey(key).resource, dependent, context).steps.flatMap((step) => step.ops));
    return ops.length === 0 ? nothing : { steps: [{ ops }] };
  }
  const last = withoutFinalizer(resource, object, foregroundFinalizer);
  return last === null ? nothing : { steps: [{ ops: [last] }] };
}

type Standing = 'solid' | 'dangling' | 'waiting' | 'unknown';

function standing(state: State, reference: OwnerReference, dependent: KubeObject): Standing {
  const key = ownerKey(state, reference, dependent);
  if (key === null) return 'unknown';
  const owner = get<KubeObject>(state, key);
  if (owner === null || owner.metadata.uid !== reference.uid) return 'dangling';
  return waits(owner) ? 'waiting' : 'solid';
}

/** With a solid owner the object stays and forgets the others; with none it goes. */
function judge(
  state: State,
  resource: ResourceName,
  object: KubeObject,
  context: ReconcileContext,
): Reconciliation {
  const owners = object.metadata.ownerReferences ?? [];
  if (owners.length === 0 || isMarked(object)) return nothing;
  const standings = owners.map((owner) => standing(state, owner, object));
  if (standings.includes('unknown')) return nothing;
  if (standings.includes('solid')) {
    if (standings.every((one) => one === 'solid')) return nothing;
    const kept = withoutOwners(object, (_, at) => standings[at] === 'solid');
    return { steps: [{ ops: [updateOp(resource, object, kept)] }] };
  }
  // A dependent with dependents of its own passes the foreground on, else they would outlive the owner.
  const foreground =
    (standings.includes('waiting') && dependents(state, object.metadata.uid).length > 0) ||
    hasFinalizer(object, foregroundFinalizer);
  const propagation = foreground ? 'Foreground' : null;
  const op: Op | null = deletion(resource, object, { nowWallMs: context.nowWallMs, propagation });
  return op === null ? nothing : { steps: [{ ops: [op] }] };
}

function withoutOwners<T extends KubeObject>(
  object: T,
  keep: (owner: OwnerReference, at: number) => boolean,
): T {
  const { ownerReferences = [], ...metadata } = object.metadata;
  const kept = ownerReferences.filter(keep);
  return { ...object, metadata: kept.length === 0 ? metadata : { ...metadata, ownerReferences: kept } };
}
