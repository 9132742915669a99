// Faults as data: a plan says what goes wrong in a run, when, and where. It is drawn from the seed, printed
// before the run, saved, edited and replayed.
//
// Swarm testing: whole classes of faults are off in some runs, so that those which hide each other are seen
// apart. What always holds: every fault is over by `healMs`; the plan is plain JSON; peers count from 1.

import { createRandom, hash32, hashText } from '../cluster/random.ts';
import type { Random } from '../cluster/random.ts';
import type { PeerConfig } from '../actors/peer/core.ts';
import type { ClockFault } from './ports/clock.ts';
import type { ContainerFaults } from './ports/containers.ts';
import type { DiskConditions } from './ports/disk.ts';
import type { PartitionDirection } from './ports/network.ts';
import type { LinkConditions } from './ports/network/conditions.ts';

export const faultClasses = [
  'partition', 'links', 'clog', 'crash', 'power', 'pause', 'slow-disk', 'disk-fails', 'clocks', 'runtime',
  'containers', 'leave',
] as const;
export type FaultClass = (typeof faultClasses)[number];

/** From one peer to another, by number. */
export type LinkName = readonly [from: number, to: number];

interface Timed { readonly atMs: number; readonly forMs: number }

export type Fault = Timed & (
  /** Peers in neither group see both: a bridge. */
  | { readonly kind: 'partition'; readonly a: readonly number[]; readonly b: readonly number[];
      readonly direction: PartitionDirection }
  | { readonly kind: 'links'; readonly links: readonly LinkName[]; readonly conditions: LinkConditions }
  | { readonly kind: 'clog'; readonly links: readonly LinkName[] }
  /** The processes are killed, and started again after `forMs`; containers go on. */
  | { readonly kind: 'crash'; readonly peers: readonly number[] }
  /** The machines lose power: containers die too. */
  | { readonly kind: 'power'; readonly peers: readonly number[] }
  /** The process stands still; what comes meanwhile waits. */
  | { readonly kind: 'pause'; readonly peer: number }
  | { readonly kind: 'slow-disk'; readonly peer: number; readonly conditions: DiskConditions }
  /** The next sync fails, the peer stops, and is started again when the fault is over. */
  | { readonly kind: 'disk-fails'; readonly peer: number }
  | { readonly kind: 'clock-jump'; readonly peer: number; readonly skewMs: number }
  | { readonly kind: 'runtime'; readonly peer: number; readonly faults: Partial<ContainerFaults> }
  | { readonly kind: 'runtime-down'; readonly peer: number }
  /** One in `oneIn` containers exits with code 1, vanishes, or loses its sandbox. */
  | { readonly kind: 'containers'; readonly peer: number; readonly oneIn: number;
      readonly how: 'exit' | 'lose' | 'sandbox' }
  /** It is taken out of the cluster; its machine is emptied and joins again when the fault is over. */
  | { readonly kind: 'leave'; readonly peer: number }
);

export type FaultOf<Kind extends Fault['kind']> = Extract<Fault, { readonly kind: Kind }>;

export interface FaultPlan {
  readonly version: 1;
  readonly seed: number;
  readonly peers: number;
  readonly minutes: number;
  /** All faults are over, and users change nothing any more. */
  readonly healMs: number;
  /** What is desired must have come about this long after `healMs`. */
  readonly boundMs: number;
  readonly classes: readonly FaultClass[];
  /** How links and disks are when nothing is wrong with them. */
  readonly links: LinkConditions;
  readonly disks: DiskConditions;
  /** Each peer's clocks, for the whole run. */
  readonly clocks: readonly ClockFault[];
  /** Bounds of the log: small ones in many runs, so that snapshots and long catching up are met. */
  readonly logBounds: NonNullable<PeerConfig['logBounds']>;
  /** The peers that heal at `healMs`; all without it. What the others suffer becomes permanent. */
  readonly core?: readonly number[];
  /** Which users start, by name; all without it. */
  readonly users?: readonly string[];
  /** In order of time. */
  readonly faults: readonly Fault[];
}

export interface PlanOptions {
  readonly peers: number;
  readonly minutes: number;
  /** Classes that may be drawn; all without it. */
  readonly classes?: readonly FaultClass[];
}

