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
import { qosClass } from '../resources/podspec.ts';
import type { KubeObject, Pod } from '../types.ts';
import type { Admission } from './attributes.ts';
import { checkLimits, defaultLimits } from './limitranger.ts';
import { mutatingPolicies } from './mutating.ts';
import { nodeRestriction, restrictedNode } from './noderestriction.ts';
import { mutatingWebhooks, newRounds } from './mutatingwebhooks.ts';
import type { Rounds } from './mutatingwebhooks.ts';
import { podSecurity } from './podsecurity/podsecurity.ts';
import { oneDefault, ranked } from './priority.ts';
import { validatingPolicies } from './validating.ts';
import { validatingWebhooks } from './validatingwebhooks.ts';

export { admission } from './attributes.ts';
export type { Admission };

interface Plugin {
  readonly name: string;
  /** The object to be stored in its place; the same one where nothing is to be changed. */
  readonly mutate?: (write: Admission, object: KubeObject) => KubeObject | Problem;
  /** Why it may not be; null: it may. */
  readonly validate?: (write: Admission) => Problem | null;
}

const builtIn: readonly Plugin[] = [
  { name: 'LimitRanger', mutate: defaultLimits, validate: checkLimits },
  { name: 'NodeRestriction', mutate: restrictedNode, validate: nodeRestriction },
  { name: 'PodSecurity', validate: podSecurity },
  { name: 'Priority', mutate: ranked, validate: oneDefault },
];

const policies: readonly Plugin[] = [
  { name: 'MutatingAdmissionPolicy', mutate: mutatingPolicies },
  { name: 'ValidatingAdmissionPolicy', validate: validatingPolicies },
];

/** A write as the plug-ins would have it. */
export interface Admitted { readonly write: Admission; readonly object: KubeObject }

type Written = Admission & { readonly object: KubeObject };

/** What the plug-ins make of the object that is written, or the refusal of one of them. */
export function mutate(write: Written): Admitted | Problem {
  const first = round(write, builtIn);
  if (isProblem(first)) return first;
  const judged = round(first, policies), hooks = newRounds();
  if (isProblem(judged)) return judged;
  const last = hooked(judged, first.object, hooks);
  if (isProblem(last)) return last;
  const object = last.object === write.object ? write.object : classed(last.object);
  return { write: { ...last, object }, object };
}

/** After the webhooks; where they or the policies changed anything, the built-in plug-ins and they go on. */
function hooked(write: Written, before: KubeObject, hooks: Rounds): Written | Problem {
  const object = mutatingWebhooks(write, write.object, hooks);
  if (isProblem(object)) return object;
  if (object === before) return write;
  const again = round({ ...write, object }, builtIn);
  if (isProblem(again)) return again;
  const last = mutatingWebhooks(again, again.object, hooks);
  return isProblem(last) ? last : { ...again, object: last };
}

function round(write: Written, plugins: readonly Plugin[]): Written | Problem {
  let { object } = write;
  for (const plugin of plugins) {
    const next: KubeObject | Problem = plugin.mutate?.({ ...write, object }, object) ?? object;
    if (isProblem(next)) return next;
    object = next;
  }
  return { ...write, object };
}

/** A pod's class follows from what it asks for, and so does not outlive a change of that. */
function classed(object: KubeObject): KubeObject {
  if (object.kind !== 'Pod' || object.apiVersion !== 'v1') return object;
  const pod = object as Pod;
  return pod.status?.qosClass === undefined ? pod
    : { ...pod, status: { ...pod.status, qosClass: qosClass(pod.spec) } } as KubeObject;
}

/** Why the write is refused; null: it is not. */
export function validate(given: Admission): Problem | null {
  const write: Admission = { ...given, named: true };
  for (const plugin of [...builtIn, ...policies]) {
    const refused = plugin.validate?.(write) ?? null;
    if (refused !== null) return refused;
  }
  return validatingWebhooks(write);
}
