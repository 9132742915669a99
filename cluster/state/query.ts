// Reading the state. Every list is sorted by key (namespace, then name, by code unit) and must not be changed by
// who gets it; it stays as it is when the state moves on.

import type { ObjectKey, ResourceName, Revision } from '../ids.ts';
import type { KubeObject, Pod } from '../api/types.ts';
import { lowerBound } from './indexes.ts';
import { mutable } from './state.ts';
import type { Shelf, State } from './state.ts';

export interface Keyed { readonly key: ObjectKey; readonly object: KubeObject }

export function get<T extends KubeObject>(state: State, key: ObjectKey): T | null {
  return (state.objects.get(key) ?? null) as T | null;
}

/** All objects of a resource, or of one namespace of it. O(result). */
export function list<T extends KubeObject>(state: State, resource: ResourceName, namespace?: string): readonly T[] {
  const shelf = mutable(state).shelves.get(resource);
  if (shelf === undefined) return [];
  if (namespace === undefined || namespace === '') {
    shelf.shared = true;
    return shelf.objects as readonly KubeObject[] as readonly T[];
  }
  const [from, to] = rangeOf(shelf, `${resource}/${namespace}/`);
  return shelf.objects.slice(from, to) as readonly KubeObject[] as readonly T[];
}

/** The position range of the keys that begin with `prefix`, which ends in a slash. */
function rangeOf(shelf: Shelf, prefix: string): readonly [number, number] {
  // '0' follows '/' in code-unit order, so this is the first key beyond the prefix.
  return [lowerBound(shelf.keys, prefix), lowerBound(shelf.keys, `${prefix.slice(0, -1)}0`)];
}

/** Pods bound to a node, whatever their phase, sorted by key. */
export function podsOnNode(state: State, node: string): readonly Pod[] {
  return sorted(state, mutable(state).podsByNode.get(node)).map(({ object }) => object as Pod);
}

/** Objects that name this uid among their owners, sorted by key. */
export function dependents(state: State, ownerUid: string): readonly Keyed[] {
  return sorted(state, mutable(state).byOwner.get(ownerUid));
}

function sorted(state: State, keys: ReadonlySet<ObjectKey> | undefined): Keyed[] {
  if (keys === undefined) return [];
  return [...keys].sort().map((key) => ({ key, object: state.objects.get(key) as KubeObject }));
}

/** Everything in a namespace, sorted by key. */
export function objectsInNamespace(state: State, namespace: string): readonly Keyed[] {
  const found: Keyed[] = [];
  for (const resource of [...mutable(state).shelves.keys()].sort()) {
    const shelf = mutable(state).shelves.get(resource) as Shelf;
    const [from, to] = rangeOf(shelf, `${resource}/${namespace}/`);
    for (let at = from; at < to; at++) {
      found.push({ key: shelf.keys[at] as ObjectKey, object: shelf.objects[at] as KubeObject });
    }
  }
  return found;
}

/** Every key and object, sorted by key within each resource, resources sorted. For snapshots and slow checks. */
export function everything(state: State): readonly Keyed[] {
  const found: Keyed[] = [];
  for (const resource of [...mutable(state).shelves.keys()].sort()) {
    const shelf = mutable(state).shelves.get(resource) as Shelf;
    shelf.keys.forEach((key, at) => found.push({ key, object: shelf.objects[at] as KubeObject }));
  }
  return found;
}

export const lastRevision = (state: State): Revision => state.revision;

/** The owner uids that something in the state refers to, sorted: where garbage may hang. */
export function ownerUids(state: State): readonly string[] {
  return [...mutable(state).byOwner.keys()].sort();
}
