// How long the event loop of this process was held at most: what a request or a timer would have had to wait.
// Measured from the first time that somebody asks, for it takes a timer of its own.

import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface LoopFigures { readonly longestMs: number; readonly p99Ms: number }

/** The resolution of the measurement, which is in each figure, too. */
const resolution = 5;

/** Each call tells of the time since the one before; the first one only begins. */
export function createLoopWatch(): () => LoopFigures {
  let histogram: ReturnType<typeof monitorEventLoopDelay> | null = null;
  const shown = (nanoseconds: number): number =>
    Math.max(0, Math.round(nanoseconds / 1e4) / 100 - resolution);
  return () => {
    if (histogram === null) {
      histogram = monitorEventLoopDelay({ resolution });
      histogram.enable();
    }
    const figures = { longestMs: shown(histogram.max), p99Ms: shown(histogram.percentile(99)) };
    histogram.reset();
    return figures;
  };
}
