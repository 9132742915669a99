// Faults as data: a plan says what goes wrong in a run, when, and where. It is drawn from the seed, printed
// before the run, saved, edited and replayed (`faults/check.ts` reads it back).
//
// Swarm testing: whole classes of faults are off in some runs, so that those which hide each other are seen
// apart. What always holds: every fault is over by `healMs`, but for what it has asked of others (a peer that
// was to leave may still be on its way out; a machine whose disk was lost may still be joining); the plan is
// plain JSON; peers count from 1 and are places: a machine that takes another's place has its number.

import { createRandom, hash32, hashText } from '../cluster/random.ts';
import type { PeerConfig } from '../actors/peer/core.ts';
import { drawCore } from './core.ts';
import { drawClass, drawWorld } from './faults/draw.ts';
import type { ClockFault } from './ports/clock.ts';
import type { ContainerFaults } from './ports/containers.ts';
import type { DiskConditions } from './ports/disk.ts';
import type { PartitionDirection } from './ports/network.ts';
import type { LinkConditions } from './ports/network/conditions.ts';

export const faultClasses = [
  'partition', 'links', 'gray', 'bandwidth', 'clog', 'flap', 'swizzle',
  'crash', 'crash-within', 'power', 'pause',
  'slow-disk', 'disk-fails', 'full-disk', 'rot', 'misdirect', 'wipe',
  'clocks', 'rates', 'runtime', 'containers', 'late', 'leave', 'replace',
] as const;
export type FaultClass = (typeof faultClasses)[number];

/** From one peer to another, by number. */
export type LinkName = readonly [from: number, to: number];

export interface Timed { readonly atMs: number; readonly forMs: number }

export type Fault = Timed
  & (NetworkFault | ProcessFault | DiskFault | ClockSetting | RuntimeFault | MemberFault);

export type NetworkFault =
  /** Peers in neither group see both: a bridge. */
  | { readonly kind: 'partition'; readonly a: readonly number[]; readonly b: readonly number[];
      readonly direction: PartitionDirection }
  /** Each sees its two neighbours in this order only; `oneWay`: it hears only the one before it. */
  | { readonly kind: 'ring'; readonly order: readonly number[]; readonly oneWay: boolean }
  | { readonly kind: 'links'; readonly links: readonly LinkName[]; readonly conditions: LinkConditions }
  | { readonly kind: 'clog'; readonly links: readonly LinkName[] }
  /** The links are down for the first `downMs` of every `everyMs`. */
  | { readonly kind: 'flap'; readonly links: readonly LinkName[]; readonly everyMs: number;
      readonly downMs: number }
  /**
   * All links of one peer after the other are clogged, one every `everyMs`, in the order of `clogs`; at the
   * end they open one by one, in the order of `opens`, the last when the fault is over. After FoundationDB.
   */
  | { readonly kind: 'swizzle'; readonly clogs: readonly number[]; readonly opens: readonly number[];
      readonly everyMs: number };

export type ProcessFault =
  /** The processes are killed, and started again after `forMs`; containers go on. */
  | { readonly kind: 'crash'; readonly peers: readonly number[] }
  /**
   * The process dies within an event, when it has made so many calls to this port in it and is about to make
   * the next: a part of what the event should bring about is done, the rest never is. It starts again when
   * the fault is over. While no event makes that many calls, nothing happens.
   */
  | { readonly kind: 'crash-within'; readonly peer: number; readonly port: FusePort;
      readonly calls: number }
  /** The machines lose power: containers die too. */
  | { readonly kind: 'power'; readonly peers: readonly number[] }
  /** The process stands still; what comes meanwhile waits. */
  | { readonly kind: 'pause'; readonly peer: number };

/** The port whose calls count; `any`: of all of these together. */
export type FusePort = 'any' | 'disk' | 'network' | 'containers' | 'clients';