/** Faults begin once a cluster can have formed. */
const quietMs = 4_000;
/** How many faults of a class a minute of chaos brings, at most. */
const perMinute: Readonly<Record<FaultClass, number>> = {
  'partition': 4, 'links': 3, 'clog': 3, 'crash': 4, 'power': 1, 'pause': 3, 'slow-disk': 2, 'disk-fails': 1,
  'clocks': 1, 'runtime': 2, 'containers': 3, 'leave': 1,
};

export function drawPlan(seed: number, options: PlanOptions): FaultPlan {
  const { peers, minutes, classes: allowed = faultClasses } = options;
  const random = createRandom(hash32(seed, 0xfa017));
  const drawn = faultClasses.filter((each) => allowed.includes(each) && random.chance(3, 4));
  // Of two, none can be spared.
  const classes = drawn.filter((each) => each !== 'leave' || peers > 2);
  const healMs = Math.max(quietMs, Math.round(minutes * 60_000 * 0.55));
  const faults = classes.flatMap((each) => drawClass(seed, each, peers, healMs));
  const stormy = classes.includes('runtime') || classes.includes('containers');
  return {
    version: 1, seed, peers, minutes, healMs,
    // Back-off after crashes and failed pulls takes up to five minutes by itself.
    boundMs: stormy ? 480_000 : 150_000,
    classes,
    links: {
      delay: random.chance(1, 2) ? 'exponential' : 'uniform', delayMsMin: 0.2,
      delayMsMax: random.between(1, 10),
      lossPpm: 0, duplicatePpm: 0, reorderPpm: 0, reorderMsMax: 0,
    },
    disks: { syncMsMin: 0.1, syncMsMax: random.between(1, 5) },
    clocks: Array.from({ length: peers }, () => drawClock(random, classes.includes('clocks'))),
    logBounds: drawBounds(random),
    faults: faults.sort((a, b) => a.atMs - b.atMs || (a.kind < b.kind ? -1 : 1)),
  };
}

/** The log's leases bear clocks whose rates differ by up to a third; real ones differ by far less. */
function drawClock(random: Random, faulty: boolean): ClockFault {
  const ppmMax = random.chance(1, 4) ? 50_000 : 300, skewMsMax = random.chance(1, 4) ? 3_600_000 : 2_000;
  const driftPpm = random.between(-ppmMax, ppmMax), wallSkewMs = random.between(-skewMsMax, skewMsMax);
  return faulty ? { driftPpm, wallSkewMs } : { driftPpm: 0, wallSkewMs: 0 };
}

function drawBounds(random: Random): FaultPlan['logBounds'] {
  const small = {
    logEntriesBeforeSnapshot: random.between(10, 300), logEntriesKept: random.between(0, 100),
    snapshotChunkBytes: random.between(200, 20_000), appendBytesMax: random.between(1_000, 50_000),
  };
  return random.chance(2, 3) ? small : {};
}

/** Each class, and each fault in it, draws from a generator of its own: none moves another. */
function drawClass(seed: number, fault: FaultClass, peers: number, healMs: number): Fault[] {
  const random = createRandom(hash32(seed, hashText(fault)));
  const most = Math.ceil(perMinute[fault] * (healMs - quietMs) / 60_000);
  return Array.from({ length: random.between(Math.min(1, most), most) }, (_, n) => {
    const own = createRandom(hash32(seed, hashText(fault), n, 1));
    const atMs = own.between(quietMs, Math.max(quietMs, healMs - 1_000));
    const [shortest, longest] = durations[fault];
    const forMs = Math.min(healMs - atMs, own.chance(1, 6) ? longest : own.between(shortest, longest / 2));
    return drawFault(own, fault, peers, { atMs, forMs });
  });
}

/** Milliseconds. */
const durations: Readonly<Record<FaultClass, readonly [number, number]>> = {
  'partition': [300, 40_000], 'links': [2_000, 60_000], 'clog': [200, 8_000], 'crash': [20, 50_000],
  'power': [1_000, 50_000], 'pause': [50, 15_000], 'slow-disk': [1_000, 30_000], 'disk-fails': [500, 20_000],
  'clocks': [1_000, 60_000], 'runtime': [5_000, 60_000], 'containers': [1, 2], 'leave': [1_000, 40_000],
};

