// Keeps the orders and indexes of a state true to its objects. Called by `apply.ts` and when a snapshot is read.

import { splitKey } from '../ids.ts';
import type { ObjectKey } from '../ids.ts';
import { resources } from '../api/objects.ts';
import type { KubeObject, Pod, Service } from '../api/types.ts';
import { claim, release } from './allocate.ts';
import type { MutableState, Shelf } from './state.ts';

/** Puts `object` in the place of what the key held; null takes it away. */
export function place(state: MutableState, key: ObjectKey, object: KubeObject | null): void {
  const before = state.objects.get(key) ?? null;
  const { resource } = splitKey(key);
  if (object === null) state.objects.delete(key);
  else state.objects.set(key, object);
  let shelf = state.shelves.get(resource);
  if (shelf === undefined) state.shelves.set(resource, shelf = { keys: [], objects: [], shared: false });
  shelve(shelf, key, object);
  if (resource === resources.pods) {
    move(state.podsByNode, key, (before as Pod | null)?.spec.nodeName, (object as Pod | null)?.spec.nodeName);
  }
  if (resource === resources.services) {
    if (before !== null) release(state.allocations, key, before as Service);
    if (object !== null) claim(state.allocations, key, object as Service);
  }
  reown(state, key, before, object);
}

function shelve(shelf: Shelf, key: ObjectKey, object: KubeObject | null): void {
  if (shelf.shared) {
    shelf.keys = shelf.keys.slice();
    shelf.objects = shelf.objects.slice();
    shelf.shared = false;
  }
  const at = lowerBound(shelf.keys, key);
  const found = shelf.keys[at] === key;
  if (object === null) {
    if (!found) return;
    shelf.keys.splice(at, 1);
    shelf.objects.splice(at, 1);
  } else if (found) {
    shelf.objects[at] = object;
  } else {
    shelf.keys.splice(at, 0, key);
    shelf.objects.splice(at, 0, object);
  }
}

/** The first position whose key is not below `key`; appending in order is the common case. */
export function lowerBound(keys: readonly string[], key: string): number {
  const last = keys.length - 1;
  if (last < 0 || (keys[last] as string) < key) return keys.length;
  let low = 0, high = last;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function reown(state: MutableState, key: ObjectKey, before: KubeObject | null, after: KubeObject | null): void {
  const old = before?.metadata.ownerReferences, now = after?.metadata.ownerReferences;
  if (old === now) return;
  for (const { uid } of old ?? []) take(state.byOwner, uid, key);
  for (const { uid } of now ?? []) add(state.byOwner, uid, key);
}

function move(index: Map<string, Set<ObjectKey>>, key: ObjectKey, from: string | undefined, to: string | undefined): void {
  if (from === to) return;
  if (from !== undefined && from !== '') take(index, from, key);
  if (to !== undefined && to !== '') add(index, to, key);
}

function add(index: Map<string, Set<ObjectKey>>, name: string, key: ObjectKey): void {
  const keys = index.get(name);
  if (keys === undefined) index.set(name, new Set([key]));
  else keys.add(key);
}

function take(index: Map<string, Set<ObjectKey>>, name: string, key: ObjectKey): void {
  const keys = index.get(name);
  if (keys?.delete(key) === true && keys.size === 0) index.delete(name);
}
