// What the parts of a peer share: ports, clock, state, and the rule that a callback is an event of its own.
// What always holds: `deferred` work runs after the event that caused it, in the order it was deferred.

import type { Descriptions } from '../../cluster/api/request.ts';
import { fromU32 } from '../../cluster/random.ts';
import type { AuditPolicy } from '../../cluster/api/access/auditpolicy.ts';
import type { Random } from '../../cluster/random.ts';
import type { NodeName, PeerId, ResourceName } from '../../cluster/ids.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { LogBounds } from '../../cluster/log/log.ts';
import type { Ports } from '../../cluster/ports.ts';
import type { State } from '../../cluster/state/state.ts';
import type { ActorClock, NodeCapacity } from '../services.ts';
import { assert } from '../../cluster/assert.ts';

export interface PeerConfig {
  readonly name: NodeName;
  /** The address that this node's pods and clients know it by. */
  readonly hostIP: string;
  readonly apiPort: number;
  readonly version: string;
  readonly capacity: NodeCapacity;
  readonly labels: Readonly<Record<string, string>>;
  readonly nodeInfo: Readonly<Record<string, string>>;
  /** How to get in, for a peer whose disk knows no cluster: through which door, with which token. */
  readonly join: { readonly address: string; readonly token: string } | null;
  /** Objects that the founding peer puts into the new cluster's state: its CA, the first token keys. */
  readonly founding: readonly FoundingObject[];
  /** What `kubectl explain` says in words. */
  readonly descriptions?: Descriptions;
  /** How long the event loop was held at most since this was asked last; not there in a simulation. */
  readonly loop?: () => { readonly longestMs: number; readonly p99Ms: number };
  /** Which requests are written down; null, or none: none are. */
  readonly audit?: AuditPolicy | null;
  /** Smaller bounds of the log than those of `limits.ts`, so that a simulation meets them sooner. */
  readonly logBounds?: Partial<LogBounds> & { readonly logEntriesBeforeSnapshot?: number };
}

export interface FoundingObject {
  readonly resource: ResourceName;
  /** Without an identity yet. */
  readonly object: Omit<KubeObject, 'metadata'> & {
    readonly metadata: { readonly name: string; readonly namespace?: string };
  };
}

export interface Core {
  readonly ports: Ports;
  readonly config: PeerConfig;
  readonly self: PeerId;
  readonly random: Random;
  /** Grows with every start of this peer; durable before anything is sent. */
  readonly incarnation: number;
  state: State;
  /** Runs after the current event, before the next. */
  defer(work: () => void): void;
  arm(key: string, ms: number, work: () => void): void;
  disarm(key: string): void;
  now(): number;
  trace(area: string, what: string, fields: Readonly<Record<string, string | number | boolean | null>>): void;
}

export interface CoreParts { readonly core: Core; readonly timers: Timers; readonly deferrals: Deferrals }

export function createCore(ports: Ports, config: PeerConfig, state: State, incarnation: number): CoreParts {
  const timers = createTimers(ports), deferrals = createDeferrals();
  const core: Core = {
    ports, config, incarnation, state, self: ports.network.self, random: randomOf(ports),
    defer: deferrals.defer, arm: timers.arm, disarm: timers.disarm,
    // The core counts whole milliseconds, on every clock.
    now: () => Math.floor(ports.clock.nowMs()),
    trace: (area, what, fields) => ports.trace.event(area, what, fields),
  };
  return { core, timers, deferrals };
}

/** Timers by key over the clock port, and XState's clock on top of them. */
export interface Timers {
  arm(key: string, ms: number, work: () => void): void;
  disarm(key: string): void;
  /** The port's `timer` event. An unknown key is a timer that was disarmed while its event was under way. */
  fire(key: string): void;
  readonly actorClock: ActorClock;
}

function createTimers(ports: Ports): Timers {
  const armed = new Map<string, () => void>();
  let next = 0;
  function arm(key: string, ms: number, work: () => void): void {
    armed.set(key, work);
    ports.clock.arm(key, Math.max(0, Math.ceil(ms)));
  }
  function disarm(key: string): void {
    if (armed.delete(key)) ports.clock.disarm(key);
  }
  return {
    arm, disarm,
    fire(key) {
      const work = armed.get(key);
      armed.delete(key);
      work?.();
    },
    actorClock: {
      setTimeout(fn, ms) {
        const key = `actor/${(next += 1)}`;
        arm(key, ms, () => fn());
        return key;
      },
      clearTimeout(id) { if (typeof id === 'string') disarm(id); },
      ...ports.trace.actor === undefined ? {} : { seen: ports.trace.actor },
    },
  };
}

/** Work deferred in one event, its own deferrals included; more means a loop that feeds itself. */
const deferralsMax = 1_000_000;

export interface Deferrals {
  defer(work: () => void): void;
  drain(): void;
  /** Nothing that was deferred, or will be, runs any more. */
  clear(): void;
}

function createDeferrals(): Deferrals {
  let queue: (() => void)[] = [], over = false;
  return {
    defer(work) { if (!over) queue.push(work); },
    drain() {
      for (let rounds = 0; queue.length > 0; rounds += queue.length) {
        assert(rounds < deferralsMax, 'deferred work feeds itself');
        const batch = queue;
        queue = [];
        for (const work of batch) if (!over) work();
      }
    },
    clear() {
      over = true;
      queue = [];
    },
  };
}

const randomOf = (ports: Ports): Random => fromU32(() => ports.random.u32());

/** A UUID v4 from the random port. */
export function uuid(random: Random): string {
  const hex = Array.from({ length: 4 }, () => random.u32().toString(16).padStart(8, '0')).join('');
  const variant = ((parseInt(hex[16] ?? '0', 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${
    hex.slice(20)}`;
}
