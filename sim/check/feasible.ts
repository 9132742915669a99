// Where a pod could go, by brute force and with arithmetic of its own: every node, every condition, no cache.
// For the question whether a pod that waits is right to wait.

import { cpuMilli, memoryBytes } from '../../cluster/api/quantity.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { Node, Pod, Taint, Toleration } from '../../cluster/api/types.ts';
import { list, podsOnNode } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import { askedBy } from './scheduling.ts';

/** The name of a node that this pod fits on as things are; null: there is none. */
export function feasibleNode(state: State, pod: Pod): string | null {
  const found = list<Node>(state, resources.nodes)
    .find((node) => isOpenTo(node, pod) && fits(state, node, pod));
  return found?.metadata.name ?? null;
}

function isOpenTo({ metadata, spec, status }: Node, pod: Pod): boolean {
  const { tolerations = [], nodeSelector = {} } = pod.spec;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  if (ready !== 'True' || spec?.unschedulable === true) return false;
  const repelled = (spec?.taints ?? []).some((taint) => taint.effect !== 'PreferNoSchedule'
    && !tolerations.some((each) => bears(each, taint)));
  return !repelled && Object.entries(nodeSelector).every(([key, value]) => metadata.labels?.[key] === value);
}

/** Kubernetes, "Taints and Tolerations". */
function bears({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  const sameEffect = effect === undefined || effect === taint.effect;
  if ((key ?? '') === '') return sameEffect && operator === 'Exists';
  return sameEffect && key === taint.key && (operator === 'Exists' || (value ?? '') === (taint.value ?? ''));
}

function fits(state: State, { metadata, status }: Node, pod: Pod): boolean {
  const has = status?.allocatable ?? status?.capacity ?? {}, asked = askedBy(pod);
  let cpu = asked.cpu, memory = asked.memory, pods = 1;
  for (const other of podsOnNode(state, metadata.name)) {
    if (other.status?.phase === 'Succeeded' || other.status?.phase === 'Failed') continue;
    const taken = askedBy(other);
    cpu += taken.cpu;
    memory += taken.memory;
    pods += 1;
  }
  return (asked.cpu === 0 || cpu <= cpuMilli(has)) && (asked.memory === 0 || memory <= memoryBytes(has))
    && pods <= Number(has['pods'] ?? 0);
}
