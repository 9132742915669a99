// How long to wait before trying again: crashed containers, failed pulls, failed runtime calls.
// Source: Kubernetes documentation, "Pod Lifecycle: Container restart policy": 10 s, doubling, at most five
// minutes, and from the start again once a container has run for ten minutes.

import { limits } from '../../cluster/limits.ts';

/** `first` · 2^(n-1), at most `most`, for the n-th wait; 0 for n = 0. */
function doubling(n: number, first: number, most: number): number {
  return n <= 0 ? 0 : Math.min(most, first * 2 ** Math.min(n - 1, 30));
}

/** Wait after an exit. The first restart is at once; `restarts` counts those already made in this row. */
export function crashDelayMs(restarts: number): number {
  return doubling(restarts, limits.containerBackoffMsMin, limits.containerBackoffMsMax);
}

/** `failures`: pulls that failed in a row, at least one. */
export function pullDelayMs(failures: number): number {
  return doubling(failures, limits.imagePullBackoffMsMin, limits.imagePullBackoffMsMax);
}

export function retryDelayMs(failures: number): number {
  return doubling(failures, limits.runtimeRetryMsMin, limits.runtimeRetryMsMax);
}

/** A run this long clears the record. */
export const clearsBackoff = (ranMs: number): boolean => ranMs >= limits.containerBackoffResetMs;
