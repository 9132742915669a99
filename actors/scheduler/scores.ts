// Which of the possible nodes is best: each score is an integer from 0 to 100, and the weights are named.
// Source: Kubernetes, "Scheduling Framework: Score", and the plugins of the same names; Spread is the older
// SelectorSpread, by node, for the pods of one controller.
// What always holds: scores are integers, so the sum has no rounding that could differ between machines.

import { tolerates } from '../node/eviction.ts';
import type { Candidate } from './requests.ts';
import type { NodeView } from './view.ts';

export interface Score {
  readonly name: string;
  readonly weight: number;
  /** From 0 to 100 for each node, in the order of `nodes`. */
  readonly rate: (candidate: Candidate, nodes: readonly NodeView[]) => readonly number[];
}

/** Rather where more stays free. */
const leastAllocated: Score = {
  name: 'LeastAllocated',
  weight: 1,
  rate: ({ request }, nodes) => nodes.map(({ used, allocatable }) =>
    Math.floor((freePercent(allocatable.cpuMilli, used.scoredCpuMilli + request.scoredCpuMilli)
      + freePercent(allocatable.memoryBytes, used.scoredMemoryBytes + request.scoredMemoryBytes)) / 2)),
};

function freePercent(there: number, taken: number): number {
  return there <= 0 || taken > there ? 0 : Math.floor(((there - taken) * 100) / there);
}

/** Rather where CPU and memory are used to like parts. */
const balancedAllocation: Score = {
  name: 'BalancedAllocation',
  weight: 1,
  rate: ({ request }, nodes) => nodes.map(({ used, allocatable }) => {
    const cpu = share(used.cpuMilli + request.cpuMilli, allocatable.cpuMilli);
    const memory = share(used.memoryBytes + request.memoryBytes, allocatable.memoryBytes);
    return Math.floor((1 - Math.abs(cpu - memory) / 2) * 100);
  }),
};

const share = (taken: number, there: number): number => (there <= 0 ? 1 : Math.min(1, taken / there));

/** Rather where fewer PreferNoSchedule taints are in the way. */
const taintToleration: Score = {
  name: 'TaintToleration',
  weight: 3,
  rate: ({ tolerations }, nodes) => fewest(nodes.map(({ softTaints }) => {
    let inTheWay = 0;
    for (const taint of softTaints) if (!tolerations.some((one) => tolerates(one, taint))) inTheWay += 1;
    return inTheWay;
  })),
};

/** Rather where fewer pods of the same controller are. */
const spread: Score = {
  name: 'Spread',
  weight: 2,
  rate: ({ owner }, nodes) => (owner === null ? nodes.map(() => 0)
    : fewest(nodes.map(({ owners }) => owners.get(owner) ?? 0))),
};

/** The node with the most gets 0, one with none 100. */
function fewest(counts: readonly number[]): readonly number[] {
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  return counts.map((n) => (most === 0 ? 100 : Math.floor(((most - n) * 100) / most)));
}

export const scores: readonly Score[] = [leastAllocated, balancedAllocation, taintToleration, spread];
