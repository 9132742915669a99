// How every XState actor of Shoal is started: as a root of its own, on the peer's clock, under an explicit
// id. XState turns a throwing action into a stopped actor and an error that surfaces later, or nowhere;
// here it is thrown again from the very `send` or timer that caused it, so that a broken invariant stops
// the peer. What always holds: an actor that failed takes the event's caller down with it.

import { createActor } from 'xstate';
import type {
  Actor, AnyMachineSnapshot, AnyStateMachine, EventFromLogic, InputFrom, SnapshotFrom,
} from 'xstate';
import type { ActorClock } from './services.ts';

export interface RootActor<Machine extends AnyStateMachine> {
  readonly id: string;
  send(event: EventFromLogic<Machine>): void;
  snapshot(): SnapshotFrom<Machine>;
  stop(): void;
}

/** Tells of what is new only. */
function toldOf(seen: NonNullable<ActorClock['seen']>, id: string): (state: string | null) => void {
  let last: string | null = null;
  return (state) => {
    if (state !== last) seen(id, state);
    last = state;
  };
}

const stateOf = ({ value, status }: AnyMachineSnapshot): string | null =>
  status === 'active' ? pathOf(value) : null;

/** A state's name, with those of the states within it: `running.waiting`; parallel ones side by side. */
function pathOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value).map(([name, within]) =>
    typeof within === 'object' && Object.keys(within as object).length === 0 ? name
      : `${name}.${pathOf(within)}`).join(', ');
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
  const tell = options.clock.seen === undefined ? null : toldOf(options.clock.seen, id);
  if (tell !== null) actor.subscribe({ next: (is) => tell(stateOf(is)), complete: () => tell(null) });
  actor.start();
  tell?.(stateOf(actor.getSnapshot()));
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
      tell?.(null);
    },
  };
}
