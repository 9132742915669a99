// The composition root: one peer out of its ports, its settings and what its disk gave back. The real world
// and the simulator make peers with this same function and differ only in the ports.
//
// The life of a peer is a machine: recovering (its new incarnation is not durable yet) → joining (no member
// yet) → following (a member whose state is not known to be caught up) → running → stopped.
// What always holds: nothing is sent before the incarnation is durable; pods run only once the state is
// caught up; after `stopped` nothing happens any more.

import { setup } from 'xstate';
import { unreachable } from '../cluster/assert.ts';
import { revision } from '../cluster/ids.ts';
import type { PeerId, Term } from '../cluster/ids.ts';
import { limits } from '../cluster/limits.ts';
import type { LogDescription } from '../cluster/log/log.ts';
import type { DiskRecovery, PeerEvent, Ports } from '../cluster/ports.ts';
import { createState } from '../cluster/state/state.ts';
import type { State } from '../cluster/state/state.ts';
import { decodeState } from '../cluster/state/snapshot.ts';
import { createCore } from './peer/core.ts';
import type { PeerConfig } from './peer/core.ts';
import { createParts } from './peer/parts.ts';
import type { PeerStatus } from './peer/status.ts';
import { startRoot } from './root.ts';

export type Lifecycle =
  | { readonly type: 'joining'; readonly address: string }
  | { readonly type: 'member' }
  | { readonly type: 'caught-up' }
  /** Its disk knows that it is a member: from now on it starts as one. */
  | { readonly type: 'durable' }
  | { readonly type: 'leader'; readonly leads: boolean; readonly term: Term }
  | { readonly type: 'stopped'; readonly reason: string };

export interface Peer {
  readonly id: PeerId;
  start(): void;
  /** One event of a port; carried through before it returns. */
  deliver(event: PeerEvent): void;
  /** Read only, and only until the next event. */
  state(): State;
  log(): LogDescription;
  status(): PeerStatus;
  /** `recovering`, `joining`, `following`, `running` or `stopped`: what `status` says of it, for less. */
  phase(): string;
  /** Stops the actors and answers nobody any more; containers go on. */
  stop(reason?: string): void;
}

type PhaseEvent = { readonly type: 'durable' | 'member' | 'caught-up' } | { readonly type: 'stop' };

/** The phases of a peer's life; what happens in them is in `peer/parts.ts`. */
const phases = setup({ types: { events: {} as PhaseEvent } }).createMachine({
  id: 'peer',
  initial: 'recovering',
  states: {
    recovering: { on: { durable: 'joining', stop: 'stopped' } },
    joining: { on: { member: 'following', stop: 'stopped' } },
    following: { on: { 'caught-up': 'running', stop: 'stopped' } },
    running: { on: { stop: 'stopped' } },
    stopped: { type: 'final' },
  },
});

export function createPeer(
  ports: Ports, config: PeerConfig, recovery: DiskRecovery, lifecycle: (event: Lifecycle) => void,
): Peer {
  const { core, timers, deferrals } = createCore(ports, config, recoveredState(recovery),
    incarnationAfter(recovery, ports.clock.wallMs()));
  const phase = startRoot(phases, { id: 'peer', clock: timers.actorClock });
  const phaseNow = (): string => String(phase.snapshot().value);
  const parts = createParts(core, timers, recovery, {
    phase: phaseNow,
    member() {
      phase.send({ type: 'member' });
      lifecycle({ type: 'member' });
    },
    caughtUp() {
      phase.send({ type: 'caught-up' });
      lifecycle({ type: 'caught-up' });
    },
    durable: () => lifecycle({ type: 'durable' }),
    leads: (leads, term) => lifecycle({ type: 'leader', leads, term }),
    stop,
  });
  let stopped = false;

  function stop(reason: string): void {
    if (stopped) return;
    stopped = true;
    deferrals.clear();
    phase.send({ type: 'stop' });
    parts.stop();
    lifecycle({ type: 'stopped', reason });
  }

  function begin(): void {
    phase.send({ type: 'durable' });
    const { join } = config;
    if (parts.isMember()) {
      phase.send({ type: 'member' });
      lifecycle({ type: 'member' });
    } else if (join === null) {
      return stop('this peer is no member of a cluster, and was not told how to join one');
    } else {
      lifecycle({ type: 'joining', address: join.address });
    }
    parts.begin();
  }

  function dispatch(event: PeerEvent): void {
    switch (event.type) {
      case 'timer': return timers.fire(event.key);
      case 'persisted':
        if (event.token === firstToken) return begin();
        return parts.disk(event);
      case 'snapshot-saved': case 'disk-failed': return parts.disk(event);
      case 'message': case 'feed': case 'join-message': case 'dialled': case 'disconnected':
        return parts.network(event);
      case 'request': case 'request-closed': case 'request-drained':
      case 'flow-opened': case 'flow-input': case 'flow-drained': case 'flow-closed':
        return parts.clients(event);
      case 'runtime-done': case 'runtime-failed': case 'container-changed': case 'container-gone':
      case 'sandbox-changed': case 'sandbox-gone': case 'runtime-health': case 'log-chunk': case 'log-end':
      case 'flow-output': case 'flow-taken': case 'flow-end':
        return parts.containers(event);
      case 'outbound-done': return parts.outbound(event);
      default: return unreachable(event);
    }
  }

  return {
    id: core.self,
    start() {
      ports.disk.saveFact('incarnation', String(core.incarnation));
      ports.disk.write({ token: firstToken, entries: [] });
    },
    deliver(event) {
      if (stopped) return;
      dispatch(event);
      deferrals.drain();
    },
    state: () => core.state,
    log: () => parts.log(),
    status: () => parts.status(),
    phase: phaseNow,
    stop: (reason = 'it was told to stop') => stop(reason),
  };
}

/** The log's own tokens begin above it. */
const firstToken = 0;

/**
 * Above all that the last run said: a refutation leaves at once, and a crash may come before it is on disk.
 * A peer with an empty disk may have had one before, under the same identity, and others remember its
 * incarnations and its commands: it begins at the time of day in milliseconds, for it neither starts nor
 * refutes rumours often enough to get ahead of it for long.
 */
function incarnationAfter(recovery: DiskRecovery, wallMs: number): number {
  const before = Number(recovery.facts['incarnation'] ?? 0);
  if (Number.isSafeInteger(before) && before > 0) return before + limits.refutationsUnsyncedMax;
  return Math.max(1, Math.floor(wallMs));
}

/** The state as of the disk's snapshot; the log brings it further. */
function recoveredState(recovery: DiskRecovery): State {
  if (recovery.snapshot === null) return createState();
  const state = decodeState(recovery.snapshot);
  if ('refusal' in state) throw new Error(`the snapshot on disk can't be used: ${state.refusal}`);
  const { index } = recovery.log.snapshot;
  if (state.revision !== revision(index)) {
    throw new Error(`the snapshot on disk is of index ${state.revision}, its label says ${index}`);
  }
  return state;
}
