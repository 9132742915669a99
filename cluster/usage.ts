// What a machine and the containers on it use: counters as a runtime reads them, and the figures of a node as
// peers tell them to each other.
//
// What always holds: figures are not part of the state: they are measured when somebody asks, go from peer to
// peer, and are forgotten. The log never carries one.

import type { NodeName } from './ids.ts';

/** Counters of one reading. CPU time since the start of what is counted, in microseconds. */
export interface UsageCounters {
  readonly cpuUs: number;
  /** The working set: what can't be had back at once when memory runs out. */
  readonly memoryBytes: number;
}

/** One reading of the whole machine, and of each container that runs. */
export interface RuntimeUsage {
  readonly machine: UsageCounters;
  /** By container id, in any order. */
  readonly containers: readonly (UsageCounters & { readonly id: string })[];
}

export interface Usage {
  /** Billionths of a core, on average over the window. */
  readonly cpuNano: number;
  readonly memoryBytes: number;
}

export interface PodUsage {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Of its containers that run, by name. */
  readonly containers: readonly (Usage & { readonly name: string })[];
}

export interface NodeUsage {
  /** When its last reading was taken, by the wall clock of its peer, and over how long it is averaged. */
  readonly takenAtMs: number;
  readonly windowMs: number;
  readonly node: Usage;
  /** By namespace and name; none where nobody asked for them. */
  readonly pods: readonly PodUsage[];
}

/** Of which nodes somebody wants to know, and whether of their pods, too. */
export interface UsageWanted {
  readonly nodes: readonly NodeName[];
  readonly pods: boolean;
}

/** By node; a node is missing whose peer has not answered in time, or could not measure. */
export type UsageFound = ReadonlyMap<string, NodeUsage>;
