// What a pod asks of a node, as numbers: computed once per pod, compared with every node.
// Source: Kubernetes, "Resource Management for Pods and Containers", and the scheduler's NodeResourcesFit.
// What always holds: init containers run one after the other before the others, so the larger of the two
// counts.

import { cpuMilli, memoryBytes, quantityMilli } from '../../cluster/api/quantity.ts';
import type { Container, Pod, ResourceList, Toleration } from '../../cluster/api/types.ts';
import { controllerOf } from '../../cluster/api/objects.ts';

export interface PodRequest {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  /** Every other resource by name, in thousandths, sorted by name. */
  readonly others: readonly (readonly [string, number])[];
  /** As above, but a container that asks for nothing counts as a small one: for scores only. */
  readonly scoredCpuMilli: number;
  readonly scoredMemoryBytes: number;
  readonly hostPorts: readonly HostPort[];
}

export interface HostPort { readonly protocolPort: string; readonly ip: string }

/** A pod that is to be placed, with what the filters and scores look at. */
export interface Candidate {
  readonly pod: Pod;
  readonly request: PodRequest;
  readonly selector: readonly (readonly [string, string])[];
  readonly tolerations: readonly Toleration[];
  /** The uid of its controller, whose pods are spread; null for a pod of its own. */
  readonly owner: string | null;
}

/** What Kubernetes' scores assume of a container without requests: 100m and 200 MB. */
const assumedCpuMilli = 100, assumedMemoryBytes = 200 * 1024 * 1024;

export function candidateOf(pod: Pod): Candidate {
  return {
    pod, request: requestOf(pod), selector: Object.entries(pod.spec.nodeSelector ?? {}).sort(byName),
    tolerations: pod.spec.tolerations ?? [], owner: controllerOf(pod)?.uid ?? null,
  };
}

export function requestOf({ spec }: Pod): PodRequest {
  const sum = { cpu: 0, memory: 0, scoredCpu: 0, scoredMemory: 0, others: new Map<string, number>() };
  for (const container of spec.containers) {
    const list = requestsOf(container);
    const cpu = cpuMilli(list), memory = memoryBytes(list);
    sum.cpu += cpu;
    sum.memory += memory;
    sum.scoredCpu += cpu === 0 ? assumedCpuMilli : cpu;
    sum.scoredMemory += memory === 0 ? assumedMemoryBytes : memory;
    for (const [name, milli] of othersOf(list)) sum.others.set(name, (sum.others.get(name) ?? 0) + milli);
  }
  for (const container of spec.initContainers ?? []) {
    const list = requestsOf(container);
    const cpu = cpuMilli(list), memory = memoryBytes(list);
    sum.cpu = Math.max(sum.cpu, cpu);
    sum.memory = Math.max(sum.memory, memory);
    sum.scoredCpu = Math.max(sum.scoredCpu, cpu);
    sum.scoredMemory = Math.max(sum.scoredMemory, memory);
    for (const [name, milli] of othersOf(list)) {
      sum.others.set(name, Math.max(sum.others.get(name) ?? 0, milli));
    }
  }
  return {
    cpuMilli: sum.cpu, memoryBytes: sum.memory, others: [...sum.others].filter(([, n]) => n > 0).sort(byName),
    scoredCpuMilli: sum.scoredCpu, scoredMemoryBytes: sum.scoredMemory, hostPorts: hostPortsOf(spec),
  };
}

/** A limit is a request where none is made, as the API fills in. */
function requestsOf({ resources }: Container): ResourceList {
  return { ...resources?.limits, ...resources?.requests };
}

/** Everything in a list but cpu and memory (and pods, which are counted), in thousandths. */
export function othersOf(list: ResourceList | undefined): readonly (readonly [string, number])[] {
  return Object.entries(list ?? {})
    .filter(([name]) => name !== 'cpu' && name !== 'memory' && name !== 'pods')
    .map(([name, text]) => [name, quantityMilli(String(text)) ?? 0] as const)
    .sort(byName);
}

function hostPortsOf({ containers }: Pod['spec']): readonly HostPort[] {
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, protocol = 'TCP', hostIP = '' }) =>
      hostPort > 0
        ? [{ protocolPort: `${protocol}/${hostPort}`, ip: hostIP === '' ? anyAddress : hostIP }]
        : [],
    ),
  );
}

export const anyAddress = '0.0.0.0';

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
  a[0] < b[0] ? -1 : 1;
