// One machine for each Node on the leader: what gossip says of its member, with patience.
//
//     joining → ready → suspect → unreachable → lost, and from each of them back to ready
//
// Suspicion is given time to be refuted; death as gossip sees it has had that time already. What is then
// written of the node is decided in `lifecycle.ts`. A leader starts these anew from the state and from the
// liveness it already holds. What always holds: no transition writes by itself; it wakes the node's key.

import { setup } from 'xstate';
import type { Liveness } from '../../cluster/gossip/types.ts';
import { limits } from '../../cluster/limits.ts';

export type NodePhase = 'joining' | 'ready' | 'suspect' | 'unreachable' | 'lost';

/** `silent`: gossip knows no such member. */
export interface SeenEvent { readonly type: 'seen'; readonly status: Liveness | 'silent' }

export interface NodeInput { readonly name: string; readonly alreadyUnreachable: boolean }

/** `wake`: something may have to be written of this node. */
export function nodeMachine(wake: (name: string) => void) {
  return setup({
    types: { context: {} as NodeInput, input: {} as NodeInput, events: {} as SeenEvent },
    actions: { wake: ({ context }) => wake(context.name) },
    guards: {
      alive: ({ event }) => event.status === 'alive',
      suspect: ({ event }) => event.status === 'suspect',
      dead: ({ event }) => event.status === 'dead',
      /** The leader before this one has seen it out. */
      knownDead: ({ event, context }) => event.status === 'dead' && context.alreadyUnreachable,
    },
  }).createMachine({
    id: 'node',
    context: ({ input }) => input,
    initial: 'joining',
    states: {
      joining: {
        on: {
          seen: [
            { guard: 'alive', target: 'ready' },
            { guard: 'knownDead', target: 'unreachable' },
            // A new leader's gossip may lag behind its election: even the dead get the suspect's time.
            { guard: 'suspect', target: 'suspect' },
            { guard: 'dead', target: 'suspect' },
          ],
        },
        after: { [limits.nodeStartupGraceMs]: { target: 'unreachable' } },
      },
      ready: {
        entry: 'wake',
        on: {
          seen: [
            { guard: 'suspect', target: 'suspect' },
            { guard: 'dead', target: 'unreachable' },
            // A beat says more than liveness: whether the runtime answers.
            { guard: 'alive', actions: 'wake' },
          ],
        },
        // The leader's own beats are nobody's news, so it looks by itself at their interval.
        after: { [limits.beatIntervalMs]: { target: 'ready', reenter: true } },
      },
      suspect: {
        on: {
          seen: [
            { guard: 'alive', target: 'ready' },
            { guard: 'dead', target: 'unreachable' },
          ],
        },
        after: { [limits.nodeUnreachableAfterSuspectMs]: { target: 'unreachable' } },
      },
      unreachable: {
        entry: 'wake',
        on: { seen: [{ guard: 'alive', target: 'ready' }] },
        after: { [limits.defaultTolerationSeconds * 1000]: { target: 'lost' } },
      },
      // Its pods are being replaced elsewhere.
      lost: {
        entry: 'wake',
        on: { seen: [{ guard: 'alive', target: 'ready' }] },
      },
    },
  });
}