/** What may be lost for good is lost only where `faults/atlas.ts` says that it can be spared. */
export type DiskFault =
  | { readonly kind: 'slow-disk'; readonly peer: number; readonly conditions: DiskConditions }
  /**
   * The next sync fails, the peer stops, and is started again when the fault is over. `keeps`: a part of what
   * was to be synced may be on the disk.
   */
  | { readonly kind: 'disk-fails'; readonly peer: number; readonly keeps?: boolean }
  /** So many bytes more, and the disk is full; the peer stops at the first write that does not fit. */
  | { readonly kind: 'full-disk'; readonly peer: number; readonly roomBytes: number }
  /**
   * Bits go bad. `entry`, `snapshot`: stored ones, while the peer is down for `forMs`. `read`: as they are
   * read when it starts after `forMs`. `write`: as the next records are written; the peer is killed and
   * started at the end of the fault, and then finds out.
   */
  | { readonly kind: 'rot'; readonly peer: number; readonly where: 'entry' | 'snapshot' | 'read' | 'write';
      readonly atPpm: number }
  /** The next records are written over an older one; found out as with `rot` on `write`. */
  | { readonly kind: 'misdirect'; readonly peer: number; readonly atPpm: number }
  /** The peer is killed and finds an empty disk when it starts again; `power`: its containers are dead. */
  | { readonly kind: 'wipe'; readonly peer: number; readonly power: boolean };

export type ClockSetting =
  /** The wall clock is set forward, or back, and set right again at the end. */
  | { readonly kind: 'clock-jump'; readonly peer: number; readonly skewMs: number }
  /** Both clocks run at this rate instead of their own; never beyond `driftPpmMax` of `ports/clock.ts`. */
  | { readonly kind: 'clock-rate'; readonly peer: number; readonly driftPpm: number };

export type RuntimeFault =
  | { readonly kind: 'runtime'; readonly peer: number; readonly faults: Partial<ContainerFaults> }
  /** The daemon is down, then up again. `die`: the containers went down with it. */
  | { readonly kind: 'runtime-down'; readonly peer: number; readonly containers?: 'live' | 'die' }
  /** One in `oneIn` containers exits with code 1, vanishes, or loses its sandbox. */
  | { readonly kind: 'containers'; readonly peer: number; readonly oneIn: number;
      readonly how: 'exit' | 'lose' | 'sandbox' };

export type MemberFault =
  /** The machine is switched on for the first time when the fault is over; it begins with the run. */
  | { readonly kind: 'late'; readonly peer: number }
  /** It is taken out of the cluster; its machine is emptied and joins again when the fault is over. */
  | { readonly kind: 'leave'; readonly peer: number }
  /**
   * The machine is gone for good, and its peer taken out. Another machine takes its place when the fault is
   * over: another identity and address, under the `same` name, once the former member is out, or an `other`.
   */
  | { readonly kind: 'replace'; readonly peer: number; readonly name: 'same' | 'other' };

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
  /** All are members from the beginning: a thousand joins are not what a large run is about. */
  readonly formed?: boolean;
  /** In order of time. */
  readonly faults: readonly Fault[];
}

export interface PlanOptions {
  readonly peers: number;
  readonly minutes: number;
  /** Classes that may be drawn; all without it. */
  readonly classes?: readonly FaultClass[];
}

/** Of so many runs that may have a class of faults, one has it. */
const classOneIn = 2;
/** Of two members, none can be spared; one machine alone holds everything. */
const peersMin: Partial<Readonly<Record<FaultClass, number>>> = {
  'leave': 3, 'replace': 3, 'wipe': 3, 'rot': 3, 'misdirect': 3,
  'late': 2, 'gray': 2, 'swizzle': 2, 'flap': 2,
};
/** Faults begin once a cluster can have formed. */
const quietMs = 4_000;

export function drawPlan(seed: number, options: PlanOptions): FaultPlan {
  const { peers, minutes, classes: allowed = faultClasses } = options;
  const classes = faultClasses.filter((each) => allowed.includes(each) && peers >= (peersMin[each] ?? 1)
    && createRandom(hash32(seed, hashText(each), 2)).chance(1, classOneIn));
  const healMs = Math.max(quietMs, Math.round(minutes * 60_000 * 0.55));
  const span = { peers, fromMs: quietMs, healMs };
  const faults = classes.flatMap((each) => drawClass(seed, each, span));
  const stormy = classes.includes('runtime') || classes.includes('containers');
  return {
    version: 1, seed, peers, minutes, healMs,
    // Back-off after crashes and failed pulls takes up to five minutes by itself.
    boundMs: stormy ? 480_000 : 150_000,
    classes, ...drawWorld(createRandom(hash32(seed, 0xfa017)), peers, classes.includes('clocks')),
    ...drawCore(seed, peers, classes),
    faults: faults.sort((a, b) => a.atMs - b.atMs || (a.kind < b.kind ? -1 : 1)),
  };
}
