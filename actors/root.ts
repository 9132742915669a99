// How every XState actor of Shoal is started: as a root of its own, on the peer's clock, under an explicit
// id. XState turns a throwing action into a stopped actor and an error that surfaces later, or nowhere;
// here it is thrown again from the very `send` or timer that caused it, so that a broken invariant stops
// the peer. What always holds: an actor that failed takes the event's caller down with it.

import { createActor } from 'xstate';
import type { Actor, AnyStateMachine, EventFromLogic, InputFrom, SnapshotFrom } from 'xstate';
import type { ActorClock } from './services.ts';

export interface RootActor<Machine extends AnyStateMachine> {
  readonly id: string;
  send(event: EventFromLogic<Machine>): void;
  snapshot(): SnapshotFrom<Machine>;
  stop(): void;
}

/** Creates and starts `machine`. After `stop`, or its final state, events sent to it are dropped. */
export function startRoot<Machine extends AnyStateMachine>(
  machine: Machine,
  options: { readonly id: string; readonly clock: ActorClock; readonly input?: InputFrom<Machine> },
): RootActor<Machine> {
  let failure: { readonly error: unknown } | null = null;
  const rethrow = (): void => {
    if (failure !== null) throw failure.error;
  };
  const clock: ActorClock = {
    setTimeout: (fn, ms) =>
      options.clock.setTimeout((...args) => {
        fn(...args);
        rethrow();
      }, ms),
    clearTimeout: (id) => options.clock.clearTimeout(id),
  };
  const { id } = options;
  const actor: Actor<Machine> =
    options.input === undefined
      ? createActor(machine, { id, clock } as never)
      : createActor(machine, { id, clock, input: options.input } as never);
  actor.subscribe({
    error: (error: unknown) => {
      failure = { error };
    },
  });
  actor.start();
  rethrow();
  let stopped = false;
  const active = (): boolean => (actor.getSnapshot() as { readonly status: string }).status === 'active';
  return {
    id,
    send(event) {
      if (stopped || !active()) return;
      actor.send(event);
      rethrow();
    },
    snapshot: () => actor.getSnapshot(),
    stop() {
      stopped = true;
      actor.stop();
    },
  };
}
