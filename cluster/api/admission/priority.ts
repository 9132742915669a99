// Priority: a pod's priority comes from its PriorityClass, or from the one that is the default; of these
// there
// is one at most.
//
// Source of facts: Kubernetes plugin/pkg/admission/priority (messages; what an update keeps; of several
// defaults the one with the lowest value counts), pkg/apis/scheduling (the two classes of the system).
// What always holds: the number in the pod is never the client's own.

import { objectKey, resourceName } from '../../ids.ts';
import { get, list } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import { invalid } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject, Pod } from '../types.ts';
import { denied } from './attributes.ts';
import type { Admission } from './attributes.ts';

interface PriorityClass extends KubeObject {
  readonly value?: number; readonly globalDefault?: boolean; readonly preemptionPolicy?: string;
}

interface Ranked extends Pod {
  readonly spec: Pod['spec'] & { readonly priorityClassName?: string; readonly preemptionPolicy?: string };
}

const classes = resourceName('scheduling.k8s.io/priorityclasses');

/** There from the beginning, whether stored or not. */
const systemClasses: ReadonlyMap<string, number> = new Map([
  ['system-cluster-critical', 2_000_000_000], ['system-node-critical', 2_000_001_000],
]);

const isOf = ({ writing: { route } }: Admission, group: string, kind: string): boolean =>
  route.resource.group === group && route.resource.kind === kind && route.subresource === '';

export function ranked(write: Admission, object: KubeObject): KubeObject | Problem {
  if (!isOf(write, '', 'Pod')) return object;
  const pod = object as Ranked, { spec } = pod;
  if (write.old !== null) return object;
  const { priorityClassName: name = '' } = spec, { state, route } = write.writing;
  const usual = defaultClass(state), found = name === '' ? usual : classNamed(state, name);
  if (name !== '' && found === null) return denied(write, `no PriorityClass with name ${name} was found`);
  // What one pod asks for over others is not honoured: nothing makes room for it. What all have alike is.
  if (found !== usual) {
    return invalid(route.resource, pod.metadata.name, [{
      reason: 'FieldValueForbidden', field: 'spec.priorityClassName',
      message: 'Forbidden: priorityClassName is not supported by Shoal yet',
    }]);
  }
  const priority = found?.value ?? 0, policy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
  // 0 is what the pod's own defaults fill in.
  if ((spec.priority ?? 0) !== 0 && spec.priority !== priority) {
    return denied(write, `the integer value of priority (${spec.priority}) must not be provided in pod spec; `
      + `priority admission controller computed ${priority} from the given PriorityClass name`);
  }
  const stated = spec.preemptionPolicy ?? 'PreemptLowerPriority';
  if (stated !== 'PreemptLowerPriority' && stated !== policy) {
    return denied(
      write, `the string value of PreemptionPolicy (${stated}) must not be provided `
      + `in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`);
  }
  if (spec.priority === priority && spec.preemptionPolicy === policy) return object;
  const named = found === null ? {} : { priorityClassName: found.metadata.name };
  return { ...pod, spec: { ...spec, ...named, priority, preemptionPolicy: policy } } as KubeObject;
}

function classNamed(state: State, name: string): PriorityClass | null {
  const stored = get<PriorityClass>(state, objectKey(classes, '', name)), value = systemClasses.get(name);
  if (stored !== null || value === undefined) return stored;
  return { metadata: { name }, value } as PriorityClass;
}

function defaultClass(state: State): PriorityClass | null {
  let lowest: PriorityClass | null = null;
  for (const one of list<PriorityClass>(state, classes)) {
    if (one.globalDefault === true && (lowest === null || (one.value ?? 0) < (lowest.value ?? 0))) lowest =
      one;
  }
  return lowest;
}

/** A second default is refused. */
export function oneDefault(write: Admission): Problem | null {
  if (!isOf(write, 'scheduling.k8s.io', 'PriorityClass') || write.object === null) return null;
  const { globalDefault, metadata } = write.object as PriorityClass;
  const other = globalDefault === true ? defaultClass(write.writing.state) : null;
  if (other === null || (write.operation === 'UPDATE' && other.metadata.name === metadata.name)) return null;
  return denied(write,
    `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`);
}
