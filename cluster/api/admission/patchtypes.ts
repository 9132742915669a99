// The types in which a mutation is written: parts of the object by the path of their fields, and operations
// of
// a JSON patch. Source of facts: k8s.io/apiserver pkg/cel/mutation.

import { listOf, objectType, types } from '../cel/types.ts';
import type { CelType, ObjectType } from '../cel/types.ts';

const patchType = objectType('JSONPatch', {
  op: types.string, path: types.string, from: types.string, value: types.dyn,
});

const partOf = (name: string): ObjectType => ({ kind: 'object', name, field: () => types.dyn });

/** `Object`, `Object.spec`, `Object.spec.template` …: of a part of the object, with whatever fields. */
export function mutationObject(name: string): ObjectType | null {
  if (name === 'JSONPatch') return patchType;
  return name === 'Object' || name.startsWith('Object.') ? partOf(name) : null;
}

/** What the expression of each type of patch evaluates to. */
export const patchResults: Readonly<Record<string, CelType>> = {
  ApplyConfiguration: partOf('Object'), JSONPatch: listOf(patchType),
};
