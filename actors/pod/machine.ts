// The life of a pod on its node, as an XState machine: the states are the lifecycle, every event goes through
// `step`, and where it leads is read from what `step` decided.
//
//     starting ⇄ initializing → running → completed
//          ╲          │            │          │
//           ╲─────────┴→ terminating ←────────┤      (deleted, over its deadline)
//                            │                │
//                         removing ←──────────┘  → ended
//
// A dead sandbox leads back to `starting`. What always holds: `ended` means that the runtime holds nothing of
// the pod; nothing is called after it.

import { enqueueActions, setup } from 'xstate';
import { newContext } from './facts.ts';
import { step } from './step.ts';
import type { Effect, Lifecycle, PodContext, PodEvent, PodInput, World } from './context.ts';

/** What the machine closes over: its context stays plain data. */
export interface PodHands {
  world(): World;
  perform(effects: readonly Effect[]): void;
}

const wakeTimer = 'wake';

export function createPodMachine(hands: PodHands) {
  const to = (...phases: readonly Lifecycle[]) => phases.map((phase) => ({
    guard: ({ context }: { context: PodContext }) => context.phase === phase, target: phase,
  }));
  return setup({
    types: { context: {} as PodContext, events: {} as PodEvent, input: {} as PodInput },
    actions: {
      advance: enqueueActions(({ context, event, enqueue }) => {
        const world = hands.world();
        const next = step(context, event, world);
        enqueue.assign(() => next.context);
        enqueue.cancel(wakeTimer);
        const { wakeAtMs } = next.context;
        if (wakeAtMs !== null && next.context.phase !== 'ended') {
          const delay = Math.max(0, wakeAtMs - world.time.nowMs);
          enqueue.raise({ type: 'wake' }, { id: wakeTimer, delay });
        }
        enqueue(() => hands.perform(next.effects));
      }),
    },
  }).createMachine({
    id: 'pod',
    context: ({ input }) => newContext(input),
    initial: 'starting',
    on: {
      pod: { actions: 'advance' }, removed: { actions: 'advance' },
      sandbox: { actions: 'advance' }, 'sandbox-gone': { actions: 'advance' },
      container: { actions: 'advance' }, 'container-gone': { actions: 'advance' },
      listed: { actions: 'advance' }, result: { actions: 'advance' }, references: { actions: 'advance' },
      'runtime-up': { actions: 'advance' }, wake: { actions: 'advance' },
    },
    states: {
      starting: { always: to('initializing', 'running', 'completed', 'terminating', 'removing', 'ended') },
      initializing: { always: to('starting', 'running', 'completed', 'terminating', 'removing', 'ended') },
      running: { always: to('starting', 'initializing', 'completed', 'terminating', 'removing', 'ended') },
      completed: { always: to('terminating', 'removing', 'ended') },
      terminating: { always: to('completed', 'removing', 'ended') },
      removing: { always: to('terminating', 'ended') },
      ended: { type: 'final' },
    },
  });
}

export type PodMachine = ReturnType<typeof createPodMachine>;
