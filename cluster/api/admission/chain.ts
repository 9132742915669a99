// The admission chain: what has a say in a write between its being decoded and its being stored.
//
//     decode → default → prepare → `mutate` → validate → `validate` → command
//
// Plug-ins come in Kubernetes' order (kubeapiserver options/plugins.go). What the policies change, the
// built-in plug-ins see once more.
// What always holds: admission is pure over the state; what must hold at the moment of the write itself is
// decided where the log is applied.

import { isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject } from '../types.ts';
import type { Admission } from './attributes.ts';
import { mutatingPolicies } from './mutating.ts';
import { validatingPolicies } from './validating.ts';

export { admission } from './attributes.ts';
export type { Admission };

interface Plugin {
  readonly name: string;
  /** The object to be stored in its place; the same one where nothing is to be changed. */
  readonly mutate?: (write: Admission, object: KubeObject) => KubeObject | Problem;
  /** Why it may not be; null: it may. */
  readonly validate?: (write: Admission) => Problem | null;
}

const plugins: readonly Plugin[] = [
  { name: 'MutatingAdmissionPolicy', mutate: mutatingPolicies },
  { name: 'ValidatingAdmissionPolicy', validate: validatingPolicies },
];

/** A write as the plug-ins would have it. */
export interface Admitted { readonly write: Admission; readonly object: KubeObject }

/** What the plug-ins make of the object that is written, or the refusal of one of them. */
export function mutate(write: Admission & { readonly object: KubeObject }): Admitted | Problem {
  let { object } = write;
  for (const plugin of plugins) {
    const next: KubeObject | Problem = plugin.mutate?.({ ...write, object }, object) ?? object;
    if (isProblem(next)) return next;
    object = next;
  }
  return { write: { ...write, object }, object };
}

/** Why the write is refused; null: it is not. */
export function validate(write: Admission): Problem | null {
  for (const plugin of plugins) {
    const refused = plugin.validate?.(write) ?? null;
    if (refused !== null) return refused;
  }
  return null;
}
