// What a peer gives to the actors that live in it. Machines close over this; their context stays plain data.
// What always holds: every callback comes later, as an event of its own, never from inside the call that
// asked for it; and none comes after the peer has stopped.

import type { RuntimeCall, RuntimeFailure, ContainerFact, SandboxFact, Route } from '../cluster/ports.ts';
import type { NodeName, PeerId, Term } from '../cluster/ids.ts';
import type { Random } from '../cluster/random.ts';
import type { Op, Outcome, Refusal } from '../cluster/state/types.ts';
import type { State } from '../cluster/state/state.ts';
import type { Beat, Liveness } from '../cluster/gossip/types.ts';
import type { RuntimeUsage } from '../cluster/usage.ts';

/**
 * `Unavailable`: nobody could append it in time; `uncertain`: it may have been applied, or still be;
 * `overloaded`: this peer has too many under way to take it.
 */
export type SubmitOutcome =
  | Outcome
  | {
      readonly ok: false;
      readonly refusal: Omit<Refusal, 'reason'>
        & { readonly reason: 'Unavailable'; readonly uncertain?: true; readonly overloaded?: true };
    };

export type RuntimeResult =
  | {
      readonly ok: true; readonly value: string; readonly sandbox?: SandboxFact;
        readonly container?: ContainerFact;
      readonly list?: { readonly sandboxes: readonly SandboxFact[];
        readonly containers: readonly ContainerFact[] };
      readonly usage?: RuntimeUsage;
    }
  | { readonly ok: false; readonly failure: RuntimeFailure };

/** XState's clock interface, on the peer's own timers. */
export interface ActorClock {
  setTimeout(fn: (...args: unknown[]) => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
  /** Whoever looks on: told of each state that an actor on this clock comes to, null for its end. */
  readonly seen?: (id: string, state: string | null) => void;
}

/** What a machine offers to pods; the disk where its size is known. */
export interface NodeCapacity {
  readonly cpuMilli: number; readonly memoryBytes: number; readonly pods: number;
  readonly ephemeralStorageBytes?: number;
}

export interface PeerServices {
  readonly self: {
    readonly id: PeerId; readonly name: NodeName; readonly hostIP: string; readonly version: string;
    readonly capacity: NodeCapacity;
    readonly labels: Readonly<Record<string, string>>;
    readonly nodeInfo: Readonly<Record<string, string>>;
  };
  /** This peer's applied state; read only. It is a new value after each applied snapshot: do not keep it. */
  state(): State;
  /** Monotonic milliseconds. */
  nowMs(): number;
  wallMs(): number;
  readonly random: Random;
  /** A fresh UUID v4 text from the random port. */
  newUid(): string;
  readonly clock: ActorClock;
  /** Proposes the ops as one command. `fence` is given by what runs on the leader only. */
  submit(ops: readonly Op[], fence: Term | null, done: (outcome: SubmitOutcome) => void): void;
  /** One call to the container runtime. */
  runtime(call: RuntimeCall, done: (result: RuntimeResult) => void): void;
  traffic(routes: readonly Route[]): void;
  /** What gossip knows of a member; a `stranger` is none by the log: it was taken out, or never let in. */
  liveness(peer: PeerId): { readonly status: Liveness; readonly beat: Beat | null;
    readonly stranger?: boolean };
  trace(area: string, what: string, fields: Readonly<Record<string, string | number | boolean | null>>): void;
}
