// Whether a write changes anything: deep equality of two objects, their resourceVersion aside.

import type { KubeObject } from '../api/types.ts';

/** As Kubernetes' store decides whether an update is worth a new resourceVersion. */
export function sameObject(a: KubeObject, b: KubeObject): boolean {
  if (a === b) return true;
  const { metadata: ma, ...restA } = a, { metadata: mb, ...restB } = b;
  return same(restA, restB) && same({ ...ma, resourceVersion: '' }, { ...mb, resourceVersion: '' });
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Readonly<Record<string, unknown>>, right = b as Readonly<Record<string, unknown>>;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && same(left[key], right[key]));
}
