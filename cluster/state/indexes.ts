// Keeps the orders and indexes of a state true to its objects. Called by `apply.ts` and when a snapshot is
// read.

import { splitKey } from '../ids.ts';
import type { ObjectKey, ResourceName } from '../ids.ts';
import { forget } from '../api/encoded.ts';
import { resources } from '../api/objects.ts';
import type { KubeObject, Pod, Service } from '../api/types.ts';
import { claim, release } from './allocate.ts';
import { createShelf, put, take } from './shelf.ts';
import type { Shelf } from './shelf.ts';
import type { Keyed, MutableState, ResourceShelf } from './state.ts';

/** Puts `object` in the place of what the key held; null takes it away. */
export function place(state: MutableState, key: ObjectKey, object: KubeObject | null): void {
  const before = state.objects.get(key) ?? null;
  const { resource } = splitKey(key);
  if (before !== null && before !== object) forget(before);
  if (object === null) state.objects.delete(key);
  else state.objects.set(key, object);
  const { shelf, ranges } = shelfOf(state, resource);
  move(shelf, key, before, object);
  ranges.clear();
  if (resource === resources.pods) rebind(state, key, before as Pod | null, object as Pod | null);
  if (resource === resources.resourceQuotas) {
    const { namespace } = splitKey(key);
    if (object !== null) enter(state.quotasByNamespace, namespace, key, object, before !== null, byPlace);
    else if (before !== null) leave(state.quotasByNamespace, namespace, key, before);
  }
  if (resource === resources.services) {
    // The draft has done so already, for the next operation of its command; to do it again changes nothing.
    if (before !== null) release(state.allocations, key, before as Service);
    if (object !== null) claim(state.allocations, key, object as Service);
  }
  reown(state, key, before, object);
}

function shelfOf(state: MutableState, resource: ResourceName): ResourceShelf {
  let found = state.shelves.get(resource);
  if (found === undefined) {
    state.shelves.set(resource, found = { shelf: createShelf(byPlace), ranges: new Map() });
  }
  return found;
}

function move<T>(shelf: Shelf<T>, key: ObjectKey, before: T | null, after: T | null): void {
  if (after !== null) put(shelf, key, after, before !== null);
  else if (before !== null) take(shelf, key, before);
}

/**
 * The order of keys within one resource, by code unit: namespace and its slash, then name. So `a-b` comes
 * before `a`, as in Kubernetes' own store. Cluster-scoped objects have no namespace.
 */
function byPlace(a: KubeObject, b: KubeObject): number {
  return comparePlace(a, b.metadata.namespace ?? '', b.metadata.name);
}

export function comparePlace({ metadata }: KubeObject, namespace: string, name: string): number {
  const own = metadata.namespace ?? '';
  return own === namespace ? compareText(metadata.name, name) : compareText(`${own}/`, `${namespace}/`);
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function rebind(state: MutableState, key: ObjectKey, before: Pod | null, after: Pod | null): void {
  const from = before?.spec.nodeName ?? '', to = after?.spec.nodeName ?? '';
  if (from !== '' && from !== to) leave(state.podsByNode, from, key, before as Pod);
  if (to !== '') enter(state.podsByNode, to, key, after as Pod, from === to, byPlace);
}

function reown(
  state: MutableState, key: ObjectKey, before: KubeObject | null, after: KubeObject | null,
): void {
  const old = ownersOf(before), now = ownersOf(after);
  if (old.length === 0 && now.length === 0) return;
  for (const uid of old) {
    if (!now.includes(uid)) leave(state.byOwner, uid, key, { key, object: before as KubeObject });
  }
  for (const uid of now) {
    enter(state.byOwner, uid, key, { key, object: after as KubeObject }, old.includes(uid), byKey);
  }
}

const noOwners: readonly string[] = [];

/** Each uid once, however often it is named. */
function ownersOf(object: KubeObject | null): readonly string[] {
  const owners = object?.metadata.ownerReferences;
  if (owners === undefined || owners.length === 0) return noOwners;
  return owners.length === 1 ? [owners[0]?.uid ?? ''] : [...new Set(owners.map(({ uid }) => uid))];
}

const byKey = (a: Keyed, b: Keyed): number => compareText(a.key, b.key);

function enter<T>(
  index: Map<string, Shelf<T>>, name: string, key: ObjectKey, item: T, known: boolean,
  compare: (a: T, b: T) => number,
): void {
  let shelf = index.get(name);
  if (shelf === undefined) index.set(name, shelf = createShelf(compare));
  put(shelf, key, item, known);
}

function leave<T>(index: Map<string, Shelf<T>>, name: string, key: ObjectKey, item: T): void {
  const shelf = index.get(name);
  if (shelf === undefined) return;
  take(shelf, key, item);
  if (shelf.size === 0) index.delete(name);
}
