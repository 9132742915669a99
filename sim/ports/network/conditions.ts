// How a link treats its messages: how long they take, how many are lost, come twice or are overtaken, and how
// much fits through. What always holds: a delay is a function of the conditions and of one drawn number; it
// is made of additions and multiplications only, so that it is the same on every machine.

/** Chances are per million messages. */
export interface LinkConditions {
  /**
   * `constant`: each takes `delayMsMax`. `uniform`: between the two. `exponential`: `delayMsMin`, and
   * `delayMsMax` more on average, at most eight times that. `heavy-tail`: `delayMsMin`, and mostly less than
   * `delayMsMax` more, but for one in a hundred seven times as much, for one in ten thousand 150 times
   * (Pareto, shape 3/2): what queues in routers and hypervisors do.
   */
  readonly delay: 'constant' | 'uniform' | 'exponential' | 'heavy-tail';
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  readonly lossPpm: number;
  readonly duplicatePpm: number;
  /** Messages that others may overtake: these take up to `reorderMsMax` longer. */
  readonly reorderPpm: number;
  readonly reorderMsMax: number;
  /** One message after the other goes over the wire at this rate; absent: at once. */
  readonly bytesPerSecond?: number;
  /** What may wait for the wire, the newest beyond it is dropped; absent: as much as a real peer queues. */
  readonly queueBytesMax?: number;
}

export const goodLink: LinkConditions = {
  delay: 'uniform', delayMsMin: 0.2, delayMsMax: 1,
  lossPpm: 0, duplicatePpm: 0, reorderPpm: 0, reorderMsMax: 0,
};

/** Whole microseconds, in milliseconds. `fate`: 32 drawn bits. */
export function delayOf({ delay, delayMsMin, delayMsMax }: LinkConditions, fate: number): number {
  const part = share(fate);
  switch (delay) {
    case 'constant': return microseconds(delayMsMax);
    case 'uniform': return microseconds(delayMsMin + part * (delayMsMax - delayMsMin));
    case 'exponential': return microseconds(delayMsMin + quantile(exponential, part) * delayMsMax);
    case 'heavy-tail': return microseconds(delayMsMin + heavyTail(part) * delayMsMax);
  }
}

export const happens = (ppm: number, fate: number): boolean => ppm > 0 && fate % 1_000_000 < ppm;

/** In [0, 1). */
export const share = (fate: number): number => fate / 0x1_0000_0000;

const microseconds = (ms: number): number => Math.round(ms * 1e3) / 1e3;

/** Quantiles of the exponential distribution with mean 1 at sixteenths, so that no logarithm is taken. */
const exponential = [
  0, 0.0645, 0.1335, 0.2076, 0.2877, 0.3747, 0.47, 0.5754, 0.6931, 0.8267, 0.9808, 1.163, 1.3863, 1.674,
  2.0794, 2.7726, 8,
] as const;

/** Likewise of the Pareto distribution with mean 1: (1 - p)^(-2/3) / 3. */
const pareto = [
  0.3333, 0.348, 0.3644, 0.3828, 0.4038, 0.4279, 0.456, 0.4892, 0.5291, 0.5784, 0.641, 0.7238, 0.8399, 1.0175,
  1.3333, 2.1165,
] as const;
/** The last sixteenth looks like the whole, this many times as large: 16^(2/3). */
const paretoStep = 6.3496;
/** So often it is looked into, once for one message in 4,096: nothing takes more than 542 times the mean. */
const paretoDepthMax = 3;

function heavyTail(part: number): number {
  let scale = 1, rest = part;
  for (let depth = 0; depth < paretoDepthMax && rest * 16 >= 15; depth += 1) {
    rest = rest * 16 - 15;
    scale *= paretoStep;
  }
  return scale * quantile(pareto, Math.min(rest, 15 / 16));
}

function quantile(table: readonly number[], part: number): number {
  const at = Math.floor(part * 16);
  const low = table[at] ?? 0, high = table[at + 1] ?? low;
  return low + (high - low) * (part * 16 - at);
}