function drawFault(random: Random, fault: FaultClass, peers: number, timed: Timed): Fault {
  const peer = random.between(1, peers);
  switch (fault) {
    case 'partition': return { ...timed, kind: 'partition', ...drawPartition(random, peers) };
    case 'links': {
      const links = drawLinks(random, peers), conditions = drawConditions(random);
      return { ...timed, kind: 'links', links, conditions };
    }
    case 'clog': return { ...timed, kind: 'clog', links: drawLinks(random, peers) };
    case 'crash': {
      const some = drawSome(random, peers, Math.ceil(peers / 2));
      return { ...timed, kind: 'crash', peers: random.chance(1, 8) ? upTo(peers) : some };
    }
    case 'power': {
      const all = random.chance(1, 6);
      return { ...timed, kind: 'power', peers: all ? upTo(peers) : [peer] };
    }
    case 'pause': return { ...timed, kind: 'pause', peer };
    case 'slow-disk': {
      const syncMsMax = random.chance(1, 3) ? random.between(200, 2_000) : random.between(10, 100);
      return { ...timed, kind: 'slow-disk', peer, conditions: { syncMsMin: syncMsMax / 10, syncMsMax } };
    }
    case 'disk-fails': return { ...timed, kind: 'disk-fails', peer };
    case 'clocks': return { ...timed, kind: 'clock-jump', peer, skewMs: random.between(-600_000, 600_000) };
    case 'runtime':
      return random.chance(1, 3) ? { ...timed, kind: 'runtime-down', peer }
        : { ...timed, kind: 'runtime', peer, faults: drawRuntime(random) };
    // The first peer is the door that the others know.
    case 'leave': return { ...timed, kind: 'leave', peer: random.between(Math.min(2, peers), peers) };
    case 'containers': {
      const how = (['exit', 'lose', 'sandbox'] as const)[random.below(3)] ?? 'exit';
      return { ...timed, kind: 'containers', peer, oneIn: random.between(1, 4), how };
    }
  }
}

const upTo = (peers: number): number[] => Array.from({ length: peers }, (_, i) => i + 1);

/** Between one and `most` peers, sorted. */
function drawSome(random: Random, peers: number, most: number): number[] {
  const left = upTo(peers), some: number[] = [];
  for (let n = random.between(1, Math.max(1, most)); n > 0 && left.length > 0; n -= 1) {
    some.push(...left.splice(random.below(left.length), 1));
  }
  return some.sort((a, b) => a - b);
}

function drawPartition(random: Random, peers: number): Pick<FaultOf<'partition'>, 'a' | 'b' | 'direction'> {
  const direction = (['both', 'both', 'a-to-b', 'b-to-a'] as const)[random.below(4)] ?? 'both';
  const a = random.chance(1, 2) ? [random.between(1, peers)] : drawSome(random, peers, Math.floor(peers / 2));
  const others = upTo(peers).filter((each) => !a.includes(each));
  const bridge = others.length > 1 && random.chance(1, 4) ? others[random.below(others.length)] : undefined;
  return { a, b: others.filter((each) => each !== bridge), direction };
}

/** All links, those of one peer, or single ones. */
function drawLinks(random: Random, peers: number): LinkName[] {
  const all = upTo(peers)
    .flatMap((from) => upTo(peers).filter((to) => to !== from).map((to): LinkName => [from, to]));
  const scope = random.below(3), one = random.between(1, peers);
  if (scope === 0) return all;
  if (scope === 1) return all.filter(([from, to]) => from === one || to === one);
  return all.filter(() => random.chance(1, 4));
}

function drawConditions(random: Random): LinkConditions {
  const gray = random.chance(1, 5);
  return {
    delay: random.chance(1, 2) ? 'exponential' : 'uniform', delayMsMin: random.between(0, 20),
    delayMsMax: random.chance(1, 4) ? random.between(50, 400) : random.between(1, 50),
    lossPpm: gray ? 500_000 : random.chance(1, 2) ? random.between(0, 200_000) : 0,
    duplicatePpm: random.chance(1, 2) ? random.between(0, 200_000) : 0,
    reorderPpm: random.chance(1, 2) ? random.between(0, 300_000) : 0, reorderMsMax: random.between(1, 500),
  };
}

/** Chances in a thousand. */
function drawRuntime(random: Random): Partial<ContainerFaults> {
  const some = (most: number): number => (random.chance(1, 2) ? random.between(0, most) : 0);
  return {
    pullMsMax: random.between(1, 20_000), callMsMax: random.between(1, 2_000), pullFails: some(400),
    sandboxFails: some(300), createFails: some(300), startFails: some(300), crashes: some(300),
    crashMsMax: random.between(100, 20_000), eventsLost: some(300),
  };
}
