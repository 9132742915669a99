// Whether this node takes a pod that was bound to it. The scheduler decides from the state; the node has the
// last word, for two leaders in a row may have counted differently.
// Source: Kubernetes, pkg/kubelet/lifecycle/predicate.go, whose reasons and messages these are.

import type { Pod } from '../../cluster/api/types.ts';
import { requestOf } from '../scheduler/requests.ts';
import type { PodRequest } from '../scheduler/requests.ts';
import type { Verdict } from '../pod/context.ts';

export interface NodeOffer {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly pods: number;
  /** Where it is not known, nothing is rejected for it. */
  readonly ephemeralStorageBytes?: number;
  readonly labels: Readonly<Record<string, string>>;
}

interface Amounts { readonly cpuMilli: number; readonly memoryBytes: number; readonly storageBytes: number }

/** What the pods ask for together. */
export function sumRequests(pods: readonly Pod[]): Amounts {
  let cpuMilli = 0, memoryBytes = 0, storageBytes = 0;
  for (const pod of pods) {
    const request = requestOf(pod);
    cpuMilli += request.cpuMilli;
    memoryBytes += request.memoryBytes;
    storageBytes += storageOf(request);
  }
  return { cpuMilli, memoryBytes, storageBytes };
}

/** Bytes, of thousandths. */
const storageOf = ({ others }: PodRequest): number =>
  Math.ceil((others.find(([name]) => name === 'ephemeral-storage')?.[1] ?? 0) / 1_000);

/** Why the pod is rejected; null: it is admitted. `others`: the pods that hold a share of the node now. */
export function rejection(pod: Pod, others: readonly Pod[], offer: NodeOffer): Verdict | null {
  const asked = requestOf(pod), used = sumRequests(others);
  const lacking = (resource: string, requested: number, taken: number, capacity: number): Verdict => ({
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, `
      + `requested: ${requested}, used: ${taken}, capacity: ${capacity}`,
  });
  if (others.length + 1 > offer.pods) return lacking('pods', 1, others.length, offer.pods);
  if (asked.cpuMilli > 0 && used.cpuMilli + asked.cpuMilli > offer.cpuMilli) {
    return lacking('cpu', asked.cpuMilli, used.cpuMilli, offer.cpuMilli);
  }
  if (asked.memoryBytes > 0 && used.memoryBytes + asked.memoryBytes > offer.memoryBytes) {
    return lacking('memory', asked.memoryBytes, used.memoryBytes, offer.memoryBytes);
  }
  const storage = storageOf(asked), { ephemeralStorageBytes = Infinity } = offer;
  if (storage > 0 && used.storageBytes + storage > ephemeralStorageBytes) {
    return lacking('ephemeral-storage', storage, used.storageBytes, ephemeralStorageBytes);
  }
  const wanted = Object.entries(pod.spec.nodeSelector ?? {});
  if (wanted.every(([name, value]) => offer.labels[name] === value)) return null;
  const message = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
  return { reason: 'NodeAffinity', message };
}
