// Reading the state. Every list is sorted by key (namespace, then name, by code unit) and must not be changed
// by who gets it; it stays as it is when the state moves on, and is the same array until something in it
// changes.

import { objectKey } from '../ids.ts';
import type { ObjectKey, ResourceName, Revision } from '../ids.ts';
import type { KubeObject, Pod } from '../api/types.ts';
import { comparePlace, compareText } from './indexes.ts';
import { inOrder, lowerBound } from './shelf.ts';
import { mutable } from './state.ts';
import type { Keyed, State } from './state.ts';

export type { Keyed } from './state.ts';

const nothing: readonly never[] = [];

export function get<T extends KubeObject>(state: State, key: ObjectKey): T | null {
  return (state.objects.get(key) ?? null) as T | null;
}

/** All objects of a resource, or of one namespace of it. O(1) if nothing of the resource changed since. */
export function list<T extends KubeObject>(
  state: State, resource: ResourceName, namespace?: string,
): readonly T[] {
  const of = mutable(state).shelves.get(resource);
  if (of === undefined) return nothing;
  const all = inOrder(of.shelf);
  if (namespace === undefined || namespace === '') return all as readonly KubeObject[] as readonly T[];
  let cut = of.ranges.get(namespace);
  if (cut === undefined) {
    cut = range(all, namespace);
    // Namespaces that don't exist are not remembered: a reader may name any.
    if (cut.length > 0) of.ranges.set(namespace, cut);
  }
  return cut as readonly KubeObject[] as readonly T[];
}

function range(all: readonly KubeObject[], namespace: string): readonly KubeObject[] {
  const from = lowerBound(all, (object) => comparePlace(object, namespace, ''));
  const to = lowerBound(all, ({ metadata }) =>
    compareText(`${metadata.namespace ?? ''}/`, `${namespace}/`) <= 0 ? -1 : 1, from);
  return from === 0 && to === all.length ? all : all.slice(from, to);
}

/** Pods bound to a node, whatever their phase. */
export function podsOnNode(state: State, node: string): readonly Pod[] {
  const shelf = mutable(state).podsByNode.get(node);
  return shelf === undefined ? nothing : inOrder(shelf);
}

/** Objects that name this uid among their owners. */
export function dependents(state: State, ownerUid: string): readonly Keyed[] {
  const shelf = mutable(state).byOwner.get(ownerUid);
  return shelf === undefined ? nothing : inOrder(shelf);
}

/** Everything in a namespace; the Namespace itself is not in it. */
export function objectsInNamespace(state: State, namespace: string): readonly Keyed[] {
  return storedResources(state).flatMap((resource) =>
    list(state, resource, namespace).map((object) => keyed(resource, object)));
}

/**
 * Every key and object, sorted by key within each resource, resources sorted. For snapshots and slow checks.
 */
export function everything(state: State): readonly Keyed[] { return [...inTurn(state)]; }

/** The same, one after the other, as of this call: what is applied before the last one does not show. */
export function inTurn(state: State): Generator<Keyed, void, void> {
  // Lists that were handed out never change.
  return keyedOf(storedResources(state).map((resource) => [resource, list(state, resource)] as const));
}

type Lists = readonly (readonly [ResourceName, readonly KubeObject[]])[];

function* keyedOf(lists: Lists): Generator<Keyed, void, void> {
  for (const [resource, objects] of lists) for (const object of objects) yield keyed(resource, object);
}

function keyed(resource: ResourceName, object: KubeObject): Keyed {
  return { key: objectKey(resource, object.metadata.namespace ?? '', object.metadata.name), object };
}

/** Of everything that was ever stored, sorted; some may be empty by now. */
export const storedResources = (state: State): readonly ResourceName[] =>
  [...mutable(state).shelves.keys()].sort();

export const lastRevision = (state: State): Revision => state.revision;

/** The owner uids that something in the state refers to, sorted: where garbage may hang. */
export function ownerUids(state: State): readonly string[] {
  return [...mutable(state).byOwner.keys()].sort();
}
